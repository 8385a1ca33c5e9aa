//! Sources that do not load. Each test checks the code, the place and the help of the finding.

mod annotations;
mod conditions;
mod depth;
mod entity_ids;
mod links;
mod schemas;

use super::super::{Bundle, Sources};
use super::load;
use cedargate_core::Finding;

/// A valid permit, so that the tested policy is the only problem of the bundle.
const OPEN: &str = "@id(\"open\")
permit (principal, action in Gate::Action::\"manageOwnMfa\", resource)
when { resource in principal.account };
";
const TEMPLATE: &str = "@id(\"template\")
permit (principal in ?principal, action in Gate::Action::\"administerMfa\", resource in ?resource);
";

#[track_caller]
fn only(mut findings: Vec<Finding>) -> Finding {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[track_caller]
fn at(finding: &Finding, text: &str, start: usize) {
    let line = text[..start].matches('\n').count() + 1;
    let column = text[..start]
        .chars()
        .rev()
        .take_while(|c| *c != '\n')
        .count()
        + 1;
    assert_eq!((finding.line, finding.column), (line, column), "{finding}");
}

#[track_caller]
fn helps(finding: &Finding, help: &str) {
    let text = finding.help.as_deref().unwrap_or_default();
    assert!(text.contains(help), "{finding}");
}

/// Checks that the only finding has this code, begins at the marked text and has `help` in its help.
#[track_caller]
fn refused(policy: &str, code: &str, marked: &str, help: &str) {
    let text = format!("{OPEN}{policy}");
    let finding = only(load(&text).unwrap_err().0);
    assert_eq!(
        (finding.code, finding.file.as_str()),
        (code, "policies/a.cedar"),
        "{finding}"
    );
    let before = text.len() - policy.len();
    let start = before
        + policy
            .find(marked)
            .expect("the marked text is in the policy");
    at(&finding, &text, start);
    helps(&finding, help);
}

/// Checks that a policy loads.
#[track_caller]
fn accepted(policy: &str) {
    load(&format!("{OPEN}{policy}")).unwrap();
}

fn forbid(condition: &str) -> String {
    on("action in Gate::Action::\"enroll\"", condition)
}

fn on(action: &str, condition: &str) -> String {
    format!("@id(\"x\")\nforbid (principal, {action}, resource)\nwhen {{ {condition} }};")
}

#[test]
fn finding_is_rendered_with_its_excerpt() {
    let policy = forbid("principal in Gate::Group::\"contractors\"");
    insta::assert_snapshot!(only(load(&format!("{OPEN}{policy}")).unwrap_err().0), @r#"
    error[entity_id]: Gate::Group::"contractors" can never match: it is written <issuer>|<tenant>|<name>; the tenant may be empty, the name may not
     --> policies/a.cedar:6:21
      |
    6 | when { principal in Gate::Group::"contractors" };
      |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write "<issuer>|<tenant>|contractors", such as "corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|contractors"
    "#);
}

#[test]
fn syntax_error_is_refused_at_its_place() {
    refused(
        "@id(\"x\") forbid (principal, action, resourc);",
        "syntax",
        "resourc",
        "",
    );
    refused(
        "@id(\"x\") @id(\"y\") forbid (principal, action, resource);",
        "syntax",
        "@id(\"y\")",
        "",
    );
    refused(
        "@id(\"x\") forbid (principal, action, resource) nonsense;",
        "syntax",
        ";",
        "",
    );
}

#[test]
fn all_problems_of_all_files_are_reported_at_once() {
    let files = [
        (
            "b.cedar",
            "@id(\"b\") permit (principal, action, resource);",
        ),
        ("a.cedar", "permit (principal"),
        (
            "c/d.cedar",
            "@id(\"d\") forbid (principal, action in Gate::Action::\"mfa\", resource) when { context.nothing };",
        ),
        (
            "x.links.json",
            "[{\"template_id\": \"none\", \"link_id\": \"l\", \"args\": {}}]",
        ),
    ];
    let found = |site| {
        let findings = Bundle::load(&Sources::of(&files, site)).unwrap_err().0;
        findings
            .into_iter()
            .map(|one| (one.file, one.code))
            .collect::<Vec<_>>()
    };
    let owned = |list: &[(&str, &'static str)]| {
        list.iter()
            .map(|(file, code)| ((*file).to_owned(), *code))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found("namespace Site { type Claims = {}; }"),
        owned(&[
            ("policies/a.cedar", "syntax"),
            ("policies/b.cedar", "permit_any_action"),
            ("policies/c/d.cedar", "validation"),
            ("policies/x.links.json", "link_template"),
        ])
    );
    // Without a schema, policies are not validated, but the other problems are reported.
    assert_eq!(
        found("namespace Site { type Claims = { a: String }; }"),
        owned(&[
            ("policies/a.cedar", "syntax"),
            ("policies/x.links.json", "link_template"),
            ("schema/site.cedarschema", "site_schema"),
        ])
    );
}

#[test]
fn policy_that_fails_strict_validation_is_refused() {
    refused(
        "@id(\"x\") permit (principal, action in [], resource);",
        "validation",
        "@id",
        "",
    );
    refused(
        &forbid("context.methodTyp == Gate::MethodType::\"webauthn_fido\""),
        "validation",
        "context.methodTyp",
        "methodType",
    );
    refused(
        &forbid("context.methodType == Gate::MethodType::\"webauthn_fid\""),
        "validation",
        "Gate::MethodType",
        "",
    );
    refused(
        &forbid("principal.claims.employment == \"x\""),
        "validation",
        "principal.claims.employment",
        "has",
    );
    refused(
        &forbid("context.network.address == ip(\"nowhere\")"),
        "validation",
        "ip(",
        "",
    );
    refused(
        &on("action == Gate::Action::\"beginRegistration\"", "true"),
        "validation",
        "Gate::Action",
        "",
    );
    refused(
        &on(
            "action in Gate::Action::\"administerMfa\"",
            "resource.claims has employment",
        ),
        "validation",
        "resource.claims",
        "",
    );
    // A request has no attributes or ancestors of other entities.
    for further in [
        "principal.account in Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\"",
        "Gate::User::\"corp||alice\" in Gate::Group::\"corp||a\"",
    ] {
        let marked = further.split(" in ").next().unwrap();
        refused(
            &forbid(further),
            "validation",
            marked,
            if marked.starts_with("principal") {
                "principal and resource themselves"
            } else {
                ""
            },
        );
    }
}

#[test]
fn policy_with_a_validation_warning_is_refused() {
    refused(
        &on("action == Gate::Action::\"enroll\"", "true"),
        "validation_warning",
        "@id",
        "`in`",
    );
    refused(
        &forbid("resource is Gate::Route"),
        "validation_warning",
        "@id",
        "another type never matches",
    );
    refused(
        &forbid("resource in Gate::Group::\"corp||x\""),
        "validation_warning",
        "@id",
        "the parents of each type",
    );
    refused(
        &forbid("context.session.acr == \"p\u{430}ypal\""),
        "validation_warning",
        "\"p\u{430}ypal\"",
        "letters of one script",
    );
}

#[test]
fn permit_for_any_action_or_for_unnamed_administrators_is_refused() {
    refused(
        "@id(\"x\") permit (principal, action, resource) when { principal is Gate::User };",
        "permit_any_action",
        "@id",
        "name its actions",
    );
    refused(
        "@id(\"x\") permit (principal in ?principal, action, resource);",
        "permit_any_action",
        "@id",
        "name its actions",
    );
    for unnamed in [
        "permit (principal, action in Gate::Action::\"administerMfa\", resource)",
        "permit (principal is Gate::User, action == Gate::Action::\"adminResetMfa\", resource)",
        "permit (principal, action in [Gate::Action::\"stepUp\", Gate::Action::\"mfa\"], resource)",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { principal is Gate::User && principal has account }",
        // excluding users does not name the administrators
        "permit (principal, action in Gate::Action::\"mfa\", resource) unless { principal in Gate::Group::\"corp||a\" }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { !(principal in Gate::Group::\"corp||a\") }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { principal in Gate::Group::\"corp||a\" || context.factors.count > 0 }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { principal == principal }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { if context.factors.count > 0 then principal in Gate::Group::\"corp||a\" else true }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { if context.factors.count > 0 then principal in Gate::Group::\"corp||a\" else false }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) unless { !(principal in Gate::Group::\"corp||a\") }",
        // a tenant and an issuer contain all users who sign in there, and an account is not a group
        "permit (principal in Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\", action in Gate::Action::\"administerMfa\", resource)",
        "permit (principal in Gate::Issuer::\"corp\", action in Gate::Action::\"administerMfa\", resource)",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { resource in principal.account }",
    ] {
        refused(
            &format!("@id(\"x\") {unnamed};"),
            "permit_administers",
            "@id",
            "principal in Gate::Group",
        );
    }
    refused(
        "@id(\"x\") permit (principal, action in Gate::Action::\"administerMfa\", resource in ?resource);",
        "permit_administers",
        "@id",
        "principal in Gate::Group",
    );
    accepted(
        "@id(\"x\") permit (principal in Gate::Group::\"corp||a\", action in Gate::Action::\"administerMfa\", resource);",
    );
    accepted(
        "@id(\"x\") permit (principal is Gate::User in Gate::Group::\"corp||a\", action in Gate::Action::\"administerMfa\", resource);",
    );
    for named in [
        "when { context.factors.count > 0 && principal in Gate::Group::\"corp||a\" }",
        "when { principal in Gate::Group::\"corp||a\" || principal in Gate::Group::\"corp||b\" }",
        "when { principal in [Gate::Group::\"corp||a\", Gate::Group::\"corp||b\"] }",
        "when { principal == Gate::User::\"corp||root\" } unless { context.factors.count == 0 }",
        "when { principal is Gate::User in Gate::Group::\"corp||a\" }",
        "when { principal in Gate::Issuer::\"corp\" && principal in Gate::Group::\"corp||a\" }",
        "when { principal in Gate::Group::\"corp||a\" && principal in Gate::Issuer::\"corp\" }",
    ] {
        accepted(&format!(
            "@id(\"x\") permit (principal, action in Gate::Action::\"administerMfa\", resource) {named};"
        ));
    }
    // The rule is about the caller, not about the account that they administer.
    refused(
        "@id(\"x\") permit (principal, action in Gate::Action::\"administerMfa\", resource in Gate::Issuer::\"corp\") when { context.session.acr == \"phr\" };",
        "permit_administers",
        "@id",
        "principal in Gate::Group",
    );
    // A permit that cannot match for an action of administrators is accepted.
    accepted(
        "@id(\"x\") permit (principal, action in Gate::Action::\"mfa\", resource is Gate::Authenticator);",
    );
}

#[test]
fn bundle_without_a_permit_is_refused() {
    for policies in [
        forbid("true"),
        TEMPLATE.to_owned(),
        OPEN.replace("@id", "@mode(\"shadow\") @id"),
        "// nothing yet".to_owned(),
    ] {
        let finding = only(load(&policies).unwrap_err().0);
        assert_eq!(
            (finding.code, finding.file.as_str()),
            ("no_permit", "policies/a.cedar")
        );
    }
}

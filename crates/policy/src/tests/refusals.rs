//! What does not load: each for its own reason, in its own place, with what to write instead.

mod annotations;
mod conditions;
mod depth;
mod entity_ids;
mod links;
mod schemas;

use super::super::{Bundle, Sources};
use super::load;
use cedargate_core::Finding;

/// Something that is right, so that a bundle has nothing wrong but what is looked at.
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
    let said = finding.help.as_deref().unwrap_or_default();
    assert!(said.contains(help), "{finding}");
}

/// Refused for this alone, where the marked text begins, with this in the help.
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

/// Taken, so that the refusal beside it is for its own reason.
#[track_caller]
fn taken(policy: &str) {
    load(&format!("{OPEN}{policy}")).unwrap();
}

fn forbid(condition: &str) -> String {
    on("action in Gate::Action::\"enroll\"", condition)
}

fn on(action: &str, condition: &str) -> String {
    format!("@id(\"x\")\nforbid (principal, {action}, resource)\nwhen {{ {condition} }};")
}

#[test]
fn a_finding_is_shown_with_its_excerpt() {
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
fn syntax() {
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
fn all_problems_of_all_files_at_once() {
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
    // Without a schema nothing can be validated: the rest is said all the same.
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
fn strict_validation() {
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
    // Nothing is known of entities that stand behind those of the request.
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
fn every_warning() {
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
        "what is in what",
    );
    refused(
        &forbid("context.session.acr == \"p\u{430}ypal\""),
        "validation_warning",
        "\"p\u{430}ypal\"",
        "letters of one script",
    );
}

#[test]
fn permits_that_open_too_much() {
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
    for everybody in [
        "permit (principal, action in Gate::Action::\"administerMfa\", resource)",
        "permit (principal is Gate::User, action == Gate::Action::\"adminResetMfa\", resource)",
        "permit (principal, action in [Gate::Action::\"stepUp\", Gate::Action::\"mfa\"], resource)",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { principal is Gate::User && principal has account }",
        // to leave out some is not to say who may
        "permit (principal, action in Gate::Action::\"mfa\", resource) unless { principal in Gate::Group::\"corp||a\" }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { !(principal in Gate::Group::\"corp||a\") }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { principal in Gate::Group::\"corp||a\" || context.factors.count > 0 }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { principal == principal }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { if context.factors.count > 0 then principal in Gate::Group::\"corp||a\" else true }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { if context.factors.count > 0 then principal in Gate::Group::\"corp||a\" else false }",
        "permit (principal, action in Gate::Action::\"mfa\", resource) unless { !(principal in Gate::Group::\"corp||a\") }",
        // a tenant and an issuer hold everybody who signs in there, and an account is no group
        "permit (principal in Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\", action in Gate::Action::\"administerMfa\", resource)",
        "permit (principal in Gate::Issuer::\"corp\", action in Gate::Action::\"administerMfa\", resource)",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { resource in principal.account }",
    ] {
        refused(
            &format!("@id(\"x\") {everybody};"),
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
    taken(
        "@id(\"x\") permit (principal in Gate::Group::\"corp||a\", action in Gate::Action::\"administerMfa\", resource);",
    );
    taken(
        "@id(\"x\") permit (principal is Gate::User in Gate::Group::\"corp||a\", action in Gate::Action::\"administerMfa\", resource);",
    );
    for some in [
        "when { context.factors.count > 0 && principal in Gate::Group::\"corp||a\" }",
        "when { principal in Gate::Group::\"corp||a\" || principal in Gate::Group::\"corp||b\" }",
        "when { principal in [Gate::Group::\"corp||a\", Gate::Group::\"corp||b\"] }",
        "when { principal == Gate::User::\"corp||root\" } unless { context.factors.count == 0 }",
        "when { principal is Gate::User in Gate::Group::\"corp||a\" }",
        "when { principal in Gate::Issuer::\"corp\" && principal in Gate::Group::\"corp||a\" }",
        "when { principal in Gate::Group::\"corp||a\" && principal in Gate::Issuer::\"corp\" }",
    ] {
        taken(&format!(
            "@id(\"x\") permit (principal, action in Gate::Action::\"administerMfa\", resource) {some};"
        ));
    }
    // It is asked of the caller, not of whom they administer.
    refused(
        "@id(\"x\") permit (principal, action in Gate::Action::\"administerMfa\", resource in Gate::Issuer::\"corp\") when { context.session.acr == \"phr\" };",
        "permit_administers",
        "@id",
        "principal in Gate::Group",
    );
    // A permit that cannot match for an administrator's action opens none.
    taken(
        "@id(\"x\") permit (principal, action in Gate::Action::\"mfa\", resource is Gate::Authenticator);",
    );
}

#[test]
fn a_bundle_without_a_permit() {
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

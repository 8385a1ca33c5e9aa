//! What does not load: each for its own reason, in its own place, with what to write instead.

mod annotations;
mod links;
mod schemas;

use super::super::{Bundle, Sources};
use super::load;
use crate::finding::Finding;

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
fn what_is_nested_too_deep_for_cedar() {
    let deep = "(".repeat(20_000);
    let policy = format!("@id(\"x\") forbid (principal, action, resource) when {{ {deep} }};");
    let finding = only(load(&policy).unwrap_err().0);
    assert_eq!((finding.code, finding.line), ("nesting", 1));
    helps(&finding, "split it into several policies");
    // Long is not deep: a chain of 10 000 links is a tree of 10 000 levels to Cedar, and loads.
    let chain = vec!["resource in principal.account"; 10_000].join(" || ");
    taken(&forbid(&chain));
}

#[test]
fn what_would_keep_cedar_busy_or_end_the_process() {
    let branches = |many| {
        format!(
            "{}true",
            "if principal == resource then true else ".repeat(many)
        )
    };
    let links = |many| format!("1{} > 1", " + 1".repeat(many));
    let members = |many| format!("principal{}", ".a".repeat(many));
    taken(&forbid(&branches(16)));
    taken(&forbid(&links(4000)));
    let finding = load(&forbid(&members(4000))).unwrap_err().0.remove(0);
    assert_eq!(finding.code, "validation");
    for (condition, message) in [
        (branches(17), "more than 16 ifs are within each other here"),
        (
            branches(20_000),
            "more than 16 ifs are within each other here",
        ),
        (
            links(200_000),
            "more than 4096 links hang on each other here",
        ),
        (
            members(200_000),
            "more than 4096 links hang on each other here",
        ),
    ] {
        let finding = only(load(&forbid(&condition)).unwrap_err().0);
        assert_eq!(
            (finding.code, finding.message.as_str()),
            ("nesting", message)
        );
    }
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
}

#[test]
fn what_is_further_away_than_one_step() {
    refused(
        &on(
            "action == Gate::Action::\"trustAuthenticator\"",
            "principal.account in Gate::Issuer::\"corp\"",
        ),
        "validation",
        "principal.account",
        "",
    );
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
        "",
    );
    refused(
        &forbid("resource in Gate::Group::\"corp||x\""),
        "validation_warning",
        "@id",
        "",
    );
    refused(
        &forbid("context.session.acr == \"p\u{430}ypal\""),
        "validation_warning",
        "\"p\u{430}ypal\"",
        "",
    );
}

#[test]
fn misspelt_ids_in_heads_and_conditions() {
    const UPPER: &str = "2489E9AD-2EE2-8E00-8EC9-32D5F69181C0";
    const LOWER: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
    let mfa = "action in Gate::Action::\"mfa\"";
    for (uid, help) in [
        (
            format!("Gate::Tenant::\"{UPPER}\""),
            format!("write Gate::Tenant::\"{LOWER}\""),
        ),
        (
            "Gate::Tenant::\"acme\"".into(),
            format!("such as \"{LOWER}\""),
        ),
        (
            "Gate::Group::\"contractors\"".into(),
            "\"<issuer>|<tenant>|contractors\"".into(),
        ),
        (
            "Gate::Group::\"a|b|c\"".into(),
            "\"<issuer>|<tenant>|<name>\"".into(),
        ),
        (
            format!("Gate::Group::\"corp|{UPPER}|x\""),
            format!("write Gate::Group::\"corp|{LOWER}|x\""),
        ),
        (
            "Gate::Group::\"corp||é\"".into(),
            "write Gate::Group::\"corp||%C3%A9\"".into(),
        ),
        (
            "Gate::Issuer::\"Corp\"".into(),
            "write Gate::Issuer::\"corp\"".into(),
        ),
    ] {
        let head = format!("@id(\"x\") forbid (principal in {uid}, {mfa}, resource);");
        refused(&head, "entity_id", &uid, &help);
        refused(
            &on(mfa, &format!("principal in {uid}")),
            "entity_id",
            &uid,
            &help,
        );
    }
    let account = "Gate::Account::\"corp|x|alice\"";
    refused(
        &forbid(&format!("principal.account == {account}")),
        "entity_id",
        account,
        "\"<issuer>|<tenant>|<name>\"",
    );
    let user = "Gate::User::\"alice\"";
    refused(
        &on(mfa, &format!("principal == {user}")),
        "entity_id",
        user,
        "\"<issuer>|<tenant>|alice\"",
    );
    let trust = "action == Gate::Action::\"trustAuthenticator\"";
    let model = "Gate::AuthenticatorModel::\"73BB0CD4-E502-49B8-9C6F-B59445BF720B\"";
    refused(
        &on(trust, &format!("[{model}].contains(resource.provenModel)")),
        "entity_id",
        model,
        "\"73bb0cd4-e502-49b8-9c6f-b59445bf720b\"",
    );
    let authenticator = "Gate::Authenticator::\"0198c0de000070008000000000000001\"";
    refused(
        &on(trust, &format!("resource == {authenticator}")),
        "entity_id",
        authenticator,
        "\"0198c0de-0000-7000-8000-000000000001\"",
    );
    let route = "Gate::Route::\"/v1/openapi.jsn\"";
    refused(
        &format!(
            "@id(\"x\") forbid (principal, action in Gate::Action::\"public\", resource == {route});"
        ),
        "entity_id",
        route,
        "write Gate::Route::\"/v1/openapi.json\"",
    );
    taken(
        "@id(\"x\") forbid (principal, action in Gate::Action::\"public\", resource == Gate::Route::\"unknown\");",
    );
    // In a head with `is … in`, and in the condition of a template.
    let group = "Gate::Group::\"contractors\"";
    for policy in [
        format!("@id(\"x\") forbid (principal is Gate::User in {group}, {mfa}, resource);"),
        format!(
            "@id(\"x\") forbid (principal in ?principal, {mfa}, resource) unless {{ principal in {group} }};"
        ),
        on(mfa, &format!("principal is Gate::User in {group}")),
    ] {
        refused(&policy, "entity_id", group, "|contractors");
    }
    // No model is known.
    let none = "Gate::AuthenticatorModel::\"00000000-0000-0000-0000-000000000000\"";
    taken(&on(trust, &format!("resource.provenModel == {none}")));
}

#[test]
fn permits_that_open_too_much() {
    refused(
        "@id(\"x\") permit (principal, action, resource) when { principal is Gate::User };",
        "permit_any_action",
        "@id",
        "name its actions",
    );
    for everybody in [
        "permit (principal, action in Gate::Action::\"administerMfa\", resource)",
        "permit (principal is Gate::User, action == Gate::Action::\"adminResetMfa\", resource)",
        "permit (principal, action in [Gate::Action::\"stepUp\", Gate::Action::\"mfa\"], resource)",
        "permit (principal, action in Gate::Action::\"mfa\", resource) when { principal is Gate::User && principal has account }",
    ] {
        refused(
            &format!("@id(\"x\") {everybody};"),
            "permit_administers",
            "@id",
            "name who may",
        );
    }
    refused(
        "@id(\"x\") permit (principal, action in Gate::Action::\"administerMfa\", resource in ?resource);",
        "permit_administers",
        "@id",
        "name who may",
    );
    taken(
        "@id(\"x\") permit (principal in Gate::Group::\"corp||a\", action in Gate::Action::\"administerMfa\", resource);",
    );
    taken(
        "@id(\"x\") permit (principal, action in Gate::Action::\"mfa\", resource) when { resource in principal.account };",
    );
    taken(
        "@id(\"x\") permit (principal is Gate::User in Gate::Group::\"corp||a\", action in Gate::Action::\"administerMfa\", resource);",
    );
    // It is asked of the caller, not of whom they administer.
    refused(
        "@id(\"x\") permit (principal, action in Gate::Action::\"administerMfa\", resource in Gate::Issuer::\"corp\") when { context.session.acr == \"phr\" };",
        "permit_administers",
        "@id",
        "name who may",
    );
    // A permit that cannot match for an administrator's action opens none.
    taken(
        "@id(\"x\") permit (principal, action in Gate::Action::\"mfa\", resource is Gate::Authenticator);",
    );
}

#[test]
fn has_with_an_undeclared_name() {
    refused(
        &forbid("!(principal.claims has employmnt)"),
        "has_undeclared",
        "principal.claims has",
        "did you mean \"employment\"?",
    );
    refused(
        &forbid("context.factors.count == 7 || !(context has session.acrs)"),
        "has_undeclared",
        "context has",
        "\"acr\"",
    );
    refused(
        &forbid("!(principal has claims.employmnt)"),
        "has_undeclared",
        "principal has",
        "did you mean \"employment\"?",
    );
    refused(
        &format!(
            "@mode(\"shadow\") {}",
            forbid("!(principal.claims has \"x y\")")
        ),
        "has_undeclared",
        "principal.claims has",
        "site.cedarschema",
    );
    taken(&forbid("!(principal.claims has employment)"));
}

#[test]
fn addresses_that_never_match() {
    for range in ["203.0.113.0/24", "2001:db8::/32"] {
        let call = format!("ip(\"{range}\")");
        refused(
            &forbid(&format!("context.network.address == {call}")),
            "ip_range",
            &call,
            "isInRange",
        );
        refused(
            &forbid(&format!("{call} != context.network.address")),
            "ip_range",
            &call,
            "isInRange",
        );
        refused(
            &forbid(&format!("[{call}].contains(context.network.address)")),
            "ip_range",
            &call,
            "isInRange",
        );
        taken(&forbid(&format!(
            "context.network.address.isInRange({call})"
        )));
    }
    taken(&forbid("context.network.address == ip(\"203.0.113.7/32\")"));
    taken(&forbid(
        "[ip(\"2001:db8::1\")].contains(context.network.address)",
    ));
    taken(&forbid(
        "context.network.address == ip(\"2001:db8::1/128\")",
    ));
    // The edges of the mapped range; what is beside it is IPv6 like any other.
    for mapped in ["::ffff:0:0/96", "::ffff:0:0", "::ffff:ffff:ffff"] {
        let call = format!("ip(\"{mapped}\")");
        refused(
            &forbid(&format!("context.network.address.isInRange({call})")),
            "ip_mapped",
            &call,
            "IPv4",
        );
    }
    for beside in ["::fffe:ffff:ffff", "::1:0:0:0"] {
        taken(&forbid(&format!(
            "context.network.address == ip(\"{beside}\")"
        )));
    }
    for mapped in ["ip(\"::ffff:cb00:7107\")", "ip(\"::ffff:cb00:7100/120\")"] {
        refused(
            &forbid(&format!("context.network.address.isInRange({mapped})")),
            "ip_mapped",
            mapped,
            "ip(\"203.0.113.",
        );
    }
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

//! Invalid links of templates.

use super::super::load_files;
use super::{OPEN, TEMPLATE, at, helps, only};

#[track_caller]
fn refused_links(links: &str, code: &str, marked: &str, help: &str) {
    let policies = format!("{OPEN}{TEMPLATE}");
    let files = [("a.cedar", policies.as_str()), ("a.links.json", links)];
    let finding = only(load_files(&files).unwrap_err().0);
    assert_eq!(
        (finding.code, finding.file.as_str()),
        (code, "policies/a.links.json"),
        "{finding}"
    );
    at(&finding, links, links.find(marked).unwrap());
    helps(&finding, help);
}

#[test]
fn invalid_link_is_refused_at_its_place() {
    let good = r#"[
  {"template_id": "template", "link_id": "link", "args": {"?principal": "Gate::Group::\"corp||admins\"", "?resource": "Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\""}}
]"#;
    let policies = format!("{OPEN}{TEMPLATE}");
    let bundle = load_files(&[("a.cedar", policies.as_str()), ("a.links.json", good)]).unwrap();
    assert_eq!(bundle.policy_ids(), ["link", "open"]);
    assert_eq!(bundle.entries().len(), 2);
    refused_links(
        &good.replace("\"template\"", "\"templates\""),
        "link_template",
        "{",
        "did you mean \"template\"?",
    );
    refused_links(
        &good.replace("\"template\"", "\"open\""),
        "link_template",
        "{",
        "?principal or ?resource",
    );
    refused_links(
        &good.replace("\"link\"", "\"open\""),
        "id_repeated",
        "{",
        "an id of its own",
    );
    refused_links(
        &good.replace("\"link\"", "\"L\""),
        "annotation_value",
        "\"L\"",
        "1 to 64",
    );
    refused_links(
        &good.replace("corp||admins", "admins"),
        "entity_id",
        r#""Gate::Group"#,
        "<issuer>|<tenant>|admins",
    );
    refused_links(
        &good.replace("?resource", "?context"),
        "links_syntax",
        "\": \"Gate::Tenant",
        "template_id",
    );
    refused_links(
        &good.replace(
            r#""Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\"""#,
            "7",
        ),
        "links_syntax",
        "7}",
        "template_id",
    );
    refused_links(
        &good.replace("args", "arg"),
        "links_syntax",
        "\": {\"?p",
        "template_id",
    );
    refused_links(
        &good.replace(
            r#", "?resource": "Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\"""#,
            "",
        ),
        "link_arguments",
        "{",
        "each slot",
    );
    refused_links(
        &good.replace("}}\n", "}},\n"),
        "links_syntax",
        "]",
        "template_id",
    );
    // A finding of Cedar's validator about a link has the place of the link.
    refused_links(
        &good.replace(
            "Gate::Tenant::\\\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0",
            "Gate::Route::\\\"unknown",
        ),
        "validation_warning",
        "{",
        "",
    );
}

const LINK: &str = r#"{"template_id": "template", "link_id": "link", "args": {"?principal": "Gate::Group::\"corp||admins\"", "?resource": "Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\""}}"#;

#[test]
fn null_link_is_refused() {
    refused_links("[null]", "links_syntax", "l]", "template_id");
}

#[test]
fn repeated_member_or_id_of_a_link_is_refused() {
    let other = r#""?principal": "Gate::Group::\"corp||others\"", "?resource""#;
    refused_links(
        &format!("[{}]", LINK.replace("\"?resource\"", other)),
        "links_syntax",
        "\": \"Gate::Group::\\\"corp||others",
        "template_id",
    );
    let twice = LINK.replace("\"args\"", "\"link_id\": \"other\", \"args\"");
    refused_links(
        &format!("[{twice}]"),
        "links_syntax",
        "\": \"other",
        "template_id",
    );
    let again = LINK.replace("admins", "others");
    refused_links(
        &format!("[{LINK}, {again}]"),
        "id_repeated",
        &again,
        "an id of its own",
    );
    refused_links(
        &format!("[{}]", LINK.replace("\"link\"", "\"template\"")),
        "id_repeated",
        "{",
        "an id of its own",
    );
}

#[test]
fn link_with_an_entity_id_that_never_matches_is_refused() {
    let tenant = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
    let upper = tenant.to_uppercase();
    refused_links(
        &format!("[{}]", LINK.replace(tenant, &upper)),
        "entity_id",
        "\"Gate::Tenant",
        &format!("write Gate::Tenant::\"{tenant}\""),
    );
    let route = format!("Tenant::\\\"{tenant}");
    refused_links(
        &format!("[{}]", LINK.replace(&route, "Route::\\\"/v1/openapi.jsn")),
        "entity_id",
        "\"Gate::Route",
        "write Gate::Route::\"/v1/openapi.json\"",
    );
}

#[test]
fn argument_for_a_slot_that_the_template_lacks_is_refused() {
    let policies = format!(
        "{OPEN}{}",
        TEMPLATE.replace("resource in ?resource", "resource")
    );
    let null = LINK.replace(
        r#""Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\"""#,
        "null",
    );
    for (link, code) in [(LINK, "link_arguments"), (&null, "links_syntax")] {
        let links = format!("[{link}]");
        let files = [("a.cedar", policies.as_str()), ("a.links.json", &links)];
        assert_eq!(only(load_files(&files).unwrap_err().0).code, code);
    }
}

#[test]
fn link_that_makes_a_tenant_or_issuer_administrators_is_refused() {
    let policies = "@id(\"template\") permit (principal in ?principal, action in Gate::Action::\"administerMfa\", resource in ?resource);";
    let policies = format!("{OPEN}{policies}");
    let load = |link: &str| {
        let links = format!("[{link}]");
        let files = [("a.cedar", policies.as_str()), ("a.links.json", &links)];
        load_files(&files)
    };
    assert!(load(LINK).is_ok());
    for (kind, id) in [
        ("Tenant", "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0"),
        ("Issuer", "corp"),
    ] {
        let bound = format!("Gate::{kind}::\\\"{id}\\\"");
        let link = LINK.replace("Gate::Group::\\\"corp||admins\\\"", &bound);
        let finding = only(load(&link).unwrap_err().0);
        assert_eq!(finding.code, "link_administers", "{finding}");
        assert_eq!(finding.file, "policies/a.links.json");
        assert!(finding.message.contains(kind), "{finding}");
        helps(&finding, "bind it to a group or a user");
    }
    // A template of other actions may be linked to a tenant.
    let policies = format!("{OPEN}{TEMPLATE}");
    let links = format!(
        "[{}]",
        LINK.replace(
            "Gate::Group::\\\"corp||admins\\\"",
            "Gate::Issuer::\\\"corp\\\""
        )
    );
    let files = [("a.cedar", policies.as_str()), ("a.links.json", &links)];
    let reaches_administration = TEMPLATE.contains("administerMfa") || TEMPLATE.contains("\"mfa\"");
    assert_eq!(load_files(&files).is_ok(), !reaches_administration);
}

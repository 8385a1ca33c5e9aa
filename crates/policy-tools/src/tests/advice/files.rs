//! What is read of what a person names, and what is said of the rest.

use std::fs;

use super::{BASE, folders, only, report, survey, without_matches};
use cedargate_core::Severity;

#[test]
fn one_file_that_cannot_be_read_hides_no_other() {
    let root = folders(&[
        ("policies/bad.cedar", "@id(\"bad\") permit (principal"),
        ("policies/empty.cedar", ""),
        (
            "policies/open.cedar",
            "@id(\"any\") permit (principal, action, resource);",
        ),
        (
            "policies/claim.cedar",
            "@id(\"claim\") @notice(\"No.\") forbid (principal, action in Gate::Action::\"enroll\", resource) when { principal.claims has employmnt };",
        ),
        ("policies/x.ceder", "permit"),
    ]);
    fs::remove_file(root.path().join("schema/gate.cedarschema")).unwrap();
    let findings = report(&survey(&root, &["policies"]), None, &[]).findings;
    let said: Vec<_> = without_matches(findings)
        .into_iter()
        .map(|one| (one.file.rsplit('/').next().unwrap().to_owned(), one.code))
        .collect();
    let expected = [
        ("bad.cedar", "syntax"),
        ("claim.cedar", "has_undeclared"),
        ("empty.cedar", "empty_file"),
        ("open.cedar", "permit_any_action"),
        ("x.ceder", "file_unread"),
        ("gate.cedarschema", "unreadable"),
    ];
    assert_eq!(said, expected.map(|(file, code)| (file.to_owned(), code)));
}

#[test]
fn a_schema_that_cannot_be_read_makes_no_claim_unknown() {
    let claim = "@id(\"claim\") @notice(\"No.\") forbid (principal, action in Gate::Action::\"enroll\", resource) unless { principal.claims has badge };";
    let root = folders(&[("policies/claim.cedar", claim)]);
    fs::write(root.path().join("schema/site.cedarschema"), b"\xff").unwrap();
    let findings = report(&survey(&root, &["policies"]), None, &[]).findings;
    assert_eq!(only(findings).code, "not_utf8");
}

#[test]
fn a_file_alone_is_a_part() {
    let link = r#"[{"template_id": "x", "link_id": "y", "args": {"?principal": "Gate::Group::\"corp||a\""}}]"#;
    let forbid = "@id(\"many\") @notice(\"No.\") forbid (principal, action in Gate::Action::\"enroll\", resource) when { context.factors.count > 3 };";
    let root = folders(&[
        ("policies/x.links.json", link),
        ("policies/many.cedar", forbid),
    ]);
    for part in ["policies/x.links.json", "policies/many.cedar"] {
        let report = report(&survey(&root, &[part]), None, &[]);
        assert_eq!(without_matches(report.findings), [], "{part}");
    }
    let whole = report(&survey(&root, &["policies"]), None, &[]);
    assert_eq!(only(without_matches(whole.findings)).code, "link_template");
    // What is named twice is there once.
    let twice = survey(
        &root,
        &[
            "policies/many.cedar",
            "policies/base.cedar",
            "policies/many.cedar",
        ],
    );
    let report = report(&twice, None, &[]);
    assert_eq!(
        (without_matches(report.findings), report.policies),
        (vec![], 3)
    );
}

#[test]
fn a_link_waits_for_a_template_that_may_be_where_nothing_was_parsed() {
    let link = |template: &str| {
        format!(r#"[{{"template_id": "{template}", "link_id": "y", "args": {{}}}}]"#)
    };
    for (template, codes) in [
        ("admins", &["syntax"][..]),
        ("others", &["syntax", "link_template"]),
    ] {
        let root = folders(&[
            (
                "policies/x.cedar",
                "@id(\"admins\") permit (principal in ?principal",
            ),
            ("policies/x.links.json", &link(template)),
        ]);
        let findings = report(&survey(&root, &["policies"]), None, &[]).findings;
        let said: Vec<_> = without_matches(findings)
            .iter()
            .map(|one| one.code)
            .collect();
        assert_eq!(said, codes);
    }
}

#[test]
fn what_is_no_policy_file_is_said_and_not_read() {
    let root = folders(&[
        ("policies/x.cedar.txt", BASE),
        ("policies/.x.cedar.swp", BASE),
        ("policies/.gitkeep", ""),
        ("policies/README.md", ""),
        ("tests/x.json", "[]"),
    ]);
    let findings = report(&survey(&root, &["policies"]), None, &[]).findings;
    let finding = only(without_matches(findings));
    assert_eq!(
        (finding.code, finding.severity),
        ("file_unread", Severity::Finding)
    );
    assert!(finding.help.unwrap().contains("\"x.cedar\""));

    let finding = only(report(&survey(&root, &["tests/x.json"]), None, &[]).findings);
    assert_eq!(
        (finding.code, finding.severity),
        ("not_a_policy", Severity::Error)
    );
    assert!(finding.help.unwrap().contains("--tests"));
}

//! Reading of the paths that the command line names.

use std::fs;

use super::{BASE, folders, only, read, report, without_matches};
use cedargate_core::Severity;

#[test]
fn unreadable_file_hides_no_finding_about_others() {
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
    let findings = report(&read(&root, &["policies"]), None, &[]).findings;
    let reported: Vec<_> = without_matches(findings)
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
    assert_eq!(
        reported,
        expected.map(|(file, code)| (file.to_owned(), code))
    );
}

#[test]
fn claims_are_not_unknown_if_the_schema_cannot_be_read() {
    let claim = "@id(\"claim\") @notice(\"No.\") forbid (principal, action in Gate::Action::\"enroll\", resource) unless { principal.claims has badge };";
    let root = folders(&[("policies/claim.cedar", claim)]);
    fs::write(root.path().join("schema/site.cedarschema"), b"\xff").unwrap();
    let findings = report(&read(&root, &["policies"]), None, &[]).findings;
    assert_eq!(only(findings).code, "not_utf8");
}

#[test]
fn single_file_is_checked_as_a_part() {
    let link = r#"[{"template_id": "x", "link_id": "y", "args": {"?principal": "Gate::Group::\"corp||a\""}}]"#;
    let forbid = "@id(\"many\") @notice(\"No.\") forbid (principal, action in Gate::Action::\"enroll\", resource) when { context.factors.count > 3 };";
    let root = folders(&[
        ("policies/x.links.json", link),
        ("policies/many.cedar", forbid),
    ]);
    for part in ["policies/x.links.json", "policies/many.cedar"] {
        let report = report(&read(&root, &[part]), None, &[]);
        assert_eq!(without_matches(report.findings), [], "{part}");
    }
    let whole = report(&read(&root, &["policies"]), None, &[]);
    assert_eq!(only(without_matches(whole.findings)).code, "link_template");
    // A file that is named twice is read once.
    let twice = read(
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
fn link_without_a_template_is_no_error_if_a_file_did_not_parse() {
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
        let findings = report(&read(&root, &["policies"]), None, &[]).findings;
        let reported: Vec<_> = without_matches(findings)
            .iter()
            .map(|one| one.code)
            .collect();
        assert_eq!(reported, codes);
    }
}

#[test]
fn file_that_is_no_policy_is_reported_and_not_read() {
    let root = folders(&[
        ("policies/x.cedar.txt", BASE),
        ("policies/.x.cedar.swp", BASE),
        ("policies/.gitkeep", ""),
        ("policies/README.md", ""),
        ("tests/x.json", "[]"),
    ]);
    let findings = report(&read(&root, &["policies"]), None, &[]).findings;
    let finding = only(without_matches(findings));
    assert_eq!(
        (finding.code, finding.severity),
        ("file_unread", Severity::Finding)
    );
    assert!(finding.help.unwrap().contains("\"x.cedar\""));

    let finding = only(report(&read(&root, &["tests/x.json"]), None, &[]).findings);
    assert_eq!(
        (finding.code, finding.severity),
        ("not_a_policy", Severity::Error)
    );
    assert!(finding.help.unwrap().contains("--tests"));
}

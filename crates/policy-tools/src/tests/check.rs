//! Findings of `check`: each with its code and its place, next to similar policies without a finding.

mod files;
mod old_cases;
mod overlaps;
mod test_cases;

use std::fs;

use tempfile::TempDir;

use cedargate_core::{Finding, Severity};
use cedargate_policy::cases::Case;
use cedargate_policy::{GATE_SCHEMA, Requirements, SITE_SCHEMA};

use crate::PolicyFiles;
use crate::check::{self, CheckReport, KnownIssuer, Options};

/// Policies without a finding, so that every finding is about the policy under test.
const BASE: &str = r#"@id("open")
permit (principal, action in [Gate::Action::"manageOwnMfa", Gate::Action::"stepUp"], resource)
when { resource in principal.account };
@id("tenants") @code("tenant_mismatch") @notice("Send your own tenant.")
forbid (principal, action in Gate::Action::"mfa", resource)
unless { principal in context.tenant };
"#;

/// Writes files next to [`BASE`] and the schema.
fn folders(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    let base = [
        ("policies/base.cedar", BASE),
        ("schema/gate.cedarschema", GATE_SCHEMA),
        ("schema/site.cedarschema", SITE_SCHEMA),
    ];
    for (name, text) in base.iter().chain(files) {
        let file = root.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    root
}

/// Checks the files without deciding canary requests, which these policies do not pass.
fn report(files: &PolicyFiles, issuers: Option<&[KnownIssuer]>, tests: &[Case]) -> CheckReport {
    report_with(files, issuers, &Requirements::none(), tests)
}

/// Checks the files, and returns notes too.
fn report_with(
    files: &PolicyFiles,
    issuers: Option<&[KnownIssuer]>,
    requirements: &Requirements,
    tests: &[Case],
) -> CheckReport {
    let options = Options {
        issuers,
        requirements,
        notes: true,
    };
    check::run(files, &options, tests).unwrap()
}

fn read(root: &TempDir, paths: &[&str]) -> PolicyFiles {
    let paths: Vec<_> = paths.iter().map(|path| root.path().join(path)).collect();
    PolicyFiles::read(&paths, &root.path().join("schema"))
}

/// Removes the notes on the actions for which each policy can match.
fn without_matches(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.retain(|one| one.code != "matches");
    findings
}

fn findings_of(policies: &str) -> Vec<Finding> {
    let root = folders(&[("policies/x.cedar", policies)]);
    without_matches(report(&read(&root, &["policies"]), None, &[]).findings)
}

#[track_caller]
fn only(mut findings: Vec<Finding>) -> Finding {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

/// Asserts that the policy has this one finding, at the marked text, with this text in the help.
#[track_caller]
fn assert_finding(
    policy: &str,
    severity: Severity,
    code: &str,
    marked: &str,
    help: &str,
) -> Finding {
    let finding = only(findings_of(policy));
    assert_eq!(
        (finding.severity, finding.code),
        (severity, code),
        "{finding}"
    );
    let start = policy
        .find(marked)
        .expect("the marked text is in the policy");
    let line = policy[..start].matches('\n').count() + 1;
    let column = start - policy[..start].rfind('\n').map_or(0, |at| at + 1) + 1;
    assert_eq!((finding.line, finding.column), (line, column), "{finding}");
    assert!(finding.file.ends_with("policies/x.cedar"));
    let actual_help = finding.help.as_deref().unwrap_or_default();
    assert!(actual_help.contains(help), "{finding}");
    finding
}

#[track_caller]
fn assert_no_finding(policy: &str) {
    assert_eq!(findings_of(policy), [], "{policy}");
}

fn forbid(annotations: &str, action: &str, conditions: &str) -> String {
    format!(
        "@id(\"x\") @notice(\"No.\") {annotations}\nforbid (principal, action in Gate::Action::\"{action}\", resource)\n{conditions};"
    )
}

const STEP_UP: &str = "@step_up(\"phr\") @max_age(\"5m\")";
const FRESH: &str = "context.session.sinceStrong <= duration(\"5m\")";

#[test]
fn forbid_without_a_notice_is_a_finding() {
    let silent = "@id(\"x\")\nforbid (principal, action in Gate::Action::\"enroll\", resource)\nwhen { context.factors.count > 3 };";
    assert_finding(
        silent,
        Severity::Finding,
        "notice_missing",
        "@id",
        "@notice",
    );
    let malformed = silent.replace("@id(\"x\")", "@id(\"x\") @notice(\"\")");
    assert_eq!(only(findings_of(&malformed)).code, "annotation_value");
    assert_no_finding(&forbid("", "enroll", "when { context.factors.count > 3 }"));
}

#[test]
fn age_of_the_sign_in_without_a_step_up_is_a_finding() {
    let help = "@step_up";
    let read = "context.session.sinceStrong";
    let unless = format!("unless {{ context.factors.count == 0 || {FRESH} }}");
    let x = forbid("", "enroll", &unless);
    assert_finding(&x, Severity::Finding, "since_strong", read, help);
    let x = format!(
        "@id(\"x\")\npermit (principal in Gate::Group::\"corp||a\", action in Gate::Action::\"administerMfa\", resource)\nwhen {{ {FRESH} }};"
    );
    assert_finding(&x, Severity::Finding, "since_strong", read, help);
    assert_no_finding(&forbid(STEP_UP, "enroll", &unless));
}

#[test]
fn step_up_that_no_caller_can_reach_is_a_finding() {
    let unless = format!("unless {{ {FRESH} }}");
    let x = forbid(STEP_UP, "enroll", &unless);
    let code = "step_up_first_factor";
    assert_finding(
        &x,
        Severity::Finding,
        code,
        "@step_up",
        "context.factors.count == 0",
    );
    assert_no_finding(&forbid(STEP_UP, "changeFactors", &unless));

    let x = forbid(
        STEP_UP,
        "changeFactors",
        &format!("when {{ context.session.amr.contains(\"pwd\") }} {unless}"),
    );
    assert_finding(
        &x,
        Severity::Finding,
        "step_up_amr",
        "context.session.amr",
        "acr",
    );
    let acr = format!("when {{ context.session.acr == \"x\" }} {unless}");
    assert_no_finding(&forbid(STEP_UP, "changeFactors", &acr));
    let amr = "when { context.session.amr.contains(\"pwd\") }";
    assert_no_finding(&forbid("", "changeFactors", amr));
}

#[test]
fn claim_that_a_user_may_lack_is_a_note() {
    let is = "principal.claims has employment && principal.claims.employment == \"x\"";
    let code = "claim_optional";
    for touches_not in [
        format!("when {{ {is} }}"),
        format!("when {{ context.factors.count == 1 || ({is}) }}"),
        format!("unless {{ !({is}) }}"),
    ] {
        let x = forbid("", "enroll", &touches_not);
        assert_finding(&x, Severity::Note, code, "principal.claims has", "unless {");
    }
    let x = forbid("", "enroll", "when { principal has claims.employment }");
    assert_finding(&x, Severity::Note, code, "principal has claims", "unless {");
    for closed in [format!("unless {{ {is} }}"), format!("when {{ !({is}) }}")] {
        assert_no_finding(&forbid("", "enroll", &closed));
    }
    let permit = format!(
        "@id(\"x\")\npermit (principal in Gate::Group::\"corp||a\", action in Gate::Action::\"administerMfa\", resource)\nwhen {{ {is} }};"
    );
    assert_no_finding(&permit);
}

#[test]
fn actions_for_which_a_policy_can_match_are_a_note() {
    let x = forbid("", "changeFactors", "when { context.factors.count > 3 }");
    let root = folders(&[("policies/x.cedar", &x)]);
    let findings = report(&read(&root, &["policies"]), None, &[]).findings;
    let notes: Vec<_> = findings
        .iter()
        .filter(|one| one.code == "matches")
        .collect();
    assert_eq!(notes.len(), 3);
    assert!(notes.iter().all(|one| one.severity == Severity::Note));
    let message = "this forbid can match for deleteMfaMethod, regenerateBackupCodes";
    assert_eq!(notes[2].message, message);
    assert_eq!((notes[2].line, notes[2].column), (1, 1));
}

#[test]
fn tenants_that_no_forbid_keeps_apart_are_a_finding() {
    let missing = |base: &str| {
        let root = folders(&[("policies/base.cedar", base)]);
        let findings = report(&read(&root, &["policies"]), None, &[]).findings;
        let mut findings = without_matches(findings);
        findings.retain(|one| one.code != "notice_missing");
        findings
    };
    for open in [
        BASE.replace("\"tenant_mismatch\"", "\"tenant_mismatched\""),
        BASE.replace("@code", "@mode(\"shadow\") @code"),
        BASE.replace(
            "forbid (principal,",
            "forbid (principal in Gate::Issuer::\"corp\",",
        ),
    ] {
        let finding = only(missing(&open));
        assert_eq!(
            (finding.code, finding.severity),
            ("tenants_open", Severity::Finding)
        );
        assert!(finding.file.ends_with("policies"), "{finding}");
        assert!(
            finding.message.contains("adminResetMfa, beginWeb"),
            "{finding}"
        );
    }
    let finding = only(missing(&BASE.replace("\"mfa\"", "\"manageOwnMfa\"")));
    let rest = "adminDeleteMfaMethod, adminListMfaMethods, adminResetMfa, beginWebauthnAuthentication, completeWebauthnAuthentication, verifyBackupCode";
    assert!(finding.message.ends_with(rest), "{finding}");
    // Several policies may cover all actions together.
    let parts = ["manageOwnMfa", "stepUp", "administerMfa"].map(|group| {
        let forbid = BASE[BASE.find("@id(\"tenants\")").unwrap()..].to_owned();
        let forbid = forbid.replace(
            "\"tenants\"",
            &format!("\"tenants-{}\"", group.to_lowercase()),
        );
        forbid.replace("\"mfa\"", &format!("\"{group}\""))
    });
    let open = &BASE[..BASE.find("@id(\"tenants\")").unwrap()];
    assert_eq!(missing(&format!("{open}{}", parts.concat())), []);
}

#[test]
fn template_without_a_link_is_a_finding() {
    let template = "@id(\"x\")\npermit (principal in ?principal, action in Gate::Action::\"administerMfa\", resource);";
    let code = "template_unlinked";
    assert_finding(
        template,
        Severity::Finding,
        code,
        "@id",
        "\"template_id\": \"x\"",
    );
    let link = r#"[{"template_id": "x", "link_id": "y", "args": {"?principal": "Gate::Group::\"corp||a\""}}]"#;
    let files = [
        ("policies/x.cedar", template),
        ("policies/x.links.json", link),
    ];
    let root = folders(&files);
    let report = report(&read(&root, &["policies"]), None, &[]);
    assert_eq!(without_matches(report.findings), []);
    assert_eq!(report.policies, 3, "templates are not counted");
}

#[test]
fn issuer_that_is_not_configured_is_a_finding() {
    let x = "@id(\"x\") @notice(\"No.\")\nforbid (principal in Gate::Group::\"crop||a\", action in Gate::Action::\"enroll\", resource)\nunless { principal in Gate::Issuer::\"mute\" || principal in Gate::Group::\"mute||b\" || principal in Gate::Group::\"corp||c\" };";
    let template = "@id(\"t\")\npermit (principal in ?principal, action in Gate::Action::\"administerMfa\", resource);";
    let link = r#"[{"template_id": "t", "link_id": "y", "args": {"?principal": "Gate::Group::\"dev||a\""}}]"#;
    let root = folders(&[
        ("policies/x.cedar", x),
        ("policies/y.cedar", template),
        ("policies/y.links.json", link),
    ]);
    let known = [("corp", true), ("mute", false)].map(|(name, has_groups)| KnownIssuer {
        name: name.parse().unwrap(),
        has_groups,
    });
    let files = read(&root, &["policies"]);
    assert_eq!(without_matches(report(&files, None, &[]).findings), []);
    let findings = without_matches(report(&files, Some(&known), &[]).findings);
    let summaries: Vec<_> = findings
        .iter()
        .map(|one| (one.code, one.line, one.column, one.help.as_deref().unwrap()))
        .collect();
    assert_eq!(summaries.len(), 3, "{findings:#?}");
    assert_eq!(
        summaries[0],
        ("issuer_unknown", 2, 22, "did you mean \"corp\"?")
    );
    assert_eq!(
        (summaries[1].0, summaries[1].1),
        ("issuer_without_groups", 3)
    );
    assert!(summaries[1].3.contains("groups_claim"));
    assert_eq!((summaries[2].0, summaries[2].1), ("issuer_unknown", 1));
    assert!(
        summaries[2].3.contains("cedargate dev"),
        "{}",
        summaries[2].3
    );
    assert!(findings.iter().all(|one| one.severity == Severity::Finding));
}

/// `serve` does not read dev.links.json, so the template has no link there.
#[test]
fn links_for_dev_are_left_out_with_a_note() {
    let template = "@id(\"x\")\npermit (principal in ?principal, action in Gate::Action::\"administerMfa\", resource);";
    let links = r#"[{"template_id": "x", "link_id": "l", "args": {"?principal": "Gate::Group::\"dev||a\""}}]"#;
    let root = folders(&[
        ("policies/x.cedar", template),
        ("policies/dev.links.json", links),
    ]);
    let mut all = read(&root, &["policies"]);
    let whole = report(&all, None, &[]);
    assert_eq!(without_matches(whole.findings), []);
    all.leave_out_dev_links();
    let served = report(&all, None, &[]);
    assert_eq!(served.policies + 1, whole.policies);
    let (idle, notes): (Vec<_>, Vec<_>) = without_matches(served.findings)
        .into_iter()
        .partition(|one| one.code == "template_unlinked");
    assert_eq!(idle.len(), 1);
    let note = only(notes);
    assert_eq!((note.code, note.severity), ("dev_links", Severity::Note));
    assert!(note.file.ends_with("policies/dev.links.json"), "{note}");
}

#[test]
fn canary_requests_and_required_policies_are_checked() {
    let root = folders(&[]);
    let files = read(&root, &["policies"]);
    let requirements = Requirements {
        canaries: true,
        required: vec!["tenant".to_owned()],
    };
    let report = report_with(&files, None, &requirements, &[]);
    let codes: Vec<_> = report.findings.iter().map(|one| one.code).collect();
    assert!(codes.contains(&"policy_required"), "{codes:?}");
    assert!(
        codes.contains(&"canary"),
        "nothing guards reset accounts: {codes:?}"
    );
}

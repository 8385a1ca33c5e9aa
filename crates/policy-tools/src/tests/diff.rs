//! Comparisons of two bundles.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use cedargate_core::{Decision, Effect};
use cedargate_policy::cases::{self, Case};
use cedargate_policy::{Bundle, SHIPPED_POLICIES};

use super::load_files;
use crate::diff::{
    ChangeKind, ChangedDecision, Comparison, ComparisonResult, ListedPolicy, suspects,
};

/// Changes of the shipped policies, each at a place of its own.
const EDITS: [(&str, &str, &str); 10] = [
    ("00-open-doors.cedar", "// Users manage", "// Users control"),
    ("00-open-doors.cedar", "resource is Gate::Route", "resource"),
    ("10-tenant-isolation.cedar", "names another", "has another"),
    (
        "20-security-keys.cedar",
        "resource.backupEligible",
        "resource.backedUp",
    ),
    (
        "20-security-keys.cedar",
        "@code(\"synced_credential\")\n",
        "",
    ),
    (
        "30-step-up.cedar",
        "@id(\"step-up-begin\")",
        "@id(\"begin\")",
    ),
    (
        "40-admins.cedar",
        "in ?resource\n)",
        "in ?resource\n) when { context.factors.count > 0 }",
    ),
    ("dev.links.json", "|mfa-admins", "|helpdesk"),
    (
        "examples/one-network.cedar",
        "forbid (",
        "@mode(\"shadow\") forbid (",
    ),
    ("examples/security-keys-only.cedar", "\n", "\n\n"),
];

/// Returns the shipped policies with some of the changes.
fn edited(edits: &[bool]) -> Bundle {
    let mut files: Vec<_> = SHIPPED_POLICIES
        .iter()
        .map(|(name, text)| (*name, (*text).to_owned()))
        .collect();
    for (file, from, to) in EDITS
        .iter()
        .zip(edits)
        .filter(|(_, on)| **on)
        .map(|(edit, _)| edit)
    {
        let (_, text) = files.iter_mut().find(|(name, _)| name == file).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        *text = text.replacen(from, to, 1);
    }
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    load_files(&files).unwrap()
}

fn shipped_cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/policies");
    let (cases, findings) = cases::read_all(&[folder]);
    assert!(findings.0.is_empty(), "{findings}");
    cases
}

fn ids(some: &[ListedPolicy]) -> Vec<&str> {
    some.iter().map(|one| one.id.as_str()).collect()
}

fn ask(comparison: &Comparison<'_>, case: &Case) -> Option<ChangedDecision> {
    match comparison.decide(|bundle| case.prepare_request(bundle)) {
        ComparisonResult::Same => None,
        ComparisonResult::Changed(change) => Some(change),
        ComparisonResult::Undecided { old, new } => panic!("{old:?}, {new:?}"),
    }
}

fn mirrored(kind: ChangeKind) -> ChangeKind {
    match kind {
        ChangeKind::Widening => ChangeKind::Narrowing,
        ChangeKind::Narrowing => ChangeKind::Widening,
        ChangeKind::Answer => ChangeKind::Answer,
    }
}

#[test]
fn bundle_equals_itself_and_swapped_sides_give_mirrored_differences() {
    let cases = shipped_cases();
    let edits = || prop::collection::vec(any::<bool>(), EDITS.len());
    let config = Config {
        cases: 8,
        failure_persistence: None,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&(edits(), edits()), |(old_edits, new_edits)| {
        let (old, new) = (edited(&old_edits), edited(&new_edits));
        let same = Comparison::of(&old, &old).unwrap();
        prop_assert!(same.differences().is_empty());
        let forth = Comparison::of(&old, &new).unwrap();
        let back = Comparison::of(&new, &old).unwrap();
        let (there, here) = (forth.differences(), back.differences());
        prop_assert_eq!(
            there.is_empty(),
            old_edits == new_edits || only_comments(&old_edits, &new_edits)
        );
        prop_assert_eq!(ids(&there.added), ids(&here.removed));
        prop_assert_eq!(ids(&there.removed), ids(&here.added));
        prop_assert_eq!(ids(&there.changed), ids(&here.changed));
        prop_assert_eq!(ids(&there.reformatted), ids(&here.reformatted));
        prop_assert_eq!(there.renamed.len(), here.renamed.len());
        for case in &cases {
            prop_assert_eq!(ask(&same, case), None);
            let (forth, back) = (ask(&forth, case), ask(&back, case));
            prop_assert_eq!(forth.is_some(), back.is_some());
            if let (Some(forth), Some(back)) = (forth, back) {
                prop_assert_eq!(mirrored(forth.kind), back.kind);
                prop_assert_eq!((&forth.old, &forth.new), (&back.new, &back.old));
                prop_assert!(!forth.policies.is_empty());
            }
        }
        Ok(())
    });
    run.unwrap();
}

/// Returns true if the edits differ only in text between policies, which belongs to no policy.
fn only_comments(old: &[bool], new: &[bool]) -> bool {
    let between = |at: usize| ["// Users manage", "\n"].contains(&EDITS[at].1);
    (0..EDITS.len()).all(|at| old[at] == new[at] || between(at))
}

/// Returns the causes of a different decision on a shipped case, with two bundles of one file each.
fn caused(old: &str, new: &str, case: &str) -> Vec<String> {
    let open = "@id(\"open\") permit (principal is Gate::User, action in Gate::Action::\"manageOwnMfa\", resource) when { resource in principal.account };\n";
    let bundle = |text: &str| load_files(&[("a.cedar", &format!("{open}{text}"))]).unwrap();
    let (old, new) = (bundle(old), bundle(new));
    let comparison = Comparison::of(&old, &new).unwrap();
    let cases = shipped_cases();
    let case = cases.iter().find(|one| one.name == case).unwrap();
    ask(&comparison, case).unwrap().policies
}

const FIRST: &str = "begin: a first enrolment asks for nothing";
const SECOND: &str = "begin: a second factor asks for a step-up";

fn forbid(id: &str, notice: &str, condition: &str) -> String {
    format!(
        "@id(\"{id}\") @notice(\"{notice}\") forbid (principal, action in Gate::Action::\"enroll\", resource) {condition};\n"
    )
}

#[test]
fn policy_that_determines_one_decision_only_is_the_cause() {
    let (a, b) = (forbid("a", "A", ""), forbid("b", "B", ""));
    assert_eq!(caused("", &a, FIRST), ["a"]);
    assert_eq!(caused(&a, "", FIRST), ["a"]);
    assert_eq!(caused(&a, &b, FIRST), ["a", "b"]);
    assert_eq!(caused(&a, &format!("{a}{b}"), FIRST), ["b"]);
}

#[test]
fn policy_that_determines_both_decisions_is_a_cause_if_undoing_it_changes_the_new_one() {
    let both = |a: &str, b: &str| format!("{}{}", forbid("a", a, ""), forbid("b", b, ""));
    assert_eq!(caused(&both("A", "B"), &both("A", "C"), FIRST), ["b"]);
    assert_eq!(caused(&both("A", "B"), &both("D", "C"), FIRST), ["a", "b"]);
}

#[test]
fn policy_that_determines_neither_decision_is_a_cause_if_undoing_it_changes_the_new_one() {
    // The step-up is no longer offered once a caller who follows it is refused.
    let step_up = format!(
        "@step_up(\"phr\") @max_age(\"5m\") {}",
        forbid(
            "step-up",
            "S",
            "unless { context.session.sinceStrong <= duration(\"5m\") }"
        )
    );
    let never = forbid("never", "N", "when { context.session.acr == \"phr\" }");
    let other = forbid("other", "O", "when { context.session.acr == \"other\" }");
    assert_eq!(
        caused(&step_up, &format!("{step_up}{never}{other}"), SECOND),
        ["never"]
    );
}

#[test]
fn change_by_several_policies_together_is_caused_by_all_that_determine() {
    // The notice is in the answer once, by whichever of the two policies.
    let both = |notice: &str| format!("{}{}", forbid("a", notice, ""), forbid("b", notice, ""));
    assert_eq!(caused(&both("A"), &both("B"), FIRST), ["a", "b"]);
    // Both policies have an error in the answer, and one error is enough to refuse.
    let errs = |id: &str| {
        forbid(
            id,
            "E",
            "when { context.factors.count + 9223372036854775807 > 0 }",
        )
    };
    let failing = format!("{}{}", errs("a"), errs("b"));
    assert_eq!(caused("", &failing, SECOND), ["a", "b"]);
}

#[test]
fn template_link_is_undone_like_a_policy() {
    let group = |name: &str| {
        format!(
            r#"[{{"template_id": "t", "link_id": "l", "args": {{"?principal": "Gate::Tenant::\"{name}\""}}}}]"#
        )
    };
    let template = |notice: &str| {
        format!(
            "@id(\"t\") @notice(\"{notice}\") forbid (principal in ?principal, action in Gate::Action::\"mfa\", resource);"
        )
    };
    let bundle = |notice: &str, tenant: &str| {
        let open = SHIPPED_POLICIES
            .iter()
            .find(|(name, _)| *name == "00-open-doors.cedar");
        let text = template(notice);
        let files = [
            *open.unwrap(),
            ("t.cedar", &text),
            ("l.links.json", &group(tenant)),
        ];
        load_files(&files).unwrap()
    };
    let tenant = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
    let (old, new) = (bundle("A", tenant), bundle("B", tenant));
    let comparison = Comparison::of(&old, &new).unwrap();
    assert_eq!(ids(&comparison.differences().changed), ["l", "t"]);
    let cases = shipped_cases();
    let case = cases.iter().find(|one| one.name == FIRST).unwrap();
    assert_eq!(ask(&comparison, case).unwrap().policies, ["l"]);
}

#[test]
fn suspects_are_the_forbids_that_came_or_went_else_the_permits() {
    let decision = |effect: Effect, policies: &[&str]| Decision {
        effect,
        policies: policies.iter().map(|id| (*id).to_owned()).collect(),
        notices: Vec::new(),
        errors: Vec::new(),
        failed: Vec::new(),
        shadow: None,
    };
    let denied = |policies: &[&str]| decision(Effect::Deny("forbidden".to_owned()), policies);
    let allow = decision(Effect::Allow, &["p"]);
    let deny = denied(&["f", "g"]);
    let by_default = denied(&[]);
    for (old, new, expected) in [
        (&deny, &allow, &["f", "g"][..]),
        (&allow, &deny, &["f", "g"]),
        (&by_default, &allow, &["p"]),
        (&allow, &by_default, &["p"]),
        (&deny, &denied(&["g", "h"]), &["f", "h"]),
        (&allow, &allow, &["p"]),
    ] {
        assert_eq!(suspects(old, new), expected);
    }
}

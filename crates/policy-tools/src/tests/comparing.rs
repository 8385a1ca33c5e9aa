//! Two bundles side by side.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use cedargate_policy::cases::{self, Case};
use cedargate_policy::{Bundle, SHIPPED_POLICIES, Verdict};

use super::load_files;
use crate::comparison::{Change, Compared, Comparison, Kind, suspects};
use crate::difference::Listed;

/// Changes of the shipped policies, each of a file of its own, or of its own place in a file. An empty
/// file is no file.
const EDITS: [(&str, &str, &str); 10] = [
    ("00-open-doors.cedar", "// Everybody", "// All"),
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

/// The shipped policies with these of the changes.
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

fn ids(some: &[Listed]) -> Vec<&str> {
    some.iter().map(|one| one.id.as_str()).collect()
}

fn ask(comparison: &Comparison<'_>, case: &Case) -> Option<Change> {
    match comparison.ask(|bundle| case.inquiry(bundle)) {
        Compared::Same => None,
        Compared::Changed(change) => Some(change),
        Compared::Unasked { old, new } => panic!("{old:?}, {new:?}"),
    }
}

fn mirrored(kind: Kind) -> Kind {
    match kind {
        Kind::Widening => Kind::Narrowing,
        Kind::Narrowing => Kind::Widening,
        Kind::Answer => Kind::Answer,
    }
}

#[test]
fn a_bundle_is_no_different_from_itself_and_back_is_the_mirror_of_forth() {
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

/// Whether no difference of the two is in a policy: what stands between policies is of none.
fn only_comments(old: &[bool], new: &[bool]) -> bool {
    let between = |at: usize| ["// Everybody", "\n"].contains(&EDITS[at].1);
    (0..EDITS.len()).all(|at| old[at] == new[at] || between(at))
}

/// The case by its name, under two bundles of one file each.
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
fn what_determines_one_answer_only_is_the_cause() {
    let (a, b) = (forbid("a", "A", ""), forbid("b", "B", ""));
    assert_eq!(caused("", &a, FIRST), ["a"]);
    assert_eq!(caused(&a, "", FIRST), ["a"]);
    assert_eq!(caused(&a, &b, FIRST), ["a", "b"]);
    assert_eq!(caused(&a, &format!("{a}{b}"), FIRST), ["b"]);
}

#[test]
fn what_determines_both_answers_is_a_cause_if_it_turns_them() {
    let both = |a: &str, b: &str| format!("{}{}", forbid("a", a, ""), forbid("b", b, ""));
    assert_eq!(caused(&both("A", "B"), &both("A", "C"), FIRST), ["b"]);
    assert_eq!(caused(&both("A", "B"), &both("D", "C"), FIRST), ["a", "b"]);
}

#[test]
fn what_determines_neither_is_a_cause_if_it_turns_them() {
    // The step-up would be answered, and is not any more once whoever follows it is refused.
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
fn what_takes_several_together_is_put_down_to_all_that_determine() {
    // Each notice is there once, whichever of the two says it.
    let both = |notice: &str| format!("{}{}", forbid("a", notice, ""), forbid("b", notice, ""));
    assert_eq!(caused(&both("A"), &both("B"), FIRST), ["a", "b"]);
    // An error of each is in the answer; one of them is enough for it to refuse.
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
fn a_link_is_undone_as_the_policy_that_it_is() {
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
fn suspects_are_the_forbids_that_came_or_went() {
    let verdict = |decision: &'static str, reason: &[&str]| Verdict {
        decision,
        reason: reason.iter().map(|id| (*id).to_owned()).collect(),
        notices: Vec::new(),
        code: None,
        errors: Vec::new(),
    };
    let allow = verdict("allow", &["p"]);
    let deny = verdict("deny", &["f", "g"]);
    let by_default = verdict("deny", &[]);
    for (old, new, expected) in [
        (&deny, &allow, &["f", "g"][..]),
        (&allow, &deny, &["f", "g"]),
        (&by_default, &allow, &["p"]),
        (&allow, &by_default, &["p"]),
        (&deny, &verdict("deny", &["g", "h"]), &["f", "h"]),
        (&allow, &allow, &["p"]),
    ] {
        assert_eq!(suspects(old, new), expected);
    }
}

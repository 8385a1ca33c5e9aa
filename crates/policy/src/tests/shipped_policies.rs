//! The shipped policies equal those of the folders, load, and pass their test cases.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::{Bundle, GATE_SCHEMA, Sources, cases, shipped};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn from_folders() -> Sources {
    Sources::read(&root().join("policies"), &root().join("schema")).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn built_in_policies_and_schema_equal_the_files_of_the_folders() {
    let folder = root().join("policies");
    let on_disk: Vec<_> = files(&folder)
        .into_iter()
        .map(|path| {
            path.strip_prefix(&folder)
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/")
        })
        .collect();
    let built_in: Vec<_> = shipped::POLICIES
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(built_in, on_disk);
    let folders = Bundle::load(&from_folders()).unwrap();
    let built_in = Bundle::load(&Sources::shipped()).unwrap();
    assert_eq!(folders.revision(), built_in.revision());
    assert_eq!(
        fs::read_to_string(root().join("schema/gate.cedarschema")).unwrap(),
        GATE_SCHEMA
    );
}

#[test]
fn shipped_policies_are_in_the_files_that_the_documents_name() {
    let ids = |file: &str| {
        let policies = shipped::POLICIES.iter().find(|(name, _)| *name == file);
        let (_, text) = policies.unwrap();
        let ids = text.lines().filter_map(|line| line.strip_prefix("@id(\""));
        ids.map(|rest| rest.split('"').next().unwrap())
            .collect::<Vec<_>>()
    };
    for (file, expected) in [
        (
            "00-open-doors.cedar",
            &["own-factors", "public-documents"][..],
        ),
        ("10-tenant-isolation.cedar", &["tenant-isolation"]),
        ("20-security-keys.cedar", &["security-key-not-synced"]),
        (
            "30-step-up.cedar",
            &[
                "step-up-begin",
                "step-up-complete",
                "step-up-change",
                "step-up-admin",
                "trusted-admin",
            ],
        ),
        ("40-admins.cedar", &["mfa-admins"]),
    ] {
        assert_eq!(ids(file), expected, "{file}");
    }
}

/// An example in a comment would not be tested, and one for a tenant that exists would refuse its users.
#[test]
fn examples_are_not_comments_and_apply_only_to_example_tenants() {
    let mut examples = 0;
    for (name, text) in shipped::POLICIES
        .iter()
        .filter(|(name, _)| name.ends_with(".cedar"))
    {
        for comment in text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("//"))
        {
            let is_code = comment.trim().ends_with([';', '{', '(']);
            assert!(!is_code, "{name}: {comment}");
        }
        if !name.starts_with("examples/") {
            continue;
        }
        examples += 1;
        let heads = text.split("\n@id(").skip(1);
        for head in heads.map(|policy| policy.split_once(") {").map_or(policy, |it| it.0)) {
            let (_, scope) = head.split_once("(\n  principal in").unwrap();
            let (principal, _) = scope.split_once("\n  action").unwrap();
            let principal = principal.trim_start();
            let is_example = ["Gate::Tenant::\"", "Gate::Group::\"dev|"]
                .iter()
                .filter_map(|before| principal.strip_prefix(before))
                .any(|id| id.starts_with("0e0e0e0e-0000-4000-8000-"));
            assert!(is_example, "{name}: {head}");
        }
    }
    assert_eq!(examples, 6);
}

#[test]
fn shipped_cases_pass_and_every_policy_determines_one() {
    let bundle = Bundle::load(&from_folders()).unwrap();
    let mut reasons = BTreeSet::new();
    let mut count = 0;
    let (cases, findings) = cases::read_all(&[root().join("tests/policies")]);
    assert_eq!(findings.0, []);
    for case in cases {
        let outcome = case.run(&bundle);
        assert!(
            outcome.passed(),
            "{}: {}: {:?}",
            case.file,
            outcome.name,
            outcome.failures
        );
        reasons.extend(outcome.actual.unwrap().policies);
        count += 1;
    }
    assert!(count > 0);
    assert_eq!(reasons.iter().collect::<Vec<_>>(), bundle.policy_ids());
}

//! `cedargate policy diff`: the effect of a change of policies.

mod outcome;
mod revisions;

use serde_json::{Value, json};

use crate::support::policy_home::Home;
use crate::support::program::{stderr, stdout};
use crate::support::recorded;

/// The shipped policies, copied to `old` before this change to the working folders.
fn changed(change: impl FnOnce(&Home)) -> Home {
    let home = Home::new();
    home.keep_as("old");
    change(&home);
    home
}

fn diff(home: &Home) -> Value {
    home.json(&["policy", "diff", "old", "--json"])
}

/// The members of `policies` that are not empty.
fn policies(report: &Value) -> Value {
    let mut policies = report["policies"].clone();
    let kinds = policies.as_object_mut().unwrap();
    kinds.retain(|_, ids| ids != &json!([]));
    policies
}

/// The changes, each with its kind, its policies and its case or line of the log.
fn changes(report: &Value) -> Vec<(&str, Vec<&str>, String)> {
    let changes = report["changes"].as_array().unwrap().iter();
    changes
        .map(|change| {
            let policies = change["policies"].as_array().unwrap().iter();
            let asked = change.get("case").unwrap_or(&change["line"]);
            (
                change["kind"].as_str().unwrap(),
                policies.map(|id| id.as_str().unwrap()).collect(),
                asked.as_str().map_or(asked.to_string(), str::to_owned),
            )
        })
        .collect()
}

/// One change of each kind.
fn one_of_each(home: &Home) {
    home.change_policies();
    home.edit(
        "policies/00-open-doors.cedar",
        "@id(\"own-factors\")",
        "@owner(\"iam\") @id(\"own-factors\")",
    );
}

#[test]
fn changes_are_listed_widening_first() {
    let home = Home::with_few();
    home.keep_as("old");
    one_of_each(&home);
    let output = home.run(&["policy", "diff", "old"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn json_report_has_a_stable_shape() {
    let home = Home::with_few();
    home.keep_as("old");
    one_of_each(&home);
    let report = diff(&home);
    let members: Vec<_> = report.as_object().unwrap().keys().collect();
    let expected = [
        "policies",
        "claims",
        "cases",
        "decisions",
        "masked",
        "changes",
        "unasked",
        "unread",
    ];
    assert_eq!(members, expected);
    assert_eq!(
        report["policies"],
        json!({
            "added": ["no-listing"], "removed": ["example-one-network"],
            "changed": ["security-key-not-synced"], "reformatted": ["own-factors"], "renamed": [],
        })
    );
    assert_eq!(
        report["claims"],
        json!({"added": [], "removed": [], "changed": []})
    );
    assert_eq!(report["cases"], 5);
    assert_eq!(
        report["changes"][0],
        json!({
            "kind": "widening", "case": "from elsewhere", "line": 2,
            "file": "./tests/policies/few.json",
            "policies": ["example-one-network"],
            "old": {
                "decision": "deny", "reason": ["example-one-network"], "code": "network_not_allowed",
                "notices": ["Example Lab enrols authenticators only from its own network: connect to it and try again."],
                "errors": [],
            },
            "new": {
                "decision": "allow", "reason": ["own-factors"], "code": null, "notices": [], "errors": [],
            },
        })
    );
    let kinds: Vec<_> = changes(&report)
        .into_iter()
        .map(|(kind, ..)| kind)
        .collect();
    let first = |kind| kinds.iter().position(|one| *one == kind).unwrap();
    let last = |kind| kinds.iter().rposition(|one| *one == kind).unwrap();
    assert!(last("widening") < first("narrowing") && last("narrowing") < first("answer"));
    assert_eq!(report["unasked"], json!([]));
}

#[test]
fn unchanged_policies_are_reported_as_such() {
    let home = changed(|_| {});
    let report = diff(&home);
    assert_eq!(policies(&report), json!({}));
    assert_eq!(report["changes"], json!([]));
    let output = home.run(&["policy", "diff", "old", "--fail-on", "any"]);
    assert_eq!(output.status.code(), Some(0));
    let cases = recorded::lines().len();
    assert_eq!(
        stdout(&output),
        format!(
            "Policies: no difference\n\n{cases} test cases decided by both sides: no answer differs\n"
        )
    );
    std::fs::remove_dir_all(home.path("tests")).unwrap();
    let output = home.run(&["policy", "diff", "old"]);
    let only = "No test cases and no recorded decisions: only the policies were compared\n";
    assert!(stdout(&output).ends_with(only), "{}", stdout(&output));
}

#[test]
fn moved_and_reformatted_policies_are_no_change() {
    let home = changed(|home| {
        // moved to another file, which is read later
        let text = home.read("policies/10-tenant-isolation.cedar");
        home.remove("policies/10-tenant-isolation.cedar");
        home.write("policies/zz/moved.cedar", format!("// moved\n\n{text}"));
        home.edit(
            "policies/30-step-up.cedar",
            "@max_age(\"5m\")",
            "@max_age(\"300s\") // seconds",
        );
        home.edit("policies/dev.links.json", "\"link_id\"", "  \"link_id\"");
    });
    let report = diff(&home);
    assert_eq!(policies(&report), json!({"reformatted": ["step-up-begin"]}));
    assert_eq!(report["changes"], json!([]));
}

#[test]
fn policy_with_a_new_id_is_reported_as_renamed() {
    let home = changed(|home| {
        home.edit(
            "policies/examples/two-models.cedar",
            "example-two-models",
            "two-models",
        );
    });
    let report = diff(&home);
    assert_eq!(
        policies(&report),
        json!({
            "added": ["two-models"], "removed": ["example-two-models"],
            "renamed": [{"from": "example-two-models", "to": "two-models"}],
        })
    );
    for (kind, policies, _) in changes(&report) {
        assert_eq!(
            (kind, policies),
            ("answer", vec!["example-two-models", "two-models"])
        );
    }
    let output = home.run(&["policy", "diff", "old"]);
    for name in ["formerly example-two-models", "now two-models"] {
        assert!(stdout(&output).contains(name), "{}", stdout(&output));
    }
}

#[test]
fn changed_link_is_a_changed_policy_and_changed_template_is_listed_beside_its_links() {
    let home = changed(|home| home.edit("policies/dev.links.json", "|mfa-admins", "|helpdesk"));
    let report = diff(&home);
    assert_eq!(policies(&report), json!({"changed": ["mfa-admins-dev"]}));
    assert_eq!(changes(&report)[0].0, "narrowing");
    assert_eq!(changes(&report)[0].1, ["mfa-admins-dev"]);

    let template = "policies/40-admins.cedar";
    let home = changed(|home| {
        home.edit(
            template,
            "resource in ?resource\n)",
            "resource in ?resource\n)\nwhen { context.factors.count > 9 }",
        );
    });
    let report = diff(&home);
    let both = json!({"changed": ["mfa-admins", "mfa-admins-dev"]});
    assert_eq!(policies(&report), both);
    assert!(
        changes(&report)
            .iter()
            .all(|(_, policies, _)| *policies == ["mfa-admins-dev"])
    );
    assert!(!changes(&report).is_empty());

    let home = changed(|home| home.write("policies/dev.links.json", "[]"));
    assert_eq!(
        policies(&diff(&home)),
        json!({"removed": ["mfa-admins-dev"]})
    );
}

/// Replaces the claim `employment` in the schema and in the rule that reads it.
fn forget_employment(home: &Home) {
    home.edit(
        "schema/site.cedarschema",
        "employment?: String,",
        "shoe_size?: Long,",
    );
    let rule = "policies/examples/contractors.cedar";
    home.edit(
        rule,
        "principal.claims has employment",
        "principal.claims has shoe_size",
    );
    home.edit(
        rule,
        "principal.claims.employment == \"contractor\"",
        "principal.claims.shoe_size == 43",
    );
}

#[test]
fn case_that_one_side_cannot_decide_is_listed() {
    let home = changed(forget_employment);
    let report = diff(&home);
    assert_eq!(
        policies(&report),
        json!({"changed": ["example-contractors-not-synced"]})
    );
    let claims = json!({"added": ["shoe_size"], "removed": ["employment"], "changed": []});
    assert_eq!(report["claims"], claims);
    let undecided = report["unasked"].as_array().unwrap();
    assert!(!undecided.is_empty());
    for one in undecided {
        assert!(one["old"]["decision"].is_string(), "{one}");
        let why = one["new"]["message"].as_str().unwrap();
        assert!(why.contains("employment"), "{why}");
    }
    let fails = |what: &str| {
        home.run(&["policy", "diff", "old", "--fail-on", what])
            .status
            .code()
    };
    assert_eq!((fails("widening"), fails("any")), (Some(0), Some(1)));
    let output = home.run(&["policy", "diff", "old"]);
    for said in [
        "Claims of the schema: + shoe_size, - employment",
        "UNDECIDED by one side",
    ] {
        assert!(stdout(&output).contains(said), "{}", stdout(&output));
    }
}

#[test]
fn cause_of_a_change_is_the_policy_that_turns_the_answer() {
    // Both policies change. A policy that determines both answers and has not changed is no cause.
    let home = changed(|home| {
        home.edit(
            "policies/10-tenant-isolation.cedar",
            "names another",
            "has another",
        );
        home.edit(
            "policies/20-security-keys.cedar",
            "This authenticator",
            "It",
        );
    });
    let report = diff(&home);
    let all = report["changes"].as_array().unwrap();
    assert!(!all.is_empty());
    for change in all {
        assert_eq!(change["kind"], "answer");
        let determining = change["new"]["reason"].as_array().unwrap().iter();
        let changed = ["security-key-not-synced", "tenant-isolation"];
        let expected: Vec<_> = determining
            .filter(|id| changed.iter().any(|one| *id == one))
            .collect();
        let policies: Vec<_> = change["policies"].as_array().unwrap().iter().collect();
        assert_eq!(policies, expected, "{}", change["case"]);
    }
    // A step-up that no longer helps is not offered. The policy that would forbid after it is not
    // determining now.
    let home = changed(|home| {
        home.write(
            "policies/50-phr.cedar",
            "@id(\"no-phr\") @notice(\"No.\") forbid (principal, action in Gate::Action::\"changeFactors\", resource)
when { context.session.acr == \"phr\" };",
        );
    });
    let report = diff(&home);
    let changes = changes(&report);
    let offered = changes
        .iter()
        .find(|(_, _, case)| case == "change: removing asks for a step-up");
    assert_eq!(offered.unwrap().1, ["no-phr"]);
}

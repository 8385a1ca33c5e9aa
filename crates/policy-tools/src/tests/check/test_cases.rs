//! Test cases that test less than they seem to, and requests that the gateway never builds.

use serde_json::{Value, json};
use std::path::Path;

use super::{folders, only, read, report, without_matches};
use cedargate_core::{Finding, Severity};
use cedargate_policy::cases;

const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";

fn id(name: &str) -> String {
    format!("corp|{TENANT}|{name}")
}

fn parents() -> Value {
    json!([{"type": "Gate::Issuer", "id": "corp"}, {"type": "Gate::Tenant", "id": TENANT}])
}

fn user() -> Value {
    let account = json!({"type": "Gate::Account", "id": id("alice")});
    json!({
        "uid": {"type": "Gate::User", "id": id("alice")},
        "attrs": {"account": account, "claims": {}},
        "parents": parents(),
    })
}

fn account(name: &str) -> Value {
    json!({"uid": {"type": "Gate::Account", "id": id(name)}, "attrs": {}, "parents": parents()})
}

fn case(entities: &[Value]) -> Value {
    let context = json!({
        "network": {"address": "192.0.2.7"},
        "now": "2026-01-15T09:00:00Z",
        "tenant": {"type": "Gate::Tenant", "id": TENANT},
        "session": {"amr": [], "acr": "", "sinceStrong": "36500d", "sinceBackupCode": "36500d", "trusted": false, "authenticatorAge": "0s"},
        "factors": {"count": 0, "methodTypes": [], "reset": false},
    });
    json!({
        "name": "mine",
        "decision": "allow",
        "reason": [],
        "num_errors": 0,
        "request": {
            "principal": format!("Gate::User::{:?}", id("alice")),
            "action": "Gate::Action::\"listMfaMethods\"",
            "resource": format!("Gate::Account::{:?}", id("alice")),
            "context": context,
        },
        "entities": entities,
    })
}

fn findings_of(case: &Value) -> (String, Vec<Finding>) {
    let text = serde_json::to_string_pretty(&json!([case])).unwrap();
    let cases = cases::read("a.json", &text, Path::new(".")).unwrap();
    let root = folders(&[]);
    let report = report(&read(&root, &["policies"]), None, &cases);
    (text, without_matches(report.findings))
}

/// Asserts that the case has this one finding, on the line of the first `marked` after the first `after`.
#[track_caller]
fn assert_finding(
    case: &Value,
    code: &str,
    (after, marked): (&str, &str),
    message: &str,
    help: &str,
) {
    let (text, findings) = findings_of(case);
    let finding = only(findings);
    assert_eq!(
        (finding.code, finding.severity),
        (code, Severity::Finding),
        "{finding}"
    );
    assert_eq!(finding.file, "a.json");
    let from = text.find(after).unwrap();
    let at = from + text[from..].find(marked).unwrap();
    assert_eq!(
        finding.line,
        text[..at].matches('\n').count() + 1,
        "{finding}"
    );
    assert!(finding.message.contains(message), "{finding}");
    assert!(finding.help.as_deref().unwrap().contains(help), "{finding}");
}

#[test]
fn case_that_expects_any_denial_is_a_finding() {
    let any = |change: fn(&mut Value)| {
        let mut case = case(&[user(), account("alice")]);
        case["decision"] = json!("deny");
        change(&mut case);
        case
    };
    let at = ("", "\"decision\"");
    for case in [any(|_| {}), any(|case| case["notices"] = json!([]))] {
        assert_finding(
            &case,
            "test_any_deny",
            at,
            "passes with any denial",
            "\"forbidden\"",
        );
    }
    for case in [
        any(|case| case["reason"] = json!(["tenants"])),
        any(|case| case["code"] = json!("forbidden")),
        any(|case| case["notices"] = json!(["No."])),
        any(|case| case["decision"] = json!("allow")),
    ] {
        assert_eq!(findings_of(&case).1, []);
    }
}

#[test]
fn case_with_entities_that_the_gateway_does_not_build_is_a_finding() {
    let code = "test_entities";
    let mine = |user: Value| case(&[user, account("alice")]);
    let at = |kind: &'static str| ("\"entities\"", kind);
    let more = json!({"uid": {"type": "Gate::Tenant", "id": TENANT}, "attrs": {}, "parents": []});
    let x = case(&[more, user(), account("alice")]);
    assert_finding(
        &x,
        code,
        at(TENANT),
        "has the entity Gate::Tenant::",
        "remove it",
    );
    let x = case(&[user(), account("alice"), account("bob")]);
    assert_finding(&x, code, at("|bob\""), "|bob\"", "remove it");
    let x = case(&[user()]);
    assert_finding(
        &x,
        code,
        at("\"entities\""),
        "has no entity Gate::Account",
        "add it",
    );
    let x = case(&[account("alice")]);
    assert_finding(
        &x,
        code,
        at("\"entities\""),
        "has no entity Gate::User",
        "add it",
    );

    let mut lonely = user();
    lonely["parents"].as_array_mut().unwrap().pop();
    assert_finding(
        &mine(lonely),
        code,
        at("|alice\""),
        "lacks the parent Gate::Tenant",
        "\"parents\"",
    );
    let mut elsewhere = user();
    let group = |of: &str| json!({"type": "Gate::Group", "id": format!("{of}|admins")});
    let all = elsewhere["parents"].as_array_mut().unwrap();
    all.push(group(&format!("corp|{TENANT}")));
    assert_eq!(findings_of(&mine(elsewhere.clone())).1, []);
    elsewhere["parents"]
        .as_array_mut()
        .unwrap()
        .push(group("corp|"));
    assert_finding(
        &mine(elsewhere),
        code,
        at("|alice\""),
        "corp||admins",
        "groups of both",
    );
    let mut other = user();
    other["attrs"]["account"]["id"] = id("bob").into();
    assert_finding(
        &mine(other),
        code,
        at("|alice\""),
        "another account",
        "the id of its user",
    );
    let mut grouped = account("alice");
    grouped["parents"].as_array_mut().unwrap().pop();
    let x = case(&[grouped, user()]);
    assert_finding(
        &x,
        code,
        at("|alice\""),
        "lacks the parent Gate::Tenant",
        "\"parents\"",
    );
}

#[test]
fn authenticator_outside_of_one_account_is_a_finding() {
    let key = "0198c0de-0000-7000-8000-000000000001";
    let authenticator = |parents: Value| {
        let model = json!({"type": "Gate::AuthenticatorModel", "id": "00000000-0000-0000-0000-000000000000"});
        json!({
            "uid": {"type": "Gate::Authenticator", "id": key},
            "attrs": {
                "methodType": {"type": "Gate::MethodType", "id": "webauthn_passkey"},
                "provenModel": model, "claimedModel": model, "claimedTransports": [],
                "userVerified": true, "backupEligible": false, "backedUp": false,
            },
            "parents": parents,
        })
    };
    let of = |name: &str| json!([{"type": "Gate::Account", "id": id(name)}]);
    let about = |entities: &[Value]| {
        let mut case = case(entities);
        case["request"]["action"] = "Gate::Action::\"deleteMfaMethod\"".into();
        case["request"]["resource"] = format!("Gate::Authenticator::{key:?}").into();
        case["decision"] = json!("deny");
        case["code"] = json!("forbidden");
        case
    };
    let mine = [user(), account("alice"), authenticator(of("alice"))];
    assert_eq!(findings_of(&about(&mine)).1, []);
    let anothers = [
        user(),
        account("alice"),
        account("bob"),
        authenticator(of("bob")),
    ];
    assert_eq!(findings_of(&about(&anothers)).1, []);
    let without_account = about(&[user(), account("alice"), authenticator(json!([]))]);
    let at = ("\"entities\"", key);
    assert_finding(
        &without_account,
        "test_entities",
        at,
        "in one account",
        "the account that holds it",
    );
}

#[test]
fn malformed_case_is_an_error() {
    let mut x = case(&[user(), account("alice")]);
    x["request"]["action"] = "Gate::Action::\"listMfaMethod\"".into();
    let finding = only(findings_of(&x).1);
    assert_eq!(
        (finding.code, finding.severity),
        ("test_case", Severity::Error)
    );
    assert!(finding.message.contains("\"mine\""), "{finding}");
    assert!(finding.message.contains("did you mean"), "{finding}");
    let mut x = case(&[user(), account("alice")]);
    x.as_object_mut().unwrap().remove("reason");
    assert!(
        only(findings_of(&x).1)
            .message
            .contains("\"reason\" is missing")
    );
}

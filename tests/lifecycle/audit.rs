//! The audit stream: a line for each change of an account.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::support::client::{BACKUP_CODES, BACKUP_CODES_VERIFY, FIDO};
use crate::support::deployment::{ADMINS, Deployment};
use crate::support::place::Place;

/// The lines of a file, without the members that differ in each run.
fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .map(|mut line: Value| {
            for member in ["timestamp", "request_id", "authenticator"] {
                let there = line.as_object_mut().unwrap().remove(member);
                let needed = member == "timestamp";
                assert!(there.is_some() || !needed, "{member}: {line}");
            }
            line
        })
        .collect()
}

#[tokio::test]
async fn every_change_of_an_account_is_an_audit_line() {
    let deployment = Deployment::embedded().with_admins().with_audit();
    let file = deployment.audit_file();
    let place = Place::open(deployment);
    let mut alice = Enrolled::at(&place, "alice").await;
    let code = json!({"code": alice.codes[0]});
    assert_eq!(
        alice.weak.post(BACKUP_CODES_VERIFY, &code).await.status,
        200
    );
    let strong = alice.strong().await;
    let (_, second) = Key::enrol(&strong, FIDO, &place.deployment.origin()).await;
    assert_eq!(second.status, 200);
    let id = ids(&alice.weak).await.remove(1);
    let named = strong
        .patch(&format!("{METHODS}/{id}"), &json!({"device_name": "Ål\"i"}))
        .await;
    assert_eq!(named.status, 200);
    assert_eq!(strong.post(BACKUP_CODES, &json!({})).await.status, 200);
    assert_eq!(strong.delete(&format!("{METHODS}/{id}")).await.status, 200);
    alice.key.sign_count = 1;
    assert_eq!(alice.key.step_up(&alice.weak).await.status, 400);

    let wrong = json!({"code": "0000-0000-00000"});
    let wrong = alice.weak.post(BACKUP_CODES_VERIFY, &wrong).await;
    assert_eq!(wrong.status, 400);

    let strong = place.strong_of("root", ADMINS);
    let (mut key, _) = Key::enrol(&strong, PASSKEY, &place.deployment.origin()).await;
    let root = place.user_of("root", ADMINS);
    let admin = root.with(key.token(&root).await, TENANT);
    let reset = admin.delete("/v1/admin/users/corp%7Calice/mfa").await;
    assert_eq!(reset.status, 200);
    let code = json!({"code": reset.body["recovery_code"]});
    let used = alice.weak.post(BACKUP_CODES_VERIFY, &code).await;
    assert_eq!(used.status, 200);
    let nothing = admin.delete("/v1/admin/users/corp%7Calice/mfa").await;
    assert_eq!(nothing.status, 200);
    // a refused request, or one without a change, leaves no line
    assert_eq!(alice.weak.get(METHODS).await.status, 200);
    let log = place.gateway.stop();

    let text = fs::read_to_string(&file).unwrap();
    let [alice, root] = ["alice", "root"].map(|it| format!("corp|{TENANT}|{it}"));
    let passkey = |kind: &str, of: &str| {
        json!({
            "kind": kind, "account": of, "by": of, "address": "127.0.0.1",
            "method_type": "webauthn_passkey", "device_name": "my key",
        })
    };
    let key = |kind: &str, name: &str| {
        json!({
            "kind": kind, "account": alice, "by": alice, "address": "127.0.0.1",
            "method_type": "webauthn_fido", "device_name": name,
        })
    };
    let account = |kind: &str, by: &str| json!({"kind": kind, "account": alice, "by": by, "address": "127.0.0.1"});
    let mut lines = lines(&text);
    // The first line names the policies in force.
    let policies = lines.remove(0);
    assert_eq!(policies["kind"], "policies_in_force");
    assert!(policies["policies"].as_u64() > Some(0), "{policies}");
    assert_eq!(policies["revision"].as_str().map(str::len), Some(16));
    let mut removed = passkey("deleted", &alice);
    removed["by"] = json!(root);
    assert_eq!(
        lines,
        [
            passkey("enrolled", &alice),
            account("code_used", &alice),
            passkey("used", &alice),
            key("enrolled", "my key"),
            key("renamed", "Ål\"i"),
            account("codes_regenerated", &alice),
            key("deleted", "Ål\"i"),
            passkey("counter_back", &alice),
            account("code_wrong", &alice),
            passkey("enrolled", &root),
            passkey("used", &root),
            account("reset", &root),
            removed,
            account("recovery_code_made", &root),
            account("recovery_code_used", &alice),
            account("reset", &root),
            account("recovery_code_made", &root),
        ]
    );
    // the events have the same changes
    let told = crate::support::place::events(&log).flat_map(|event| {
        let changes = event["changes"].as_array().cloned();
        changes.unwrap_or_default()
    });
    assert_eq!(told.count(), 17);
}

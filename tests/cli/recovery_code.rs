//! `cedargate recovery-code`, which lets the first admin in.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::client::{BACKUP_CODES_VERIFY, PASSKEY, REGISTER};
use crate::support::deployment::{ADMINS, Deployment, TENANT};
use crate::support::key::Key;
use crate::support::place::Place;
use crate::support::program::{cedargate, stderr};
use crate::support::redis_server::RedisServer;

/// Runs the command for root, with further arguments.
fn recovery_code(deployment: &Deployment, more: &[&str]) -> Output {
    let root = ["recovery-code", "--user", "corp|root", "--tenant", TENANT];
    cedargate(deployment.home(), &[&root, more].concat())
}

fn report(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Enrols root with this code and checks that root can then administer.
async fn administers(place: &Place, code: &Value) {
    let weak = place.user_of("root", ADMINS);
    let refused = weak.post_empty(REGISTER).await;
    assert_eq!(refused.says(), (401, "step_up_required"), "{refused:?}");
    let answer = weak.post(BACKUP_CODES_VERIFY, &json!({"code": code})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let coded = weak.with(answer.body["access_token"].as_str().unwrap(), TENANT);
    let mut key = Key::enrolled(&coded, PASSKEY, &place.deployment.origin()).await;
    let admin = weak.with(key.token(&weak).await, TENANT);
    let listed = admin.get("/v1/admin/users/corp%7Calice/mfa").await;
    assert_eq!(listed.status, 200, "{listed:?}");
}

/// A deployment with admins and an audit stream, and the file of the stream.
fn audited(deployment: Deployment) -> (Deployment, std::path::PathBuf) {
    let deployment = deployment.with_admins().with_audit();
    let file = deployment.audit_file();
    (deployment, file)
}

fn kinds(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let member = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        (member("kind"), member("by"))
    });
    lines.collect()
}

#[tokio::test]
async fn first_admin_gets_in_with_a_code_from_the_operators_shell() {
    let (deployment, audit) = audited(Deployment::embedded());
    let made = report(&recovery_code(&deployment, &["--json"]));
    assert_eq!(made["account"], format!("corp|{TENANT}|root"));
    assert_eq!(made["removed"], 0);
    assert!(made["expires_at"].is_string(), "{made}");
    let told = kinds(&fs::read_to_string(&audit).unwrap());
    let by = |kind: &str| (kind.to_owned(), "operator".to_owned());
    assert_eq!(told, [by("reset"), by("recovery_code_made")]);

    let place = Place::open(deployment);
    administers(&place, &made["recovery_code"]).await;
    // a running gateway holds the embedded store
    let output = recovery_code(&place.deployment, &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("is in use by another process"), "{text}");
    assert!(text.contains("data"), "names the store: {text}");
    let Place {
        deployment,
        gateway,
        ..
    } = place;
    gateway.stop();

    // enrolled authenticators stay unless the operator says otherwise
    let output = recovery_code(&deployment, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--reset"), "{}", stderr(&output));
    let made = report(&recovery_code(&deployment, &["--reset", "--json"]));
    assert_eq!(made["removed"], 1);
    let place = Place::open(deployment);
    administers(&place, &made["recovery_code"]).await;
}

#[tokio::test]
async fn gateways_on_redis_serve_while_a_recovery_code_is_made() {
    let redis = RedisServer::start();
    let (deployment, _) = audited(Deployment::on_redis(&redis));
    let place = Place::open(deployment);
    let output = recovery_code(&place.deployment, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let code = text.lines().next().unwrap().rsplit(' ').next().unwrap();
    administers(&place, &json!(code)).await;
    place.close();
}

#[test]
fn wrong_usage_says_what_to_write() {
    let deployment = Deployment::embedded();
    for (more, says) in [
        (["--user", "root"], "--user 'corp|alice'"),
        (["--user", "acme|root"], "the issuer acme is not configured"),
    ] {
        let arguments = [&["recovery-code", "--tenant", TENANT][..], &more].concat();
        let output = cedargate(deployment.home(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    let nowhere = Deployment::new("redis://127.0.0.1:1/0");
    let output = recovery_code(&nowhere, &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("the store did not answer"), "{text}");
    assert!(output.stdout.is_empty(), "no code that was not stored");
}

//! `cedargate recovery-code`: how the first administrator gets in.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::answers::{EMBEDDED, PASSKEY, Place, on_redis};
use crate::client::{BACKUP_CODES_VERIFY, REGISTER};
use crate::deployment::{ADMINS, Deployment, TENANT};
use crate::key::Key;
use crate::redis_server::RedisServer;

/// Runs the command for root, with further arguments.
fn recovery_code(deployment: &Deployment, more: &[&str]) -> Output {
    let config = deployment.config();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command
        .arg("recovery-code")
        .arg("--config")
        .arg(&config)
        .args(["--user", "corp|root", "--tenant", TENANT])
        .args(more)
        .current_dir(config.parent().unwrap());
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn report(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Enrols root with this code, who then administers.
async fn administers(place: &Place, code: &Value) {
    let weak = place.user_of("root", ADMINS);
    let refused = weak.post_empty(REGISTER).await;
    assert_eq!(refused.says(), (401, "step_up_required"), "{refused:?}");
    let answer = weak.post(BACKUP_CODES_VERIFY, &json!({"code": code})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let coded = weak.with(answer.body["access_token"].as_str().unwrap(), TENANT);
    let (mut key, enrolled) = Key::enrol(&coded, PASSKEY, &place.deployment.origin()).await;
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    let admin = weak.with(key.token(&weak).await, TENANT);
    let listed = admin.get("/v1/admin/users/corp%7Calice/mfa").await;
    assert_eq!(listed.status, 200, "{listed:?}");
}

/// With an audit stream, whose file is returned.
fn audited(deployment: Deployment) -> (Deployment, std::path::PathBuf) {
    let section = "[audit]\nfile = \"audit.jsonl\"\n\n[backup_codes]";
    let deployment = deployment
        .with_admins()
        .replacing("[backup_codes]", section);
    let file = deployment.config().with_file_name("audit.jsonl");
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
    let (deployment, audit) = audited(Deployment::new(EMBEDDED));
    let made = report(&recovery_code(&deployment, &["--json"]));
    assert_eq!(made["account"], format!("corp|{TENANT}|root"));
    assert_eq!(made["removed"], 0);
    assert!(made["expires_at"].is_string(), "{made}");
    let told = kinds(&fs::read_to_string(&audit).unwrap());
    let by = |kind: &str| (kind.to_owned(), "operator".to_owned());
    assert_eq!(told, [by("reset"), by("recovery_code_made")]);

    let place = Place::open(deployment);
    administers(&place, &made["recovery_code"]).await;
    // while it is served, the store is the gateway's
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

    // who has authenticators keeps them unless the operator says otherwise
    let output = recovery_code(&deployment, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--reset"), "{}", stderr(&output));
    let made = report(&recovery_code(&deployment, &["--reset", "--json"]));
    assert_eq!(made["removed"], 1);
    let place = Place::open(deployment);
    administers(&place, &made["recovery_code"]).await;
}

#[tokio::test]
async fn over_redis_the_gateways_serve_on_meanwhile() {
    let redis = RedisServer::start();
    let (deployment, _) = audited(on_redis(&redis));
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
    let deployment = Deployment::new(EMBEDDED);
    for (more, says) in [
        (["--user", "root"], "--user 'corp|alice'"),
        (["--user", "acme|root"], "no issuer acme is configured"),
    ] {
        let config = deployment.config();
        let output = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .args(["recovery-code", "--config"])
            .arg(&config)
            .args(["--tenant", TENANT])
            .args(more)
            .output()
            .unwrap();
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

//! Policies that permit a canary request, or lack a required policy, are not put in force.

use crate::support::deployment::PASSKEYS_ONLY;
use std::process::Output;

use super::*;
use crate::support::program::{cedargate, stderr};

const ISOLATION: &str = "10-tenant-isolation.cedar";
const OFF: &str = "policies: canary requests are turned off by [policies] canaries";

/// Starts a gateway that must refuse to start.
fn refused_start(deployment: &Deployment) -> Output {
    let output = cedargate(deployment.home(), &["serve"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    output
}

fn with_policies(deployment: Deployment, section: &str) -> Deployment {
    deployment.replacing("[policies]", &format!("[policies]\n{section}"))
}

#[test]
fn folder_without_tenant_isolation_is_not_served() {
    let deployment = Deployment::embedded().without_policy(ISOLATION);
    let output = refused_start(&deployment);
    let said = stderr(&output);
    for part in [
        "error[canary]",
        "must be refused with tenant_mismatch, but it is permitted by own-factors (",
        "00-open-doors.cedar:5)",
        "with X-Tenant-ID",
        "10-tenant-isolation.cedar",
    ] {
        assert!(said.contains(part), "{part:?}: {said}");
    }
}

#[tokio::test]
async fn changed_folder_without_tenant_isolation_leaves_the_last_good_policies() {
    let site = Site::shipped();
    let before = site.decided().await.1;
    let other = site.user("alice").tenant(PASSKEYS_ONLY);
    fs::remove_file(site.policy(ISOLATION)).unwrap();
    let reason = site.until_stale().await;
    assert!(
        reason.contains("a canary request must be refused"),
        "{reason}"
    );
    let reloaded = site.reload().await;
    assert_eq!(reloaded.status, 422, "{reloaded:?}");
    assert_eq!(reloaded.body["findings"][0]["code"], "canary");
    let refused = other.get(METHODS).await;
    assert_eq!(refused.says(), (403, "tenant_mismatch"), "{refused:?}");
    assert_eq!(site.decided().await.1, before);
}

#[tokio::test]
async fn canaries_that_are_off_are_logged_and_shown_by_readyz() {
    let deployment = Deployment::embedded().without_policy(ISOLATION);
    let site = Site::serve(with_policies(deployment, "canaries = \"off\""));
    let (status, reasons) = site.readiness().await;
    assert_eq!(status, "ready");
    assert!(
        reasons.iter().any(|one| one.starts_with(OFF)),
        "{reasons:?}"
    );
    let written = site.gateway.written();
    let warned = written
        .lines()
        .any(|line| line.contains("WARN") && line.contains(OFF));
    assert!(warned, "{written}");
    // The request that a canary would have refused.
    let opened = site.user("alice").tenant(PASSKEYS_ONLY).get(METHODS).await;
    assert_eq!(opened.status, 200, "{opened:?}");
}

#[tokio::test]
async fn missing_required_policy_is_refused_at_start_and_at_reload() {
    let required = "required = [\"tenant-isolation\", \"ours\"]";
    let deployment = with_policies(Deployment::embedded(), required);
    let said = refused_start(&deployment);
    assert!(
        stderr(&said).contains("the policy \"ours\" is required, and missing"),
        "{said:?}"
    );
    let site = Site::serve(deployment.policy("50-ours.cedar", &marker("ours")));
    assert!(site.is_decided_by("ours").await);
    let shadow = marker("ours").replacen('\n', "\n@mode(\"shadow\")\n", 1);
    site.write("50-ours.cedar", shadow);
    let reason = site.until_stale().await;
    assert!(
        reason.contains("a shadow policy does not count"),
        "{reason}"
    );
    fs::remove_file(site.policy("50-ours.cedar")).unwrap();
    until("the other reason", async || {
        site.readiness()
            .await
            .1
            .join(" ")
            .contains("is required, and missing")
    })
    .await;
    assert!(site.is_decided_by("ours").await);
}

#[tokio::test]
async fn links_of_dev_give_no_admin_rights_under_serve() {
    let site = Site::shipped();
    let listed = site.policies().await;
    let entries = listed["policies"].as_array().unwrap();
    assert!(
        entries.iter().all(|one| one["id"] != "mfa-admins-dev"),
        "{entries:?}"
    );
}

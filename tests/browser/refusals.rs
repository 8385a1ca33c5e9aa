//! Refusals on the page: those that it offers to try, and those of a tenant's policies.

use crate::support::deployment::SECURITY_KEYS_ONLY;
use fantoccini::key::Key;

use super::Page;
use super::chromium::{built_in, security_key};

const BANKS_NOTICE: &str = "Example Bank takes security keys only";

#[tokio::test]
async fn tenant_without_passkeys_shows_its_notice_and_accepts_a_security_key() {
    let page = Page::open().await;
    page.plug_in(security_key()).await;
    page.choose("#tenant", SECURITY_KEYS_ONLY).await;
    page.click("#add-passkey").await;
    page.until("#error", "Your policies do not permit this")
        .await;
    page.until("#error", BANKS_NOTICE).await;
    page.until("#error", "Choose another kind of authenticator")
        .await;
    page.until("#error", "Decided by example-security-keys-only")
        .await;
    page.until("#error", "403 method_type_not_allowed").await;

    page.click("#add-security-key").await;
    page.until("#status", "The security key is added").await;
    assert_eq!(page.texts("#error").await, [""], "what was refused is over");
    page.close().await;
}

#[tokio::test]
async fn offered_refusals_answer_as_announced() {
    let page = Page::open().await;
    page.click("#try-tenant").await;
    let result = "#try-tenant-result";
    page.until(result, "Refused, as expected").await;
    page.until(
        result,
        "The token is for Dev, the header named Example Bank",
    )
    .await;
    page.until(result, "X-Tenant-ID names another tenant").await;
    page.until(result, "Decided by tenant-isolation").await;
    page.until(result, "403 tenant_mismatch").await;
    let refused = "#decisions .request:has([data-action=listMfaMethods][data-effect=deny])";
    page.until(refused, "alice of Dev, header: Example Bank")
        .await;
    page.until(refused, "tenant-isolation").await;
    why_is_one_key_away(&page, refused).await;

    page.click("#try-type").await;
    let result = "#try-type-result";
    page.until(result, "Refused, as expected").await;
    page.until(result, BANKS_NOTICE).await;
    page.until(result, "403 method_type_not_allowed").await;

    page.click("#try-second").await;
    page.until("#try-second-result", "alice has no authenticator yet")
        .await;
    page.plug_in(built_in()).await;
    page.click("#add-passkey").await;
    page.until("#status", "The passkey is added").await;
    page.click("#try-second").await;
    let result = "#try-second-result";
    page.until(result, "Refused, as expected").await;
    page.until(result, "Decided by step-up-begin").await;
    page.until(result, "401 step_up_required").await;
    page.close().await;
}

/// Opens the explanation by keyboard and reads the advice.
async fn why_is_one_key_away(page: &Page, request: &str) {
    let summary = format!("{request} summary");
    let labels = page.labels(&summary).await;
    assert_eq!(labels.len(), 1, "{labels:?}");
    assert!(
        labels[0].1.contains("Why: listMfaMethods, decision "),
        "{labels:?}"
    );
    let focus = format!("document.querySelector({summary:?}).focus()");
    page.run(&focus, Vec::new()).await;
    page.keys(&Key::Enter).await;
    let why = format!("{request} .why");
    page.until(&why, "Forbidden by").await;
    page.until(&why, "unless principal in context.tenant was false")
        .await;
    let seen = "principal was in Gate::Tenant::\"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\", needed in";
    page.until(&why, seen).await;
    page.until(
        &why,
        "send X-Tenant-ID: 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0",
    )
    .await;
    page.until(&why, "own-factors (permit)").await;
}

#[tokio::test]
async fn offered_refusal_that_a_policy_now_permits_is_reported_as_permitted() {
    let home = tempfile::tempdir().unwrap();
    crate::support::gateway::copy_policies(home.path());
    let policies = home.path().join("policies");
    std::fs::remove_file(policies.join("examples/security-keys-only.cedar")).unwrap();
    let page = Page::open_in(home).await;
    page.click("#try-type").await;
    let result = "#try-type-result";
    page.until(result, "The request was permitted").await;
    page.until(result, "Your policies let Example Bank have passkeys")
        .await;
    page.until(result, "Decided by own-factors").await;
    page.close().await;
}

#[tokio::test]
async fn strong_sign_in_takes_one_click() {
    let page = Page::open().await;
    let laptop = page.plug_in(built_in()).await;
    page.click("#add-passkey").await;
    page.until("#status", "The passkey is added").await;
    page.unplug(laptop).await;
    page.plug_in(security_key()).await;
    page.click("#add-security-key").await;
    page.until("#error", "A fresh and strong sign-in is needed")
        .await;
    page.click("#error button:nth-of-type(2)").await;
    page.until("#status", "The security key is added").await;
    page.until("#methods-note", "2 authenticators").await;
    page.close().await;
}

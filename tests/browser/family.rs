//! What a person does on the page of `dev` with authenticators that are enrolled.

use super::Page;
use super::chromium::{built_in, security_key};

/// A page on which alice has a passkey on her laptop, and a security key plugged in beside it.
async fn enrolled() -> Page {
    let page = Page::open().await;
    page.plug_in(built_in()).await;
    page.fill("#device-name", "My laptop").await;
    page.click("#add-passkey").await;
    page.until("#status", "The passkey is added").await;
    page.until("#methods-note", "1 authenticator").await;
    page.plug_in(security_key()).await;
    page
}

#[tokio::test]
async fn who_is_asked_to_step_up_confirms_and_goes_on() {
    let page = enrolled().await;
    page.click("#add-security-key").await;
    page.until("#error", "A fresh and strong sign-in is needed")
        .await;
    page.until("#error button", "Confirm with an authenticator")
        .await;
    page.click("#error button").await;
    page.until("#status", "The security key is added").await;
    page.until("#step-up-note", "Confirmed with an authenticator")
        .await;
    for (action, effect) in [
        ("beginWebauthnRegistration", "step_up"),
        ("beginWebauthnAuthentication", "allow"),
        ("completeWebauthnAuthentication", "allow"),
        ("trustAuthenticator", "allow"),
    ] {
        let shown = format!("#decisions [data-action={action}][data-effect={effect}]");
        page.until(&shown, action).await;
    }

    // either of them confirms, and what is removed ends it
    page.click("#methods li:nth-child(2) button[aria-label^=Remove]")
        .await;
    page.until("#methods-status", "is removed").await;
    page.until("#methods-note", "1 authenticator, 10 backup codes left")
        .await;
    page.until("#step-up-note", "Not confirmed").await;
    page.close().await;
}

#[tokio::test]
async fn a_security_key_confirms_its_own_removal() {
    let page = Page::open().await;
    page.plug_in(security_key()).await;
    page.click("#add-security-key").await;
    page.until("#status", "The security key is added").await;
    page.until("#methods-note", "1 authenticator").await;
    page.click("#use-authenticator").await;
    page.until("#step-up-status", "It is you").await;
    page.until("#step-up-note", "Confirmed with an authenticator")
        .await;
    page.click("#methods button[aria-label^=Remove]").await;
    page.until("#methods-status", "Security key is removed")
        .await;
    page.until("#methods-note", "None yet").await;
    // it can be enrolled anew, as the browser was told that it is gone
    page.click("#add-security-key").await;
    page.until("#status", "10 backup codes left").await;
    page.close().await;
}

#[tokio::test]
async fn an_authenticator_is_renamed_and_the_last_one_removed_after_a_step_up() {
    let page = enrolled().await;
    page.click("#methods button[aria-label^=Rename]").await;
    page.fill("#methods .rename input", "Old laptop").await;
    page.click("#methods .rename button").await;
    page.until("#methods-status", "It has a new name").await;
    page.until("#methods li", "Old laptop").await;

    page.click("#methods button[aria-label^=Remove]").await;
    page.until("#methods-error", "401 step_up_required").await;
    page.click("#methods-error button").await;
    page.until("#step-up-status", "It is you").await;
    page.click("#methods button[aria-label^=Remove]").await;
    page.until("#methods-status", "Old laptop is removed").await;
    page.until("#methods-note", "None yet").await;
    page.close().await;
}

#[tokio::test]
async fn a_lost_only_key_is_replaced_with_a_backup_code() {
    let page = Page::open().await;
    let laptop = page.plug_in(built_in()).await;
    page.click("#add-passkey").await;
    page.until("#status", "The passkey is added").await;
    let codes = page.texts("#codes li").await;
    page.unplug(laptop).await;
    page.plug_in(security_key()).await;

    page.fill("#code", "0000-0000-00000").await;
    page.click("#use-code-button").await;
    page.until("#step-up-error", "This backup code does not work")
        .await;
    page.fill("#code", &codes[0].to_lowercase()).await;
    page.click("#use-code-button").await;
    page.until("#step-up-status", "The code is used").await;
    page.until("#step-up-note", "Confirmed with a backup code")
        .await;
    page.click("#add-security-key").await;
    page.until("#status", "The security key is added").await;
    page.until("#methods-note", "2 authenticators, 9 backup codes left")
        .await;

    // a code opens nothing else
    page.click("#new-codes").await;
    page.until("#methods-error", "401 step_up_required").await;
    page.click("#use-authenticator").await;
    page.until("#step-up-status", "It is you").await;
    page.click("#new-codes").await;
    page.until("#methods-status", "These are your backup codes now")
        .await;
    let fresh = page.texts("#codes li").await;
    assert!(fresh.len() == 10 && fresh.iter().all(|code| !codes.contains(code)));
    page.click("#methods li:nth-child(1) button[aria-label^=Remove]")
        .await;
    page.until("#methods-note", "1 authenticator, 10 backup codes left")
        .await;
    page.close().await;
}

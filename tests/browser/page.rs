//! Enrolment on the page of `dev`, and an edited policy.

use std::fs;
use std::path::Path;

use super::chromium::{Chromium, built_in, security_key};
use crate::support::gateway::{Gateway, Port, copy_policies};

const NOTICE: &str = "No passkeys today: use a security key.";

/// A policy that an admin adds to the shipped ones.
const NO_PASSKEYS: &str = r#"
@id("no-passkeys-today")
@code("not_today")
@notice("No passkeys today: use a security key.")
forbid (principal, action in Gate::Action::"enroll", resource)
unless { context.methodType == Gate::MethodType::"webauthn_fido" };
"#;

fn forbid_passkeys(home: &Path) {
    fs::write(home.join("policies/90-no-passkeys.cedar"), NO_PASSKEYS).unwrap();
}

#[tokio::test]
async fn both_method_types_are_enrolled_and_an_edited_policy_refuses_with_its_notice() {
    let home = tempfile::tempdir().unwrap();
    copy_policies(home.path());
    let port = Port::free();
    let gateway = Gateway::dev_at(home.path(), port.number());
    let chromium = Chromium::start().await;
    chromium.open(&gateway.url).await;

    let laptop = chromium.plug_in(built_in()).await;
    let codes = enrol_the_first_passkey(&chromium).await;
    chromium.unplug(laptop).await;
    chromium.plug_in(security_key()).await;
    a_second_factor_asks_for_a_strong_sign_in(&chromium).await;
    assert_eq!(chromium.texts("#codes li").await, codes, "no new ones came");

    gateway.stop();
    forbid_passkeys(home.path());
    let gateway = Gateway::dev_at(home.path(), port.number());
    chromium.open(&gateway.url).await;

    the_edited_policy_refuses(&chromium).await;
    what_was_enrolled_is_still_there(&chromium).await;
    chromium.close().await;
}

async fn enrol_the_first_passkey(chromium: &Chromium) -> Vec<String> {
    chromium.fill("#device-name", "My laptop").await;
    chromium.click("#add-passkey").await;
    chromium.until("#status", "10 backup codes left").await;
    let codes = chromium.texts("#codes li").await;
    assert_eq!(codes.len(), 10, "{codes:?}");
    for code in &codes {
        let groups: Vec<_> = code.split('-').map(str::len).collect();
        assert_eq!(groups, [4, 4, 5], "{code}");
    }
    chromium.until("#methods li", "My laptop").await;
    let trusted = "#decisions [data-action=trustAuthenticator][data-effect=allow]";
    chromium.until(trusted, "own-factors").await;
    codes
}

async fn a_second_factor_asks_for_a_strong_sign_in(chromium: &Chromium) {
    chromium.click("#add-security-key").await;
    chromium.until("#error", "step_up_required").await;
    let asked = "#decisions [data-action=beginWebauthnRegistration][data-effect=step_up]";
    chromium.until(asked, "step-up-begin").await;

    chromium.click("#strong").await;
    chromium.click("#add-security-key").await;
    chromium.until("#status", "The security key is added").await;
    chromium
        .until("#methods [data-method-type=webauthn_fido]", "Security key")
        .await;

    chromium.click("#add-security-key").await;
    chromium
        .until("#error", "This security key is already yours")
        .await;
}

async fn the_edited_policy_refuses(chromium: &Chromium) {
    chromium.fill("#user", "bob").await;
    chromium.click("#add-passkey").await;
    chromium.until("#error", NOTICE).await;
    chromium.until("#error", "403 not_today").await;
    let refused = "#decisions [data-action=beginWebauthnRegistration][data-effect=deny]";
    chromium.until(refused, "no-passkeys-today").await;
    chromium.until(refused, NOTICE).await;
}

async fn what_was_enrolled_is_still_there(chromium: &Chromium) {
    chromium.fill("#user", "alice").await;
    chromium.click("#refresh").await;
    chromium
        .until("#methods-note", "2 authenticators, 10 backup codes left")
        .await;
}

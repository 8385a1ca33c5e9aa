//! Enrolled authenticators on the page of `dev`: step-up, renaming, removal.

use serde_json::{Value, json};

use super::Page;
use super::chromium::{built_in, security_key};
use super::messages::intercept;

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
async fn user_who_is_asked_to_step_up_confirms_and_continues() {
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

    // a wrong token is sent instead of that of the step-up
    page.click("#strong").await;
    page.until("#step-up-note", "its token is not sent").await;
    page.click("#strong").await;
    page.until("#step-up-note", "Its token is sent until").await;

    // either authenticator confirms, and the removal ends the step-up
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
    page.until("#step-up-status", "You are confirmed").await;
    page.until("#step-up-note", "Confirmed with an authenticator")
        .await;
    page.click("#methods button[aria-label^=Remove]").await;
    page.until("#methods-status", "Security key is removed")
        .await;
    page.until("#methods-note", "None yet").await;
    // it can be enrolled again, since the browser was told of its removal
    page.click("#add-security-key").await;
    page.until("#status", "10 backup codes left").await;
    page.close().await;
}

#[tokio::test]
async fn an_authenticator_is_renamed_and_the_last_one_removed_after_a_step_up() {
    let page = enrolled().await;
    page.click("#methods button[aria-label^=Rename]").await;
    page.fill("#methods .rename input", "Old laptop").await;
    page.click("#methods .rename button[aria-label^=Save]")
        .await;
    page.until("#methods-status", "The authenticator has a new name")
        .await;
    page.until("#methods li", "Old laptop").await;

    page.click("#methods button[aria-label^=Remove]").await;
    page.until("#methods-error", "401 step_up_required").await;
    page.click("#methods-error button").await;
    page.until("#step-up-status", "You are confirmed").await;
    page.click("#methods button[aria-label^=Remove]").await;
    page.until("#methods-status", "Old laptop is removed").await;
    page.until("#methods-note", "None yet").await;
    page.close().await;
}

#[tokio::test]
async fn lost_only_key_is_replaced_with_a_backup_code() {
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
    page.until("#step-up-status", "give you 5 minutes").await;
    page.until("#step-up-status", "9 backup codes left").await;
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
    page.until("#step-up-status", "You are confirmed").await;
    page.click("#new-codes").await;
    page.until("#methods-status", "You have new backup codes")
        .await;
    let fresh = page.texts("#codes li").await;
    assert!(fresh.len() == 10 && fresh.iter().all(|code| !codes.contains(code)));
    page.click("#methods li:nth-child(1) button[aria-label^=Remove]")
        .await;
    page.until("#methods-note", "1 authenticator, 10 backup codes left")
        .await;
    page.close().await;
}

#[tokio::test]
async fn failed_confirmation_keeps_the_response_of_the_new_authenticator() {
    let page = enrolled().await;
    page.click("#use-authenticator").await;
    page.until("#step-up-status", "You are confirmed").await;
    let ask_once = r#"(path, init, fetch) => {
        if (!path.endsWith("/register/complete") || window.asked) return fetch(path, init);
        window.asked = true;
        const refusal = {
            code: "step_up_required", message: "Step up.", details: { method_types: ["webauthn_passkey"] }, notices: [],
        };
        return new Response(JSON.stringify(refusal), { status: 401 });
    }"#;
    intercept(&page, ask_once).await;
    let watch = "
        const { credentials } = navigator;
        const create = credentials.create.bind(credentials);
        window.created = 0;
        credentials.create = (options) => { window.created += 1; return create(options); };
        const get = credentials.get.bind(credentials);
        credentials.get = async (options) => {
            if (!window.refuses) return get(options);
            throw new DOMException('no', window.refuses);
        };";
    page.run(watch, Vec::new()).await;
    page.click("#add-security-key").await;
    page.until("#error", "A fresh and strong sign-in is needed")
        .await;

    for (refuses, said) in [
        ("NotAllowedError", "You were not confirmed: the dialog"),
        ("UnknownError", "could not ask your authenticator"),
    ] {
        let refuse = "window.refuses = given[0]";
        page.run(refuse, vec![refuses.into()]).await;
        page.click("#error button").await;
        page.until("#error", said).await;
        let offers = page.texts("#error button").await;
        let kept = [
            "Confirm with an authenticator and try again",
            "Send it again",
            "Sign in strongly and try again",
        ];
        assert_eq!(offers, kept);
        assert_eq!(page.texts("#status").await, [""]);
    }
    page.run("window.refuses = undefined", Vec::new()).await;
    page.click("#error button").await;
    page.until("#status", "The security key is added").await;
    assert_eq!(page.run("return window.created", Vec::new()).await, 1);
    page.close().await;
}

#[tokio::test]
async fn refused_confirmation_has_a_message_of_its_own() {
    let page = enrolled().await;
    let refuse = r#"(path, init, fetch) => {
        if (!path.endsWith(window.refused?.path)) return fetch(path, init);
        return new Response(JSON.stringify(window.refused.body), { status: window.refused.status });
    }"#;
    intercept(&page, refuse).await;
    page.click("#add-security-key").await;
    page.until("#error", "A fresh and strong sign-in is needed")
        .await;
    let authenticate = "/webauthn/authenticate";
    for (path, status, code) in [
        (authenticate.to_owned(), 404, "not_found"),
        (
            format!("{authenticate}/complete"),
            400,
            "invalid_credential",
        ),
    ] {
        let body = json!({"code": code, "message": "Why not.", "details": {}, "notices": []});
        let refused = json!({"path": path, "status": status, "body": body});
        page.run("window.refused = given[0]", vec![refused]).await;
        page.click("#error button").await;
        page.until("#error", code).await;
        page.click("#use-authenticator").await;
        page.until("#step-up-error", code).await;
        for panel in ["#error", "#step-up-error"] {
            let said = page.texts(panel).await.join("");
            assert!(said.contains("You were not confirmed."), "{said}");
            assert!(said.contains("Why not."), "{said}");
            assert!(said.contains("or use a backup code"), "{said}");
            assert!(!said.contains("enrolment"), "{said}");
            assert!(!said.contains("from the start"), "{said}");
        }
    }
    page.close().await;
}

#[tokio::test]
async fn browser_is_signalled_the_remaining_credentials_after_a_removal() {
    let page = enrolled().await;
    page.click("#strong").await;
    page.click("#add-security-key").await;
    page.until("#status", "The security key is added").await;
    page.until("#methods-note", "2 authenticators").await;
    let listen = "PublicKeyCredential.signalAllAcceptedCredentials =
        async (signal) => { (window.left ??= []).push(signal); };";
    page.run(listen, Vec::new()).await;
    let remember = r#"async (path, init, fetch) => {
        const answer = await fetch(path, init);
        if (init?.method === "DELETE") window.answered = (await answer.clone().json()).signal;
        return answer;
    }"#;
    intercept(&page, remember).await;
    page.click("#methods li:nth-child(2) button[aria-label^=Remove]")
        .await;
    page.until("#methods-status", "is removed").await;
    let left = page.run("return window.left", Vec::new()).await;
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
    let left = &left[0];
    assert_eq!(left["rpId"], "localhost");
    assert!(left["userId"].is_string(), "{left}");
    let ids = left["allAcceptedCredentialIds"].as_array();
    assert_eq!(ids.map(Vec::len), Some(1), "{left}");
    assert_eq!(page.run("return window.answered", Vec::new()).await, *left);
    page.close().await;
}

#[tokio::test]
async fn invalid_new_name_is_reported_at_its_field_and_kept() {
    let page = enrolled().await;
    page.until("#methods li", "My laptop").await;
    let field = "#methods .rename input";
    let save = "#methods .rename button[aria-label^=Save]";
    let invalid =
        "return document.querySelector('#methods .rename input').getAttribute('aria-invalid')";
    let value = "return document.querySelector('#methods .rename input').value";
    page.click("#methods button[aria-label^=Rename]").await;
    page.fill(field, &"a".repeat(101)).await;
    page.click(save).await;
    page.until("#methods .rename .wrong", "has 101 characters")
        .await;
    assert_eq!(page.run(invalid, Vec::new()).await, "true");

    page.fill(field, "Kept").await;
    let refuse = r#"(path, init, fetch) => {
        if (init?.method !== "PATCH") return fetch(path, init);
        const refusal = { code: "not_today", message: "No.", details: {}, notices: [] };
        return new Response(JSON.stringify(refusal), { status: 403 });
    }"#;
    intercept(&page, refuse).await;
    page.click(save).await;
    page.until("#methods-error", "403 not_today").await;
    assert_eq!(page.run(invalid, Vec::new()).await, Value::Null);
    // this item is gone when the list has been read again
    page.run(
        "document.querySelector('#methods li').id = 'old'",
        Vec::new(),
    )
    .await;
    page.click("#refresh").await;
    page.until("#methods li:not(#old)", "My laptop").await;
    assert_eq!(page.run(value, Vec::new()).await, "Kept");

    page.click("#methods .rename button[aria-label^=Cancel]")
        .await;
    assert_eq!(page.texts("#methods .rename").await, [""; 0]);
    let focused = "return document.activeElement.getAttribute('aria-label')";
    let focused = page.run(focused, Vec::new()).await;
    assert_eq!(focused, "Rename My laptop, number 1");
    page.close().await;
}

#[tokio::test]
async fn no_second_ceremony_begins_while_a_dialog_is_open() {
    let page = enrolled().await;
    page.until("#methods li", "My laptop").await;
    let never = "navigator.credentials.get = ({ signal }) => new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)));";
    page.run(never, Vec::new()).await;
    let begin = [
        "#add-passkey",
        "#add-security-key",
        "#use-authenticator",
        "#use-code-button",
        "#new-codes",
        "#methods button[aria-label^=Rename]",
        "#methods button[aria-label^=Remove]",
    ];
    let disabled =
        "return given.map((css) => document.querySelector(css).getAttribute('aria-disabled'))";
    let selectors: Vec<Value> = begin.iter().map(|css| json!(css)).collect();
    let count = r#"(path, init, fetch) => {
        if (init?.method && path.startsWith("/v1/")) (window.begun ??= []).push(path);
        return fetch(path, init);
    }"#;
    intercept(&page, count).await;
    page.click("#use-authenticator").await;
    page.until("#step-up-status", "Waiting for your authenticator")
        .await;
    let now = page.run(disabled, selectors.clone()).await;
    assert_eq!(now, Value::from(vec!["true"; 7]));
    page.click("#add-passkey").await;
    page.click("#methods button[aria-label^=Rename]").await;
    page.click("#methods button[aria-label^=Remove]").await;
    page.click("#new-codes").await;
    assert_eq!(page.texts("#methods .rename").await, [""; 0]);
    page.click("#step-up-status button").await;
    page.until("#step-up-error", "You were not confirmed").await;
    let begun = page.run("return window.begun", Vec::new()).await;
    assert_eq!(begun, json!(["/v1/users/me/mfa/webauthn/authenticate"]));
    let now = page.run(disabled, selectors).await;
    assert_eq!(now, Value::from(vec!["false"; 7]));
    page.close().await;
}

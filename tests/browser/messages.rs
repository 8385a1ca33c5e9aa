//! Failures while an authenticator is added: each has a message with the next step.

use serde_json::{Value, json};

use super::Page;
use super::chromium::{Chromium, built_in, security_key};
use crate::support::gateway::{Gateway, Port};

/// A built-in authenticator whose dialog nobody answers.
fn unanswered() -> Value {
    let mut authenticator = built_in();
    authenticator["isUserConsenting"] = false.into();
    authenticator
}

/// Puts a function `(path, init, fetch)` between the page and the gateway, which returns the
/// answer.
pub(super) async fn intercept(page: &Chromium, function: &str) {
    let script = format!(
        "const real = window.fetch.bind(window);
         const between = {function};
         window.fetch = (path, init) => between(path, init, real);"
    );
    page.run(&script, Vec::new()).await;
}

#[tokio::test]
async fn closed_dialog_and_late_dialog_have_messages_of_their_own() {
    let page = Page::open().await;
    let mut stranger = built_in();
    stranger["isUserVerified"] = false.into();
    let plugged = page.plug_in(stranger).await;
    page.click("#add-passkey").await;
    page.until("#error", "Nothing was added: the dialog was closed")
        .await;
    page.until("#error", "Try again when your passkey is at hand")
        .await;
    page.unplug(plugged).await;

    page.plug_in(unanswered()).await;
    page.click("#add-passkey").await;
    page.until("#status", "Waiting for your passkey").await;
    page.click("#status button").await;
    page.until("#error", "Nothing was added: the dialog was closed")
        .await;
    assert_eq!(page.focused().await, "add-passkey");
    assert_eq!(page.texts("#status").await, [""]);

    let hurry = r#"async (path, init, fetch) => {
        const answer = await fetch(path, init);
        if (!path.includes("/register?")) return answer;
        const begun = await answer.json();
        begun.options.timeout = 300;
        return new Response(JSON.stringify(begun), answer);
    }"#;
    intercept(&page, hurry).await;
    page.click("#add-passkey").await;
    page.until("#error", "the dialog was open for too long")
        .await;
    page.until("#error", "answer it within a few minutes").await;
    page.close().await;
}

#[tokio::test]
async fn excluded_authenticator_is_reported_as_already_enrolled() {
    let page = Page::open().await;
    page.plug_in(security_key()).await;
    page.click("#add-security-key").await;
    page.until("#status", "The security key is added").await;
    page.click("#strong").await;
    page.click("#add-security-key").await;
    page.until("#error", "This security key is already yours")
        .await;
    page.until("#error", "use another one").await;
    page.close().await;
}

#[tokio::test]
async fn expired_enrolment_is_reported_and_its_passkey_forgotten() {
    let page = Page::open().await;
    page.plug_in(built_in()).await;
    // a user has at most eight pending enrolments: the oldest makes room
    let outrun = r#"async (path, init, fetch) => {
        if (path.endsWith("/complete")) {
            for (let i = 0; i < 8; i++) {
                await fetch(path.replace("/complete", ""), { method: "POST", headers: init.headers });
            }
        }
        return fetch(path, init);
    }"#;
    intercept(&page, outrun).await;
    let listen = "PublicKeyCredential.signalUnknownCredential =
        async (signal) => { window.forgotten = signal; };";
    page.run(listen, Vec::new()).await;
    page.click("#add-passkey").await;
    page.until("#error", "This enrolment has expired").await;
    page.until("#error", "Add it again from the start").await;
    assert_eq!(page.texts("#error button").await, [""; 0]);
    let forgotten = page.run("return window.forgotten", Vec::new()).await;
    assert_eq!(forgotten["rpId"], "localhost");
    assert!(forgotten["credentialId"].is_string(), "{forgotten}");

    let older = "delete PublicKeyCredential.signalUnknownCredential";
    page.run(older, Vec::new()).await;
    page.click("#add-passkey").await;
    page.until("#error", "Your device may still list it: delete it there")
        .await;
    page.close().await;
}

#[tokio::test]
async fn expired_token_is_renewed_and_the_same_response_sent_again() {
    let page = Page::open().await;
    page.plug_in(built_in()).await;
    let expire = r#"(path, init, fetch) => {
        if (path !== "/dev/token" || !window.expired) return fetch(path, init);
        const claims = { exp: 1_700_000_000 };
        return fetch(path, { ...init, body: JSON.stringify({ ...JSON.parse(init.body), claims }) });
    }"#;
    intercept(&page, expire).await;
    let expire_in_the_dialog = "
        const create = navigator.credentials.create.bind(navigator.credentials);
        navigator.credentials.create = (options) => { window.expired = true; return create(options); };";
    page.run(expire_in_the_dialog, Vec::new()).await;
    page.click("#add-passkey").await;
    page.until("#error", "The sign-in was not accepted").await;
    page.until("#error", "has expired").await;
    page.until("#error", "401 unauthenticated").await;
    page.run("window.expired = false", Vec::new()).await;
    page.click("#error button").await;
    page.until("#status", "The passkey is added. 10 backup codes left")
        .await;
    page.close().await;
}

#[tokio::test]
async fn response_is_sent_again_once_a_stopped_gateway_is_back() {
    let port = Port::free();
    let page = Page::open_at(&port).await;
    page.plug_in(built_in()).await;
    page.until("#methods-note", "None yet").await;
    let answer_later = "
        const create = navigator.credentials.create.bind(navigator.credentials);
        navigator.credentials.create = async (options) => {
            const answer = await create(options);
            await new Promise((resolve) => { window.answer = resolve; });
            return answer;
        };";
    page.run(answer_later, Vec::new()).await;
    page.click("#add-passkey").await;
    page.until("#status", "Waiting for your passkey").await;
    let Page {
        chromium,
        gateway,
        home,
    } = page;
    gateway.stop();
    chromium
        .until("#decisions-note", "The gateway does not answer")
        .await;
    let answered = "while (!window.answer) await new Promise((resolve) => setTimeout(resolve, 20));
                    window.answer()";
    chromium.run(answered, Vec::new()).await;
    chromium
        .until("#error", "Is “cedargate dev” still running? Start it again")
        .await;
    chromium.click("#try-tenant").await;
    chromium
        .until("#try-tenant-result", "The gateway does not answer")
        .await;
    let gateway = Gateway::dev_at(home.path(), port.number());
    // the page recovers by itself
    chromium.until("#methods-note", "None yet").await;
    chromium.until("#decisions-note", "The newest first").await;
    chromium.click("#error button").await;
    chromium
        .until("#status", "The passkey is added. 10 backup codes left")
        .await;
    chromium.close().await;
    gateway.stop();
}

#[tokio::test]
async fn invalid_name_is_reported_before_the_dialog() {
    let page = Page::open().await;
    page.plug_in(built_in()).await;
    // a hundred characters, of two UTF-16 units each
    page.fill("#device-name", &"a".repeat(101)).await;
    page.click("#add-passkey").await;
    page.until(
        "#device-name-wrong",
        "has 101 characters. Shorten it to 100",
    )
    .await;
    assert_eq!(page.focused().await, "device-name");
    let set = "document.querySelector('#device-name').value = given[0]";
    page.run(set, vec![json!("🔑".repeat(100))]).await;
    page.click("#add-passkey").await;
    page.until("#status", "The passkey is added").await;
    assert_eq!(page.texts("#device-name-wrong").await, [""]);
    page.close().await;
}

#[tokio::test]
async fn page_moves_to_localhost_and_names_what_the_browser_lacks() {
    let page = Page::open().await;
    let port = page.gateway.port();
    page.chromium
        .open(&format!("http://127.0.0.1:{port}/"))
        .await;
    let address = page.run("return location.href", Vec::new()).await;
    assert_eq!(address, format!("http://localhost:{port}/"));

    page.run("delete window.PublicKeyCredential", Vec::new())
        .await;
    page.click("#add-passkey").await;
    page.until("#error", "This browser has no WebAuthn").await;
    page.until("#error", "current Chrome, Edge, Firefox or Safari")
        .await;
    page.close().await;
}

#[tokio::test]
async fn empty_user_name_is_asked_for() {
    let page = Page::open().await;
    page.fill("#user", "").await;
    page.click("#add-passkey").await;
    page.until("#error", "The user is empty: name one.").await;
    page.close().await;
}

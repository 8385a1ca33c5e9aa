//! SimpleWebAuthn's browser package, unmodified from npm, enrols at the API of `serve`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::chromium::{Chromium, built_in, security_key};
use crate::support::deployment::{Deployment, TENANT};

/// The folder to which `tests/run` installs it.
const PACKAGE: &str = "target/tools/simplewebauthn/node_modules/@simplewebauthn/browser";

/// Passes the options in and the result out unchanged, as the package's manual says.
const ENROL: &str = r#"
    const [token, tenant, method_type] = given;
    const headers = { authorization: `Bearer ${token}`, "x-tenant-id": tenant, "content-type": "application/json" };
    const register = "/v1/users/me/mfa/webauthn/register";
    const begun = await fetch(`${register}?method_type=${method_type}`, { method: "POST", headers });
    const { options } = await begun.json();
    const credential = await SimpleWebAuthnBrowser.startRegistration({ optionsJSON: options });
    const body = JSON.stringify({ credential, device_name: "Simple", method_type });
    const completed = await fetch(`${register}/complete`, { method: "POST", headers, body });
    return { status: completed.status, body: await completed.json() };
"#;

#[tokio::test]
async fn both_method_types_are_enrolled_by_simplewebauthn_unmodified() {
    let package = bundle();
    let deployment = Deployment::embedded();
    let gateway = deployment.serve();
    let chromium = Chromium::start().await;
    // a page of the relying party's own origin, whatever it shows
    let own = format!("{}/v1/openapi.json", deployment.origin());
    chromium.open(&own).await;
    chromium.load(&package).await;

    for (user, method_type, authenticator) in [
        ("alice", "webauthn_passkey", built_in()),
        ("bob", "webauthn_fido", security_key()),
    ] {
        let plugged_in = chromium.plug_in(authenticator).await;
        let arguments = [&deployment.token(user), TENANT, method_type].map(Value::from);
        let answer = chromium.run(ENROL, arguments.to_vec()).await;
        assert_eq!(answer["status"], 200, "{method_type}: {answer}");
        assert_eq!(answer["body"]["codes"].as_array().unwrap().len(), 10);
        assert_eq!(answer["body"]["remaining"], 10);
        chromium.unplug(plugged_in).await;
    }
    chromium.close().await;
    gateway.stop();
}

/// The bundle for script elements, which defines `SimpleWebAuthnBrowser`.
fn bundle() -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join(PACKAGE);
    fs::read_to_string(package.join("dist/bundle/index.umd.min.js")).unwrap_or_else(|error| {
        panic!("{PACKAGE} is not installed ({error}): run tests/run, which installs it with npm")
    })
}

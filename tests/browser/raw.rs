//! The raw API of `serve` on Redis, as a foreign front-end uses it.

use serde_json::{Value, json};

use super::chromium::{Chromium, built_in, security_key};
use crate::support::deployment::{Deployment, TENANT};
use crate::support::gateway::Gateway;
use crate::support::redis_server::RedisServer;

/// Begins, opens the browser's dialog and completes, as the API documents.
pub(super) const ENROL: &str = r#"
    const [token, tenant, method_type, device_name, api] = given;
    const headers = { authorization: `Bearer ${token}`, "x-tenant-id": tenant, "content-type": "application/json" };
    const register = "/v1/users/me/mfa/webauthn/register";
    const call = async (path, init) => {
      const response = await fetch(api + path, { headers, ...init });
      const body = await response.json();
      if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(body)}`);
      return body;
    };
    const { options } = await call(`${register}?method_type=${method_type}`, { method: "POST" });
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = (await navigator.credentials.create({ publicKey })).toJSON();
    const body = JSON.stringify({ credential, device_name, method_type });
    const codes = await call(`${register}/complete`, { method: "POST", body });
    return { codes, list: await call("/v1/users/me/mfa", {}) };
"#;

#[tokio::test]
async fn both_method_types_are_enrolled_through_the_raw_api_on_redis() {
    let redis = RedisServer::durable();
    let deployment = Deployment::new(&redis.url());
    let gateway = Gateway::serve(&deployment.config());
    let chromium = Chromium::start().await;
    // a page of the relying party's own origin, whatever it shows
    chromium
        .open(&format!("{}/v1/openapi.json", deployment.origin()))
        .await;

    for (user, method_type, authenticator) in [
        ("alice", "webauthn_passkey", built_in()),
        ("bob", "webauthn_fido", security_key()),
    ] {
        let plugged_in = chromium.plug_in(authenticator).await;
        let token = deployment.token(user);
        let arguments: Vec<Value> = [&token, TENANT, method_type, "Schlüssel", ""]
            .map(Value::from)
            .to_vec();
        let answer = chromium.run(ENROL, arguments).await;
        assert_eq!(answer["codes"]["codes"].as_array().unwrap().len(), 10);
        assert_eq!(answer["codes"]["remaining"], 10);
        let methods = answer["list"]["methods"].as_array().unwrap();
        assert_eq!(methods.len(), 1, "{methods:?}");
        assert_eq!(methods[0]["method_type"], method_type);
        assert_eq!(methods[0]["device_name"], "Schlüssel");
        assert_eq!(methods[0]["verified"], true);
        assert_eq!(answer["list"]["backup_codes"], json!({"remaining": 10}));
        chromium.unplug(plugged_in).await;
    }
    chromium.close().await;
    gateway.stop();
}

//! What a front-end of somebody else does: the raw API of `serve`, on Redis.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::chromium::{Chromium, built_in, security_key};
use super::issuer::{AUDIENCE, ISSUER, Issuer};
use crate::gateway::{Gateway, copy_policies, free_port};
use crate::redis_server::RedisServer;

const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";

/// Begin, the browser's own dialog, complete: as the API's description says, and nothing else.
const ENROL: &str = r#"
    const [token, tenant, method_type, device_name] = given;
    const headers = { authorization: `Bearer ${token}`, "x-tenant-id": tenant, "content-type": "application/json" };
    const register = "/v1/users/me/mfa/webauthn/register";
    const call = async (path, init) => {
      const response = await fetch(path, { headers, ...init });
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
    let home = tempfile::tempdir().unwrap();
    copy_policies(home.path());
    let issuer = Issuer::new(home.path());
    let port = free_port();
    let gateway = Gateway::serve(&configuration(home.path(), &issuer, &redis, port));
    let chromium = Chromium::start().await;
    // a page of the relying party's own origin, whatever it shows
    chromium
        .open(&format!("http://localhost:{port}/v1/openapi.json"))
        .await;

    for (user, method_type, authenticator) in [
        ("alice", "webauthn_passkey", built_in()),
        ("bob", "webauthn_fido", security_key()),
    ] {
        let plugged_in = chromium.plug_in(authenticator).await;
        let token = issuer.token(user, TENANT);
        let arguments: Vec<Value> = [&token, TENANT, method_type, "Schlüssel"]
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
    assert_eq!(gateway.stop().code(), Some(0));
}

fn configuration(home: &Path, issuer: &Issuer, redis: &RedisServer, port: u16) -> PathBuf {
    let pepper = home.join("pepper.key");
    std::fs::write(&pepper, "f".repeat(64)).unwrap();
    std::fs::set_permissions(&pepper, Permissions::from_mode(0o600)).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let text = format!(
        r#"
listen = "127.0.0.1:{port}"
admin_listen = "127.0.0.1:0"

[policies]
path = "{policies}"
schema = "{schema}"

[store]
url = "{redis}"

[[issuers]]
name = "corp"
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
algorithms = ["ES256"]
jwks = "{jwks}"
tenant_claim = "tenant_id"

[[relying_parties]]
id = "localhost"
name = "Example"
origins = ["http://localhost:{port}"]
tenants = ["*"]

[backup_codes]
pepper_files = ["{pepper}"]
"#,
        policies = path(&home.join("policies")),
        schema = path(&home.join("schema")),
        redis = redis.url(),
        jwks = path(&issuer.jwks),
        pepper = path(&pepper),
    );
    let file = home.join("cedargate.toml");
    std::fs::write(&file, text).unwrap();
    file
}

//! What an operator sets up for `serve`: a configuration, policies, a pepper, and an issuer of tokens.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tempfile::TempDir;

use crate::gateway::{copy_policies, free_port};

/// The tenant of everybody.
pub const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";
const KEY_ID: &str = "one";

/// A folder with everything that a gateway needs but its store.
pub struct Deployment {
    folder: TempDir,
    key: EncodingKey,
    port: u16,
}

impl Deployment {
    /// One whose gateway listens on a free port and keeps its data at this URL.
    pub fn new(store: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_policies(folder.path());
        let pepper = folder.path().join("pepper.key");
        fs::write(&pepper, "f".repeat(64)).unwrap();
        fs::set_permissions(&pepper, Permissions::from_mode(0o600)).unwrap();
        let key = new_key(&folder.path().join("jwks.json"));
        let port = free_port();
        let config = configuration(store, port);
        fs::write(folder.path().join("cedargate.toml"), config).unwrap();
        Self { folder, key, port }
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("cedargate.toml")
    }

    /// The relying party's origin, where a browser finds the gateway.
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// A token of its issuer, for ten minutes.
    pub fn token(&self, user: &str) -> String {
        let now = now();
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "tenant_id": TENANT,
            "iat": now,
            "exp": now + 600,
        });
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(KEY_ID.to_owned());
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}

fn new_key(jwks: &Path) -> EncodingKey {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
    let key = EncodingKey::from_ec_der(pkcs8.unwrap().as_ref());
    let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    public.common.key_id = Some(KEY_ID.to_owned());
    let keys = JwkSet { keys: vec![public] };
    fs::write(jwks, serde_json::to_vec(&keys).unwrap()).unwrap();
    key
}

fn configuration(store: &str, port: u16) -> String {
    format!(
        r#"
listen = "127.0.0.1:{port}"
admin_listen = "127.0.0.1:0"

[policies]
path = "policies"
schema = "schema"

[store]
url = "{store}"

[[issuers]]
name = "corp"
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
algorithms = ["ES256"]
jwks = "jwks.json"
tenant_claim = "tenant_id"

[[relying_parties]]
id = "localhost"
name = "Example"
origins = ["http://localhost:{port}"]
tenants = ["*"]

[backup_codes]
pepper_files = ["pepper.key"]
"#
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is an edge: nobody hands it the time"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

//! A gateway in this process, as `serve` runs it: a configuration file, policies, keys and a store of
//! its own, real sockets on free ports, and the records that it wrote.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, iter};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate::record::{Event, Sink};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;

/// The tenant of most callers: that of the contract's example.
pub const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
/// A tenant whose relying party offers no security keys.
pub const PASSKEYS_ONLY: &str = "5a5a5a5a-0000-4000-8000-000000000001";
/// A tenant that has a relying party of its own.
pub const OWN_PARTY: &str = "5a5a5a5a-0000-4000-8000-000000000002";

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";

/// A running gateway; stops when it is dropped.
pub struct Site {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    records: Arc<Records>,
    issuer: Issuer,
    _folder: Arc<TempDir>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

/// What a site is made of, and can be made of again.
pub struct Blueprint {
    folder: Arc<TempDir>,
    issuer: Issuer,
}

#[derive(Clone)]
struct Issuer {
    key: Arc<Vec<u8>>,
}

#[derive(Default)]
struct Records(Mutex<Vec<Event>>);

impl Sink for Records {
    fn take(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Blueprint {
    /// A site with this store and the shipped policies.
    pub fn new(store_url: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let issuer = Issuer::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&root.join("policies"), &folder.path().join("policies"));
        copy(&root.join("schema"), &folder.path().join("schema"));
        fs::write(folder.path().join("jwks.json"), issuer.jwks().to_string()).unwrap();
        let pepper = folder.path().join("pepper.key");
        fs::write(&pepper, [7; 32]).unwrap();
        fs::set_permissions(&pepper, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let blueprint = Self { folder: Arc::new(folder), issuer };
        fs::write(blueprint.path("cedargate.toml"), config(store_url)).unwrap();
        blueprint
    }

    /// With an embedded store of its own.
    pub fn embedded() -> Self {
        Self::new("embedded:./data")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds or replaces a policy file.
    pub fn policy(self, name: &str, text: &str) -> Self {
        fs::write(self.path("policies").join(name), text).unwrap();
        self
    }

    /// Changes the configuration file.
    pub fn replacing(self, from: &str, to: &str) -> Self {
        let text = fs::read_to_string(self.path("cedargate.toml")).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        fs::write(self.path("cedargate.toml"), text.replacen(from, to, 1)).unwrap();
        self
    }
}

fn config(store_url: &str) -> String {
    format!(
        r#"listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"

[policies]
path = "policies"
schema = "schema"

[store]
url = "{store_url}"
enrollment_ttl = "5m"
require_durable = false

[[issuers]]
name = "corp"
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
algorithms = ["ES256"]
jwks = "jwks.json"
tenant_claim = "tenant_id"
groups_claim = "groups"
strong_acr = ["phr", "phrh"]

[[relying_parties]]
id = "example.com"
name = "Example"
origins = ["https://app.example.com"]
tenants = ["{TENANT}", "0e0e0e0e-0000-4000-8000-000000000001", "0e0e0e0e-0000-4000-8000-000000000002", "0e0e0e0e-0000-4000-8000-000000000003", "0e0e0e0e-0000-4000-8000-000000000004"]
related_origins = ["https://example.org"]

[[relying_parties]]
id = "passkeys.example"
name = "Passkeys only"
origins = ["https://passkeys.example"]
tenants = ["{PASSKEYS_ONLY}"]
method_types = ["webauthn_passkey"]

[[relying_parties]]
id = "own.example"
name = "Own"
origins = ["https://own.example"]
tenants = ["{OWN_PARTY}"]

[backup_codes]
pepper_files = ["pepper.key"]
"#
    )
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

impl Issuer {
    fn new() -> Self {
        let key = EcdsaKeyPair::generate_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &SystemRandom::new(),
        );
        Self { key: Arc::new(key.unwrap().as_ref().to_vec()) }
    }

    fn jwks(&self) -> Value {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.key).unwrap();
        let point = pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1", "x": x, "y": y }
        ] })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(&self.key)).unwrap()
    }
}

fn seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

impl Site {
    /// The records so far.
    pub fn records(&self) -> Vec<Event> {
        self.records.0.lock().unwrap().clone()
    }

    /// The newest record.
    pub fn record(&self) -> Event {
        self.records().pop().unwrap()
    }

    pub fn anonymous(&self) -> Client {
        Client::anonymous(self.address)
    }

    /// A token of the site's issuer: a weak sign-in of `sub` in `tenant`, with these claims changed;
    /// `null` takes one out.
    pub fn token(&self, sub: &str, tenant: &str, changes: Value) -> String {
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": sub, "tenant_id": tenant,
            "iat": seconds(), "exp": seconds() + 600, "amr": ["pwd"],
        });
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().into_iter().flatten() {
            if value.is_null() {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
        self.issuer.sign(&claims)
    }

    /// Signed in weakly.
    pub fn user(&self, sub: &str, tenant: &str) -> Client {
        self.anonymous().with(self.token(sub, tenant, json!({})), tenant)
    }

    /// Signed in strongly, just now.
    pub fn strong(&self, sub: &str, tenant: &str) -> Client {
        let changes = json!({ "acr": "phr", "auth_time": seconds() - 1, "amr": ["hwk"] });
        self.anonymous().with(self.token(sub, tenant, changes), tenant)
    }

    pub fn alice(&self) -> Client {
        self.user("alice", TENANT)
    }
}

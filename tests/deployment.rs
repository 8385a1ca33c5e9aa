//! What an operator sets up for `serve`: a configuration, policies, a pepper, and an issuer of tokens.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{Gateway, Port, copy_policies};

/// The tenant of everybody, unless a test says otherwise.
pub const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
/// A tenant whose relying party offers passkeys only.
pub const PASSKEYS_ONLY: &str = "5a5a5a5a-0000-4000-8000-000000000001";
/// A tenant that has a relying party of its own.
pub const OWN_PARTY: &str = "5a5a5a5a-0000-4000-8000-000000000002";

/// Whose tokens step-ups give.
pub const STEP_UP_ISSUER: &str = "https://mfa.example.com";
/// A group that administers [`TENANT`], once [`Deployment::with_admins`] says so.
pub const ADMINS: &str = "mfa-admins";

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";
const KEY_ID: &str = "one";

/// A folder with everything that a gateway needs but its store.
pub struct Deployment {
    folder: TempDir,
    key: EncodingKey,
    step_up_key: EncodingKey,
    port: Port,
}

impl Deployment {
    /// One whose gateway listens on a free port and keeps its data at this URL.
    pub fn new(store: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_policies(folder.path());
        secret(&folder.path().join("pepper.key"), "f".repeat(64).as_bytes());
        let key = new_key(&folder.path().join("jwks.json"));
        let step_up_key = new_pkcs8();
        secret(&folder.path().join("step-up.p8"), &step_up_key);
        let port = Port::free();
        let config = configuration(store, port.number());
        fs::write(folder.path().join("cedargate.toml"), config).unwrap();
        Self {
            folder,
            key,
            step_up_key: EncodingKey::from_ec_der(&step_up_key),
            port,
        }
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("cedargate.toml")
    }

    /// The relying party's origin, where a browser finds the gateway.
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.port.number())
    }

    /// What its pepper file holds.
    pub fn pepper(&self) -> String {
        fs::read_to_string(self.folder.path().join("pepper.key")).unwrap()
    }

    /// The private part of the key that signs step-up tokens, in base64url.
    pub fn signing_key(&self) -> String {
        use base64::Engine as _;
        let pkcs8 = fs::read(self.folder.path().join("step-up.p8")).unwrap();
        // Of P-256 it has always the same place (RFC 5958 §2, RFC 5915 §3).
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&pkcs8[36..68])
    }

    /// Adds a policy file, or replaces one.
    #[must_use]
    pub fn policy(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join("policies").join(name), text).unwrap();
        self
    }

    /// Writes a file beside the configuration, for it to name.
    #[must_use]
    pub fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    /// Lets [`ADMINS`] administer [`TENANT`].
    #[must_use]
    pub fn with_admins(self) -> Self {
        let links = json!([{
            "template_id": "mfa-admins",
            "link_id": "mfa-admins-corp",
            "args": {
                "?principal": format!("Gate::Group::\"corp|{TENANT}|{ADMINS}\""),
                "?resource": format!("Gate::Tenant::\"{TENANT}\""),
            },
        }]);
        self.policy("corp.links.json", &links.to_string())
    }

    /// Takes a policy file away.
    #[must_use]
    pub fn without_policy(self, name: &str) -> Self {
        fs::remove_file(self.folder.path().join("policies").join(name)).unwrap();
        self
    }

    /// Changes the configuration file.
    #[must_use]
    pub fn replacing(self, from: &str, to: &str) -> Self {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        fs::write(self.config(), text.replacen(from, to, 1)).unwrap();
        self
    }

    /// Starts a gateway.
    pub fn serve(&self) -> Gateway {
        Gateway::serve(&self.config())
    }

    /// Starts a further gateway, on a port of its own, with the same store.
    pub fn serve_beside(&self) -> Gateway {
        Gateway::serve_with(&self.config(), &["--listen", "127.0.0.1:0"], None)
    }

    /// What its issuer says of a weak sign-in of this user: good for ten minutes.
    pub fn claims(&self, user: &str, tenant: &str) -> Value {
        let now = now();
        json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "tenant_id": tenant,
            "iat": now,
            "exp": now + 600,
            "amr": ["pwd"],
        })
    }

    /// What its issuer says of a strong sign-in of this user, one second ago.
    pub fn strong_claims(&self, user: &str, tenant: &str) -> Value {
        let mut claims = self.claims(user, tenant);
        claims["acr"] = "phr".into();
        claims["auth_time"] = (now() - 1).into();
        claims
    }

    /// A token of its issuer that says this.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(KEY_ID.to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// A step-up token that says this, signed with the key of the deployment.
    pub fn sign_step_up(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.step_up_key).unwrap()
    }

    /// A token of this user's weak sign-in in [`TENANT`].
    pub fn token(&self, user: &str) -> String {
        self.sign(&self.claims(user, TENANT))
    }
}

/// A new key, as PKCS#8.
fn new_pkcs8() -> Vec<u8> {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
    pkcs8.unwrap().as_ref().to_vec()
}

/// Writes what is its owner's alone.
fn secret(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// A new key of an issuer, its public half in this file.
pub fn new_key(jwks: &Path) -> EncodingKey {
    let key = EncodingKey::from_ec_der(&new_pkcs8());
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
groups_claim = "groups"
strong_acr = ["phr", "phrh"]

[[relying_parties]]
id = "localhost"
name = "Example"
origins = ["http://localhost:{port}"]
tenants = ["*"]
related_origins = ["https://related.example"]

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

[step_up]
issuer = "{STEP_UP_ISSUER}"
audience = "{AUDIENCE}"
signing_key_files = ["step-up.p8"]

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

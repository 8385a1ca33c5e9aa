//! A deployment of `serve`: its configuration, policies and keys, and an issuer of tokens.

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

use super::base64url;
use super::gateway::{Gateway, Port, copy_policies};
use super::redis_server::RedisServer;

/// The store in the folder `data` beside the configuration.
pub const EMBEDDED: &str = "embedded:./data";

/// The tenant of all users that a test puts in no other one.
pub const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
/// A tenant whose relying party offers passkeys only.
pub const PASSKEYS_ONLY: &str = "5a5a5a5a-0000-4000-8000-000000000001";
/// A tenant that has a relying party of its own.
pub const OWN_PARTY: &str = "5a5a5a5a-0000-4000-8000-000000000002";

/// A tenant with the same relying party as [`TENANT`].
pub const SAME_PARTY: &str = "5a5a5a5a-0000-4000-8000-000000000003";
/// A tenant without a relying party in a deployment [`Deployment::without_default_party`].
pub const NO_PARTY: &str = "5a5a5a5a-0000-4000-8000-000000000009";
/// The tenant of `policies/examples/security-keys-only.cedar`.
pub const SECURITY_KEYS_ONLY: &str = "0e0e0e0e-0000-4000-8000-000000000001";

/// The issuer of step-up tokens.
pub const STEP_UP_ISSUER: &str = "https://mfa.example.com";
/// The group that administers [`TENANT`] in a deployment [`Deployment::with_admins`].
pub const ADMINS: &str = "mfa-admins";

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";
const KEY_ID: &str = "one";

/// A folder with everything that a gateway needs except its store.
pub struct Deployment {
    folder: TempDir,
    key: EncodingKey,
    step_up_key: EncodingKey,
    port: Port,
}

impl Deployment {
    /// A deployment with the store at this URL. Its gateway listens on a free port.
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

    /// A deployment with the embedded store.
    pub fn embedded() -> Self {
        Self::new(EMBEDDED)
    }

    /// A deployment on a Redis that keeps nothing on disk, which its configuration accepts.
    pub fn on_redis(redis: &RedisServer) -> Self {
        Self::new(&redis.url()).with_store_key("require_durable = false")
    }

    /// The folder of the configuration file.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("cedargate.toml")
    }

    /// The relying party's origin, which is the gateway's own.
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.port.number())
    }

    /// The content of the pepper file.
    pub fn pepper(&self) -> String {
        fs::read_to_string(self.folder.path().join("pepper.key")).unwrap()
    }

    /// The private part of the key that signs step-up tokens, in base64url.
    pub fn signing_key(&self) -> String {
        let pkcs8 = fs::read(self.folder.path().join("step-up.p8")).unwrap();
        // A P-256 key has it always at the same place (RFC 5958 §2, RFC 5915 §3).
        base64url::encode(&pkcs8[36..68])
    }

    /// Adds a policy file, or replaces one.
    #[must_use]
    pub fn policy(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join("policies").join(name), text).unwrap();
        self
    }

    /// Writes a file beside the configuration.
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

    /// Removes a policy file.
    #[must_use]
    pub fn without_policy(self, name: &str) -> Self {
        fs::remove_file(self.folder.path().join("policies").join(name)).unwrap();
        self
    }

    /// Lets pages of these origins call the API.
    #[must_use]
    pub fn with_cors(self, origins: &[&str]) -> Self {
        self.with_section(&format!("[cors]\norigins = {}", json!(origins)))
    }

    /// Writes an audit stream to [`Deployment::audit_file`].
    #[must_use]
    pub fn with_audit(self) -> Self {
        self.with_section("[audit]\nfile = \"audit.jsonl\"")
    }

    pub fn audit_file(&self) -> PathBuf {
        self.home().join("audit.jsonl")
    }

    /// Adds a section to the configuration file.
    #[must_use]
    pub fn with_section(self, section: &str) -> Self {
        self.replacing("[backup_codes]", &format!("{section}\n\n[backup_codes]"))
    }

    /// Adds a line to the section `[store]`.
    #[must_use]
    pub fn with_store_key(self, line: &str) -> Self {
        self.replacing("[store]", &format!("[store]\n{line}"))
    }

    /// Lets pending enrolments expire after this time.
    #[must_use]
    pub fn with_enrollment_ttl(self, ttl: &str) -> Self {
        self.with_store_key(&format!("enrollment_ttl = \"{ttl}\""))
    }

    /// Limits each account to so many authenticators.
    #[must_use]
    pub fn with_max_authenticators(self, count: usize) -> Self {
        self.with_section(&format!("[webauthn]\nmax_authenticators = {count}"))
    }

    /// Gives [`TENANT`] the relying party of [`OWN_PARTY`].
    #[must_use]
    pub fn moving_tenant_to_own_party(self) -> Self {
        let tenants = format!("tenants = [\"{OWN_PARTY}\"");
        self.replacing(&tenants, &format!("{tenants}, \"{TENANT}\""))
    }

    /// Leaves tenants without a relying party, except those of this file.
    #[must_use]
    pub fn without_default_party(self) -> Self {
        self.replacing("tenants = [\"*\"]", &format!("tenants = [\"{TENANT}\"]"))
    }

    /// Takes `phr`, the `acr` of [`Deployment::strong_claims`], out of the issuer's `strong_acr`.
    #[must_use]
    pub fn without_strong_phr(self) -> Self {
        self.replacing("[\"phr\", \"phrh\"]", "[\"phrh\"]")
    }

    /// Changes the first occurrence of a text in the configuration file.
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

    /// Starts a further gateway with the same store, on a port of its own.
    pub fn serve_beside(&self) -> Gateway {
        Gateway::serve_with(&self.config(), &["--listen", "127.0.0.1:0"], None)
    }

    /// The claims of a token after a weak sign-in of this user. It expires in ten minutes.
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

    /// The claims of a token after a strong sign-in of this user, one second ago.
    pub fn strong_claims(&self, user: &str, tenant: &str) -> Value {
        let mut claims = self.claims(user, tenant);
        claims["acr"] = "phr".into();
        claims["auth_time"] = (now() - 1).into();
        claims
    }

    /// A token of the issuer with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(KEY_ID.to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// A step-up token with these claims, signed with the deployment's key.
    pub fn sign_step_up(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.step_up_key).unwrap()
    }

    /// A token after a weak sign-in of this user in [`TENANT`].
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

/// Writes a file with mode 0600.
fn secret(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Makes a new key of an issuer and writes its public half to this file.
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

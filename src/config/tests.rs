mod hostile;
mod secrets;
mod values;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;
use crate::mfa::backup_codes::{Pepper, Peppers};
use crate::store::Location;

/// The documented example.
const EXAMPLE: &str = r#"
listen = "127.0.0.1:8080"
admin_listen = "127.0.0.1:9090"

[policies]
path = "policies"
schema = "schema"

[store]
url = "redis://127.0.0.1:6379/0"
enrollment_ttl = "5m"
require_durable = true

[[issuers]]
name = "corp"
issuer = "https://id.example.com"
audiences = ["https://api.example.com"]
algorithms = ["ES256"]
jwks = "jwks.json"
tenant_claim = "tenant_id"
groups_claim = "groups"
strong_acr = ["phr", "phrh"]

[[relying_parties]]
id = "example.com"
name = "Example"
origins = ["https://app.example.com"]
tenants = ["*"]
related_origins = []
method_types = ["webauthn_passkey", "webauthn_fido"]

[[relying_parties.models]]
aaguid = "73bb0cd4-e502-49b8-9c6f-b59445bf720b"
name = "YubiKey 5 FIPS"
roots = "roots.pem"

[backup_codes]
pepper_files = ["pepper.key"]

[cors]
origins = ["https://app.example.com"]

[decision_log]
file = "decisions.jsonl"
mask = ["principal.claims.email", "context.network.address"]

[network]
trusted_proxies = ["10.0.0.0/8", "::ffff:192.0.2.1", "2001:db8::/32"]
"#;

/// The smallest configuration that `serve` starts with.
const MINIMAL: &str = r#"
[store]
url = "embedded:data"

[[issuers]]
name = "corp"
issuer = "https://id.example.com"
audiences = ["https://api.example.com"]
algorithms = ["ES256"]
jwks = "jwks.json"
tenant_claim = "tenant_id"

[backup_codes]
pepper_files = ["pepper.key"]
"#;

const ROOT: &str = "-----BEGIN CERTIFICATE-----
MIIBnTCCAUOgAwIBAgIULVVaG7c+8BFhr6kq5qn0vGY3EwcwCgYIKoZIzj0EAwIw
IzEhMB8GA1UEAwwYRXhhbXBsZSBBdHRlc3RhdGlvbiBSb290MCAXDTI2MTEyNDA4
MjQ0MFoYDzIxMjYxMDMxMDgyNDQwWjAjMSEwHwYDVQQDDBhFeGFtcGxlIEF0dGVz
dGF0aW9uIFJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASnNJm9bB7GqDte
MD0ZwhIrNDMnD0uesMOR7XHpYG4dBFfxj1/N4Mr9faVnCRe7E2Lvn8CzDZjplCAp
yFzPfUnWo1MwUTAdBgNVHQ4EFgQUaT3gF04FsCwBt3bNu26J6uE1EI0wHwYDVR0j
BBgwFoAUaT3gF04FsCwBt3bNu26J6uE1EI0wDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiEAj6/sioc14dS5EsCw50NrHkM/sIi+O/daoYxd++JQj78C
IEGlaLdfHSnRDphHP/KhSgRnpu57l24gzNljQYCo4dPE
-----END CERTIFICATE-----
";

/// A folder with the files that a configuration refers to.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = jsonwebtoken::EncodingKey::from_ec_der(pkcs8.as_ref());
        let jwk = Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::ES256).unwrap();
        let jwks = serde_json::json!({ "keys": [jwk] }).to_string();
        folder.write("jwks.json", jwks.as_bytes(), 0o644);
        folder.write("roots.pem", ROOT.as_bytes(), 0o644);
        folder.write("pepper.key", &[7; 32], 0o600);
        for name in ["policies", "schema"] {
            fs::create_dir(folder.path(name)).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load_with(
        &self,
        text: &str,
        env: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Config, Findings> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let path = self.path("cedargate.toml");
        let flags: Vec<_> = flags
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()))
            .collect();
        layered(&flags, env.iter().map(owned), Some((&path, text)))
    }

    fn load(&self, text: &str) -> Config {
        self.load_with(text, &[], &[])
            .unwrap_or_else(|findings| panic!("{findings}"))
    }

    /// Renders the findings as text, without the folder's path.
    fn report(&self, text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
        let findings = self.load_with(text, env, flags).err().expect("it loads");
        let folder = format!("{}/", self.0.path().display());
        findings.to_string().replace(&folder, "")
    }

    /// Returns the code and the message of each finding.
    fn messages(&self, text: &str, env: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let findings = self.load_with(text, env, &[]).err().expect("it loads");
        let folder = format!("{}/", self.0.path().display());
        let message = |finding: Finding| (finding.code, finding.message.replace(&folder, ""));
        findings.0.into_iter().map(message).collect()
    }
}

fn redis_url(config: &Config) -> &str {
    match &config.store.location {
        Location::Redis(url) => url.expose_secret(),
        Location::Embedded(_) => panic!("embedded"),
    }
}

#[test]
fn documented_example_loads() {
    let folder = Folder::new();
    let config = folder.load(EXAMPLE);
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.admin_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(config.policies, folder.path("policies"));
    assert_eq!(config.schema, folder.path("schema"));
    assert_eq!(redis_url(&config), "redis://127.0.0.1:6379/0");
    assert!(config.store.require_durable);
    assert_eq!(config.mfa.enrollment_ttl, Duration::from_secs(300));
    let issuer = &config.authn.issuers[0];
    assert_eq!(issuer.kind.name().unwrap().as_str(), "corp");
    assert_eq!(issuer.issuer, "https://id.example.com");
    assert_eq!(issuer.audiences, ["https://api.example.com"]);
    assert_eq!(issuer.algorithms, [authn::Algorithm::Es256]);
    assert_eq!(issuer.tenant_claim, "tenant_id");
    assert_eq!(issuer.groups_claim.as_deref(), Some("groups"));
    assert_eq!(*issuer.strong_acr, ["phr".to_owned(), "phrh".to_owned()]);
    assert_eq!(
        config.mfa.parties.for_tenant(None).unwrap().id(),
        "example.com"
    );
    let pepper = Peppers::new(vec![Pepper::new(&vec![7; 32].into())]);
    let id = |peppers: &Peppers| peppers.issue().unwrap().1.pepper_id;
    assert_eq!(id(&config.mfa.peppers), id(&pepper));
    assert_eq!(config.cors_origins.len(), 1);
    assert_eq!(config.cors_origins[0].as_str(), "https://app.example.com");
    let proxies = ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"];
    assert_eq!(
        config.trusted_proxies,
        proxies.map(|proxy| proxy.parse().unwrap())
    );
    let log = config.decision_log.unwrap();
    assert_eq!(log.file, folder.path("decisions.jsonl"));
    let masks = ["principal.claims.email", "context.network.address"];
    assert_eq!(log.masks, masks.map(|path| path.parse().unwrap()));
}

#[test]
fn admin_hosts_are_kept_in_lower_case() {
    let folder = Folder::new();
    let hosts = "admin_hosts = [\"Gateway.Internal\", \"cedargate\"]";
    let config = folder.load(&format!("{hosts}\n{MINIMAL}"));
    assert_eq!(config.admin_hosts, ["gateway.internal", "cedargate"]);
}

#[test]
fn requirements_on_policies_are_read() {
    let folder = Folder::new();
    let policies = "[policies]\ncanaries = \"off\"\nrequired = [\"tenant-isolation\", \"ours\"]\n";
    let config = folder.load(&format!("{policies}{MINIMAL}"));
    let required = ["tenant-isolation", "ours"].map(str::to_owned);
    let requirements = Requirements {
        canaries: false,
        required: required.into(),
    };
    assert_eq!(config.requirements, requirements);
    let on = folder.load(&EXAMPLE.replace("[policies]", "[policies]\ncanaries = \"on\""));
    assert!(on.requirements.canaries);
}

#[test]
fn absent_key_has_its_default() {
    let folder = Folder::new();
    let config = folder.load(MINIMAL);
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.admin_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(config.policies, folder.path("policies"));
    assert_eq!(config.requirements, Requirements::default());
    assert!(config.requirements.canaries);
    assert_eq!(config.mfa.enrollment_ttl, Duration::from_secs(300));
    assert!(config.store.require_durable);
    assert!(config.trusted_proxies.is_empty());
    assert!(config.admin_hosts.is_empty());
    assert!(config.decision_log.is_none());
    assert!(config.cors_origins.is_empty());
    assert!(config.mfa.parties.for_tenant(None).is_none());
    assert!(config.authn.issuers[0].strong_acr.is_empty());
    assert_eq!(config.authn.issuers[0].tenants, None);
    let Location::Embedded(path) = &config.store.location else {
        panic!("not embedded");
    };
    assert_eq!(path, &folder.path("data"));
}

#[test]
fn relying_party_with_id_and_origins_loads() {
    let folder = Folder::new();
    let text = format!(
        "{MINIMAL}\n[[relying_parties]]\nid = \"example.com\"\norigins = [\"https://example.com\"]\n"
    );
    let config = folder.load(&text);
    let party = config.mfa.parties.for_tenant(None).unwrap();
    assert!(party.offers(cedargate_core::MethodType::Fido));
    assert!(party.offers(cedargate_core::MethodType::Passkey));
}

#[test]
fn flag_overrides_variable_and_variable_overrides_file() {
    let folder = Folder::new();
    let env = [
        ("CEDARGATE_LISTEN", "127.0.0.1:1"),
        ("CEDARGATE_ADMIN_LISTEN", "127.0.0.1:2"),
        ("CEDARGATE_STORE__URL", "redis://other:6379"),
        ("CEDARGATE_STORE__REQUIRE_DURABLE", "false"),
        ("CEDARGATE_POLICIES__PATH", "src"),
        ("CEDARGATE_ISSUERS__0__ISSUER", "https://other.example.com"),
        ("CEDARGATE_ISSUERS__0__AUDIENCES", "https://one.example.com"),
        ("CEDARGATE_ISSUERS__0__STRONG_ACR", r#"["a", "b"]"#),
        ("CEDARGATE_VECTORS", "../vectors"),
        ("CEDARGATE_PORT", "tcp://10.0.0.1:80"),
        ("CEDARGATE_SERVICE_HOST", "10.0.0.1"),
        ("HOME", "/"),
    ];
    let flags = [("listen", "[::1]:0")];
    let config = folder
        .load_with(MINIMAL, &env, &flags)
        .unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(config.listen, "[::1]:0".parse().unwrap());
    assert_eq!(config.admin_listen, "127.0.0.1:2".parse().unwrap());
    assert_eq!(redis_url(&config), "redis://other:6379");
    assert!(!config.store.require_durable);
    assert_eq!(
        config.policies,
        PathBuf::from("src"),
        "relative to the working folder"
    );
    let issuer = &config.authn.issuers[0];
    assert_eq!(issuer.issuer, "https://other.example.com");
    assert_eq!(issuer.audiences, ["https://one.example.com"]);
    assert_eq!(*issuer.strong_acr, ["a".to_owned(), "b".to_owned()]);
}

#[test]
fn environment_alone_is_a_complete_configuration() {
    let folder = Folder::new();
    let jwks = folder.path("jwks.json").display().to_string();
    let pepper = folder.path("pepper.key").display().to_string();
    let env = [
        ("CEDARGATE_STORE__URL", "embedded:data"),
        ("CEDARGATE_ISSUERS__0__NAME", "corp"),
        ("CEDARGATE_ISSUERS__0__ISSUER", "https://id.example.com"),
        ("CEDARGATE_ISSUERS__0__AUDIENCES", "https://api.example.com"),
        ("CEDARGATE_ISSUERS__0__ALGORITHMS", r#"["ES256"]"#),
        ("CEDARGATE_ISSUERS__0__JWKS", &jwks),
        ("CEDARGATE_ISSUERS__0__TENANT_CLAIM", "tenant_id"),
        ("CEDARGATE_BACKUP_CODES__PEPPER_FILES__0", &pepper),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = layered(&[], env, None).unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(config.policies, PathBuf::from("policies"));
    assert_eq!(
        config.authn.issuers[0].kind.name().unwrap().as_str(),
        "corp"
    );
}

#[test]
fn all_problems_of_a_file_are_reported_with_their_places() {
    let folder = Folder::new();
    let text = EXAMPLE
        .replace("listen = \"127.0.0.1:8080\"", "lisen = \"127.0.0.1:8080\"")
        .replace("require_durable = true", "require_durable = \"yes\"")
        .replace(
            "enrollment_ttl = \"5m\"",
            "enrollment_ttl = \"5 fortnights\"",
        )
        .replace("tenant_claim = \"tenant_id\"\n", "")
        .replace("[\"ES256\"]", "[\"ES256\", \"HS256\"]");
    insta::assert_snapshot!(folder.report(&text, &[], &[]));
}

#[test]
fn problem_of_a_flag_or_variable_is_reported_with_its_name() {
    let folder = Folder::new();
    let env = [
        ("CEDARGATE_STORE__URI", "redis://:hunter2@host"),
        ("CEDARGATE_STORE__REQUIRE_DURABLE", "yes"),
        ("CEDARGATE_STOR__URL", "redis://:hunter2@host"),
        (
            "CEDARGATE_ISSUERS__0__AUDIENCE__0",
            "https://api.example.com",
        ),
        ("CEDARGATE_ISSUERS__7__NAME", "x"),
        ("CEDARGATE_LISTEN__PORT", "1"),
    ];
    let flags = [("admin_listen", "9090"), ("policies.path", "")];
    insta::assert_snapshot!(folder.report(EXAMPLE, &env, &flags));
}

#[test]
fn missing_required_keys_are_reported() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.report("", &[], &[]));
}

#[test]
fn invalid_toml_is_reported_with_its_place() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.report("listen = 127.0.0.1:8080\n[store\n", &[], &[]));
}

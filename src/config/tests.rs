use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;
use crate::store::Location;

/// Every key that there is.
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

[network]
trusted_proxies = ["10.0.0.0/8", "::ffff:192.0.2.1", "2001:db8::/32"]
"#;

/// The least that `serve` starts with.
const LEAST: &str = r#"
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

    /// What is wrong, as a person reads it, with the folder's name taken out.
    fn wrong(&self, text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
        let findings = self.load_with(text, env, flags).err().expect("it loads");
        let folder = format!("{}/", self.0.path().display());
        findings.to_string().replace(&folder, "")
    }

    /// The code and the message of each finding.
    fn messages(&self, text: &str, env: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let findings = self.load_with(text, env, &[]).err().expect("it loads");
        let folder = format!("{}/", self.0.path().display());
        let message = |one: Finding| (one.code, one.message.replace(&folder, ""));
        findings.0.into_iter().map(message).collect()
    }
}

fn redis(config: &Config) -> &str {
    match &config.store.location {
        Location::Redis(url) => url.expose_secret(),
        Location::Embedded(_) => panic!("embedded"),
    }
}

#[test]
fn the_documented_example_loads() {
    let folder = Folder::new();
    let config = folder.load(EXAMPLE);
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.admin_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(config.policies, folder.path("policies"));
    assert_eq!(config.schema, folder.path("schema"));
    assert_eq!(redis(&config), "redis://127.0.0.1:6379/0");
    assert!(config.store.require_durable);
    assert_eq!(config.enrollment_ttl, Duration::from_secs(300));
    let issuer = &config.authn.issuers[0];
    assert_eq!(issuer.name.as_str(), "corp");
    assert_eq!(issuer.issuer, "https://id.example.com");
    assert_eq!(issuer.audiences, ["https://api.example.com"]);
    assert_eq!(issuer.algorithms, [authn::Algorithm::Es256]);
    assert_eq!(issuer.tenant_claim, "tenant_id");
    assert_eq!(issuer.groups_claim.as_deref(), Some("groups"));
    assert_eq!(*issuer.strong_acr, ["phr".to_owned(), "phrh".to_owned()]);
    assert_eq!(config.parties.of(None).unwrap().id(), "example.com");
    assert_eq!(config.peppers[0].expose_secret(), [7; 32]);
    assert_eq!(config.cors_origins.len(), 1);
    assert_eq!(config.cors_origins[0].as_str(), "https://app.example.com");
    let proxies = ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"];
    assert_eq!(
        config.trusted_proxies,
        proxies.map(|one| one.parse().unwrap())
    );
}

#[test]
fn what_is_not_written_has_its_default() {
    let folder = Folder::new();
    let config = folder.load(LEAST);
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.admin_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(config.policies, folder.path("policies"));
    assert_eq!(config.enrollment_ttl, Duration::from_secs(300));
    assert!(config.store.require_durable);
    assert!(config.trusted_proxies.is_empty());
    assert!(config.cors_origins.is_empty());
    assert!(config.parties.of(None).is_none());
    assert!(config.authn.issuers[0].strong_acr.is_empty());
    let Location::Embedded(path) = &config.store.location else {
        panic!("not embedded");
    };
    assert_eq!(path, &folder.path("data"));
}

#[test]
fn a_relying_party_needs_little() {
    let folder = Folder::new();
    let text = format!(
        "{LEAST}\n[[relying_parties]]\nid = \"example.com\"\norigins = [\"https://example.com\"]\n"
    );
    let config = folder.load(&text);
    let party = config.parties.of(None).unwrap();
    assert!(party.offers(crate::model::MethodType::Fido));
    assert!(party.offers(crate::model::MethodType::Passkey));
}

#[test]
fn flags_are_over_the_environment_over_the_file() {
    let folder = Folder::new();
    let env = [
        ("CEDARGATE_LISTEN", "127.0.0.1:1"),
        ("CEDARGATE_ADMIN_LISTEN", "127.0.0.1:2"),
        ("CEDARGATE_STORE__URL", "redis://other:6379"),
        ("CEDARGATE_STORE__REQUIRE_DURABLE", "false"),
        ("CEDARGATE_POLICIES__PATH", "elsewhere"),
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
        .load_with(LEAST, &env, &flags)
        .unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(config.listen, "[::1]:0".parse().unwrap());
    assert_eq!(config.admin_listen, "127.0.0.1:2".parse().unwrap());
    assert_eq!(redis(&config), "redis://other:6379");
    assert!(!config.store.require_durable);
    assert_eq!(config.policies, PathBuf::from("elsewhere"));
    let issuer = &config.authn.issuers[0];
    assert_eq!(issuer.issuer, "https://other.example.com");
    assert_eq!(issuer.audiences, ["https://one.example.com"]);
    assert_eq!(*issuer.strong_acr, ["a".to_owned(), "b".to_owned()]);
}

#[test]
fn the_environment_alone_is_enough() {
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
    assert_eq!(config.authn.issuers[0].name.as_str(), "corp");
}

#[test]
fn all_mistakes_are_named_with_their_places() {
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
    insta::assert_snapshot!(folder.wrong(&text, &[], &[]));
}

#[test]
fn mistakes_in_flags_and_variables_name_them() {
    let folder = Folder::new();
    let env = [
        ("CEDARGATE_STORE__URI", "redis://:hunter2@host"),
        ("CEDARGATE_STORE__REQUIRE_DURABLE", "yes"),
        ("CEDARGATE_ISSUERS__7__NAME", "x"),
        ("CEDARGATE_LISTEN__PORT", "1"),
    ];
    let flags = [("admin_listen", "9090"), ("policies.path", "")];
    insta::assert_snapshot!(folder.wrong(EXAMPLE, &env, &flags));
}

#[test]
fn what_is_required_is_asked_for() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.wrong("", &[], &[]));
}

#[test]
fn what_is_not_built_yet_says_so() {
    let folder = Folder::new();
    for (added, key) in [
        ("[tls]\ncertificate = \"tls.crt\"", "tls"),
        ("[step_up]\nttl = \"10m\"", "step_up"),
        ("[decision_log]\nfile = \"d.jsonl\"", "decision_log"),
        ("[audit]", "audit"),
    ] {
        assert_eq!(
            folder.messages(&format!("{LEAST}\n{added}\n"), &[]),
            [(
                "not_built",
                format!("`{key}` is not built yet in this version")
            )]
        );
    }
    for url in [
        "redis+sentinel://a:1,b:2/main",
        "redis+cluster://a:1",
        "rediss+cluster://a:1",
    ] {
        assert_eq!(
            folder.messages(&LEAST.replace("embedded:data", url), &[]),
            [(
                "not_built",
                "`store.url`: Sentinel and cluster are not built yet in this version: name one server".into()
            )]
        );
    }
}

#[test]
fn a_wrong_value_is_explained() {
    let folder = Folder::new();
    folder.write("short.key", &[7; 31], 0o600);
    folder.write("open.key", &[8; 32], 0o644);
    folder.write("same.key", &[7; 32], 0o600);
    folder.write(
        "private.json",
        br#"{"keys":[{"kty":"EC","d":"AA"}]}"#,
        0o644,
    );
    let store = store_url::FORMS;
    let party = "[backup_codes]\npepper_files = [\"pepper.key\"]\n[[relying_parties]]\nid = \"example.com\"\norigins = [\"https://example.com\"]\n";
    for (from, to, code, message) in [
        ("embedded:data", "postgres://x", "invalid_value", format!("`store.url`: {store}")),
        ("embedded:data", "redis://", "invalid_value", format!("`store.url`: {store}")),
        ("embedded:data", "redis://host/x", "invalid_value", format!("`store.url`: {store}")),
        ("embedded:data", "embedded:", "invalid_value", "`store.url`: a folder follows `embedded:`".into()),
        ("\"corp\"", "\"Corp\"", "invalid_value", "`issuers[0].name`: an issuer's name is 1 to 32 of a-z, 0-9 and -, and begins with a letter".into()),
        ("[\"https://api.example.com\"]", "[]", "invalid_value", "`issuers[0].audiences`: it needs at least one entry".into()),
        ("[\"https://api.example.com\"]", "[\"\"]", "invalid_value", "`issuers[0].audiences`: it is empty".into()),
        ("[\"https://api.example.com\"]", "\"x\"", "wrong_type", "`issuers[0].audiences` must be a list of texts, and is a text".into()),
        ("[\"ES256\"]", "[]", "invalid_value", "`issuers[0].algorithms`: it needs at least one entry".into()),
        ("[\"ES256\"]", "[256]", "wrong_type", "each of `issuers[0].algorithms` must be a text in quotes, and is a number".into()),
        ("[\"ES256\"]", "[\"RS256\"]", "invalid_value", "`issuers[0].jwks`: in jwks.json: it has no key that verifies RS256: key 1 is for another algorithm (`kty`, `crv`, `alg`)".into()),
        ("jwks.json", "private.json", "invalid_value", "`issuers[0].jwks`: in private.json: it holds private keys: key 1 has `d`. Replace that key at the issuer, and give the public keys only".into()),
        ("jwks.json", "none.json", "unreadable_file", "`issuers[0].jwks`: none.json cannot be read: No such file or directory (os error 2)".into()),
        ("jwks.json", "http://id.example.com/jwks", "invalid_value", "`issuers[0].jwks`: it begins with https://, since whoever can change the keys on their way can sign in as anybody (http:// works for this machine only)".into()),
        ("jwks.json", "file:///jwks.json", "invalid_value", "`issuers[0].jwks`: it begins with https://, or is the path of a file".into()),
        ("\n[store]", "[cors]\norigins = [\"*\"]\n[store]", "invalid_value", "`cors.origins`: `*` would open the API to pages that you do not know: list the origin of each page that calls it, such as `https://app.example.com`".into()),
        ("\n[store]", "[cors]\norigins = [\"https://app.example.com/\"]\n[store]", "invalid_value", "`cors.origins`: `https://app.example.com/` must be written as browsers send it: `https://app.example.com`".into()),
        ("pepper.key", "short.key", "unreadable_file", "`backup_codes.pepper_files`: short.key is shorter than 32 bytes".into()),
        ("pepper.key", "open.key", "unreadable_file", "`backup_codes.pepper_files`: open.key holds a secret, and others than its owner have access to it".into()),
        ("\"pepper.key\"", "\"pepper.key\", \"same.key\"", "duplicate", "`backup_codes.pepper_files`: this file holds the same key as an earlier one".into()),
        ("[\"pepper.key\"]", "[]", "invalid_value", "`backup_codes.pepper_files`: it needs at least one entry".into()),
        ("[[issuers]]", "[issuers]", "wrong_type", "`issuers` must be a list of tables".into()),
        ("tenant_id\"", "tenant_id\"\nstrong_acr = [\"a b\"]", "invalid_value", "`issuers[0].strong_acr`: each is visible ASCII without spaces, \" and \\".into()),
        ("\n[store]", "listen = \"1.2.3.4:5\"\nadmin_listen = \"1.2.3.4:5\"\n[store]", "invalid_value", "`admin_listen` is the same as `listen`: each needs a port of its own".into()),
        ("data\"", "data\"\nenrollment_ttl = \"0s\"", "invalid_value", "`store.enrollment_ttl`: it is a duration from 1s to 1h, such as \"5m\"".into()),
        ("data\"", "data\"\nenrollment_ttl = \"61m\"", "invalid_value", "`store.enrollment_ttl`: it is a duration from 1s to 1h, such as \"5m\"".into()),
        ("data\"", "data\"\nurl_file = \"url\"", "invalid_value", "`store.url` and `store.url_file` are both set: one of them must go".into()),
        ("\n[store]", "[network]\ntrusted_proxies = [\"10.0.0.0/33\"]\n[store]", "invalid_value", "`network.trusted_proxies`: each is an address or a network, such as 10.0.0.0/8".into()),
        ("[backup_codes]\npepper_files = [\"pepper.key\"]\n", &format!("{party}tenants = [\"*\", \"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\"]\n"), "invalid_value", "`relying_parties[0].tenants`: \"*\" stands alone: it already means every tenant that no other party names".into()),
        ("[backup_codes]\npepper_files = [\"pepper.key\"]\n", &format!("{party}method_types = [\"totp\"]\n"), "invalid_value", "`relying_parties[0].method_types`: each is webauthn_passkey or webauthn_fido".into()),
        ("[backup_codes]\npepper_files = [\"pepper.key\"]\n", &format!("{party}[[relying_parties.models]]\naaguid = \"x\"\nname = \"x\"\nroots = \"roots.pem\"\n"), "invalid_value", "`relying_parties[0].models[0].aaguid`: it is a UUID with hyphens, such as 73bb0cd4-e502-49b8-9c6f-b59445bf720b".into()),
    ] {
        let text = LEAST.replace(from, to);
        assert_eq!(folder.messages(&text, &[]), [(code, message)], "{text}");
    }
}

#[test]
fn keys_by_url_are_not_fetched_to_look_at_a_configuration() {
    let folder = Folder::new();
    let url = "https://id.example.invalid/jwks.json";
    let config = folder.load(&LEAST.replace("jwks.json", url));
    let keys = &config.authn.issuers[0].keys;
    assert!(matches!(keys, authn::KeySource::Remote(_)));
}

#[test]
fn what_a_ceremony_demands_of_a_party_is_shown_where_it_was_written() {
    let folder = Folder::new();
    let text = EXAMPLE.replace("id = \"example.com\"", "id = \"192.0.2.1\"");
    let findings = folder.load_with(&text, &[], &[]).err().unwrap();
    assert_eq!(
        findings.0[0].line,
        1 + text[..text.find("id = \"192").unwrap()]
            .matches('\n')
            .count()
    );
    assert_eq!(findings.0[0].column, 6);
}

#[test]
fn two_issuers_share_neither_name_nor_url() {
    let folder = Folder::new();
    let start = LEAST.find("[[issuers]]").unwrap();
    let end = LEAST.find("[backup_codes]").unwrap();
    let text = format!("{LEAST}\n{}", &LEAST[start..end]);
    assert_eq!(
        folder.messages(&text, &[]),
        [
            (
                "duplicate",
                "`issuers[1].name`: another issuer has the same".to_owned()
            ),
            (
                "duplicate",
                "`issuers[1].issuer`: another issuer has the same".to_owned()
            ),
        ]
    );
}

#[test]
fn a_file_that_is_no_toml_is_shown_where_it_stops_being_it() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.wrong("listen = 127.0.0.1:8080\n[store\n", &[], &[]));
}

#[test]
fn secrets_come_from_files_that_only_their_owner_reads() {
    let folder = Folder::new();
    let text = LEAST.replace("url = \"embedded:data\"", "url_file = \"url\"");
    folder.write("url", b"redis://:hunter2@127.0.0.1:6379\n", 0o600);
    assert_eq!(
        redis(&folder.load(&text)),
        "redis://:hunter2@127.0.0.1:6379"
    );
    folder.write("url", b"redis://:hunter2@127.0.0.1:6379\n", 0o640);
    let wrong = folder.wrong(&text, &[], &[]);
    assert!(wrong.contains("help: chmod 600 url"), "{wrong}");
}

#[test]
fn no_secret_is_shown() {
    let folder = Folder::new();
    for (text, env) in [
        ("[store]\nurl = \"redis://:hunter2@host/x\"", None),
        (
            "[store]\nurl = 'redis://:hunter2@host' # twice\nurl = 'redis://:hunter2@host'",
            None,
        ),
        ("[store]\nurl = redis://:hunter2@host", None),
        ("[store]\nurl = [\"hunter2\"]", None),
        (
            "[[issuers]]\nalgorithms = [\"ES256\"]\njwks = \"https://:hunter2@id.example.com/\"",
            None,
        ),
        ("[store]\npassword = hunter2", None),
        ("[store]\nuri = \"redis://:hunter2@host\"", None),
        ("[store]\npassword = \"hunter2\"", None),
        ("store = { url = \"redis://:hunter2@host\", ur = 1 }", None),
        (
            "store = { password = \"hunter2\", require_durable = 1 }",
            None,
        ),
        ("store = \"redis://:hunter2@host\"", None),
        ("[[store]]\nurl = \"redis://:hunter2@host\"", None),
        (
            "",
            Some(("CEDARGATE_STORE__URL", "redis://:hunter2@host/x")),
        ),
        ("", Some(("CEDARGATE_STORE__UR", "redis://:hunter2@host/x"))),
        ("", Some(("CEDARGATE_STORE", "redis://:hunter2@host/x"))),
    ] {
        let env: Vec<_> = env.into_iter().collect();
        let findings = folder.load_with(text, &env, &[]).err().expect(text);
        let shown = format!("{findings}\n{findings:?}");
        assert!(!shown.contains("hunter2"), "{text}: {shown}");
    }
    folder.write("url", b"postgres://:hunter2@host", 0o600);
    let shown = folder.wrong("[store]\nurl_file = \"url\"", &[], &[]);
    assert!(
        shown.contains("`store.url_file`: it is embedded:FOLDER"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_file_is_read_and_the_environment_is_over_it() {
    let folder = Folder::new();
    folder.write("cedargate.toml", LEAST.as_bytes(), 0o644);
    let env = [
        ("CEDARGATE_LISTEN", "127.0.0.1:1"),
        ("CEDARGATE_ADMIN_LISTEN", "127.0.0.1:2"),
    ]
    .map(|(name, value)| (name.into(), value.into()));
    let flags = [("listen", "127.0.0.1:3".to_owned())];
    let config = load(&flags, env, &folder.path("cedargate.toml"))
        .unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.admin_listen.port(), 2);
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    let error = |name| load(&[], [], &folder.path(name)).err().unwrap().0.remove(0);
    let finding = error("none.toml");
    assert_eq!(finding.file, folder.path("none.toml").display().to_string());
    assert_eq!(finding.code, "unreadable_file");
    folder.write("latin1.toml", b"\xe4", 0o644);
    assert_eq!(
        error("latin1.toml").message,
        "the configuration is not UTF-8 text"
    );
}

#[test]
fn a_value_that_is_no_text_is_wrong_for_its_key() {
    use std::os::unix::ffi::OsStringExt as _;
    let folder = Folder::new();
    folder.write("cedargate.toml", LEAST.as_bytes(), 0o644);
    let env = [
        (
            "CEDARGATE_LISTEN".into(),
            OsString::from_vec(b"\xff".to_vec()),
        ),
        (OsString::from_vec(b"\xff".to_vec()), "x".into()),
    ];
    let findings = load(&[], env, &folder.path("cedargate.toml"))
        .err()
        .unwrap();
    assert_eq!(findings.0.len(), 1);
    assert_eq!(findings.0[0].file, "environment variable CEDARGATE_LISTEN");
}

fn fragment() -> impl Strategy<Value = String> {
    let keys = "(\\[\\[?)?(store|issuers|relying_parties|network|models|url|name|jwks|tls|[a-z]{1,3})(\\.[a-z]{1,3})?\\]{0,2}";
    let values = "( = (\"[a-zé:/]{0,8}\"|[0-9]{1,3}|true|\\[\\]|\\[\\{\\}\\]|\\{ url = 1 \\}|\\[\"a\", 1\\]))?\n";
    (keys, values).prop_map(|(key, value)| key + &value)
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}", value in ".{0,20}") {
        let env = [("CEDARGATE_STORE__URL".to_owned(), value)];
        let outcome = layered(&[], env, Some((Path::new("a.toml"), &text)));
        let findings = outcome.err().unwrap();
        prop_assert!(!findings.0.is_empty());
        prop_assert!(!findings.to_string().is_empty());
    }

    #[test]
    fn no_table_makes_it_panic(
        fragments in prop::collection::vec(fragment(), 0..8),
        name in "CEDARGATE_(STORE|ISSUERS|LISTEN|[A-Z]{1,3})(__[A-Z0-9]{0,3}){0,3}",
        value in "[a-z]{0,5}|\\[\"a\"\\]|\\{ a = 1 \\}|\\[\\{\\}\\]|\\[",
    ) {
        let text = fragments.concat();
        let flags = [("listen", value.clone())];
        let outcome = layered(&flags, [(name, value)], Some((Path::new("a.toml"), &text)));
        let findings = outcome.err().unwrap();
        prop_assert!(!findings.0.is_empty());
        prop_assert!(!findings.to_string().is_empty());
    }
}

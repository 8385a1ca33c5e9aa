//! Secrets: neither the output of the process nor the store holds any, whatever `RUST_LOG` says.

use crate::support::base64url;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::*;
use crate::support::client::{BACKUP_CODES, BACKUP_CODES_VERIFY, COMPLETE};
use crate::support::key::{self, Key};

const PASSWORD: &str = "tuna-melt-on-rye";

/// Secrets that must not be written, each with its name.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn text(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 8, "{what} is too short to be told apart");
        self.0.push((what.to_owned(), secret.to_owned()));
    }

    /// Adds a secret in base64url, also in the forms in which bytes are printed.
    fn bytes(&mut self, what: &str, text: &str) {
        let bytes = base64url::decode(text);
        let start = &bytes[..bytes.len().min(12)];
        let hex: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<_> = start.iter().map(u8::to_string).collect();
        self.text(what, text);
        self.text(what, &STANDARD_NO_PAD.encode(&bytes));
        self.text(what, &hex);
        self.text(what, &numbers.join(", "));
        self.text(what, &numbers.join(","));
    }

    fn credential(&mut self, credential: &Value) {
        for part in ["clientDataJSON", "attestationObject"] {
            let text = credential["response"][part].as_str().unwrap();
            self.text(part, text);
            // The second half too, since logs may cut values short.
            self.text(part, &text[text.len() / 2..]);
        }
    }

    fn assertion(&mut self, credential: &Value) {
        for part in ["clientDataJSON", "authenticatorData", "signature"] {
            let text = credential["response"][part].as_str().unwrap();
            self.text(part, text);
            self.text(part, &text[text.len() / 2..]);
        }
    }

    /// Adds the parts of an assertion.
    fn issued(&mut self, answer: &Answer) -> String {
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.body["access_token"].as_str().unwrap();
        self.token(token);
        token.to_owned()
    }

    fn challenge(&mut self, options: &Value) {
        self.bytes("challenge", options["challenge"].as_str().unwrap());
    }

    fn codes(&mut self, answer: &Answer) {
        assert_first(answer);
        for code in answer.body["codes"].as_array().unwrap() {
            let code = code.as_str().unwrap();
            self.text("backup code", code);
            let bare: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
            self.text("backup code", &bare);
        }
    }

    /// Adds a token and its parts.
    fn token(&mut self, token: &str) {
        self.text("token", token);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        self.text("signature of a token", signature);
        self.text("claims of a token", signed.split_once('.').unwrap().1);
    }

    fn assert_absent(&self, written: &str) {
        let lower = written.to_lowercase();
        for (what, secret) in &self.0 {
            let found = lower.find(&secret.to_lowercase());
            let around = found.map(|at| {
                let line = lower[..at].lines().count().saturating_sub(1);
                written.lines().nth(line)
            });
            assert_eq!(around, None, "a {what} was written: {secret}");
        }
    }
}

async fn use_everything(site: &Site, gateway: &Gateway, client: Client, name: &str) -> Secrets {
    let mut secrets = Secrets::default();
    let weak = site.deployment.token(name);
    let strong = site
        .deployment
        .sign(&site.deployment.strong_claims(name, TENANT));
    secrets.token(&weak);
    secrets.token(&strong);
    let user = client.with(&weak, TENANT);

    // The user enrols twice and lists the authenticators.
    let options = user.begin(PASSKEY).await;
    let credential = site.attest(&options).credential();
    secrets.challenge(&options);
    secrets.credential(&credential);
    secrets.codes(&user.complete(PASSKEY, &credential).await);
    let user = user.with(&strong, TENANT);
    let options = user.begin("webauthn_fido").await;
    let credential = site.attest(&options).credential();
    secrets.challenge(&options);
    secrets.credential(&credential);
    assert_further(&user.complete("webauthn_fido", &credential).await);
    assert_eq!(holdings(&user).await, (2, 10));

    // Refusals: of an invalid token, of a body that is not JSON, of a response that does not verify.
    let forged = format!("{weak}forged");
    secrets.token(&forged);
    let answer = client.with(&forged, TENANT).get(METHODS).await;
    assert_eq!(answer.says(), (401, "unauthenticated"));
    let answer = user.post_text(COMPLETE, "{\"secret-in-no-json").await;
    secrets.text("body", "secret-in-no-json");
    assert_eq!(answer.status, 400);
    let options = user.begin(PASSKEY).await;
    let mut wrong = site.attest(&options);
    wrong.client_data["origin"] = "https://evil.example".into();
    secrets.challenge(&options);
    secrets.credential(&wrong.credential());
    let answer = user.complete(PASSKEY, &wrong.credential()).await;
    assert_eq!(answer.says(), (400, "invalid_credential"));
    let another = site.deployment.token(&format!("{name}-too"));
    secrets.token(&another);
    use_the_family(site, &client.with(&another, TENANT), &mut secrets).await;
    let target = format!("/nowhere?token={weak}");
    assert_eq!(user.get(&target).await.status, 404);
    drop(gateway.event(answer.header("x-request-id")));
    secrets
}

/// Enrols, uses, replaces and removes authenticators and codes, and makes mistakes with them.
async fn use_the_family(site: &Site, weak: &Client, secrets: &mut Secrets) {
    let options = weak.begin(PASSKEY).await;
    let mut key = Key::for_options(&options, &site.deployment.origin(), 5);
    let credential = key.attestation(&options).credential();
    secrets.challenge(&options);
    secrets.credential(&credential);
    let enrolled = weak.complete(PASSKEY, &credential).await;
    secrets.codes(&enrolled);

    let options = key::begin(weak).await;
    secrets.challenge(&options);
    let good = key.answer(&options);
    key.sign_count += 1;
    secrets.assertion(&good);
    let strong = secrets.issued(&key::complete(weak, &good).await);
    let replayed = key::complete(weak, &good).await;
    assert_eq!(replayed.says(), (404, "not_found"));
    let options = key::begin(weak).await;
    secrets.challenge(&options);
    let mut wrong = key.assertion(&options);
    wrong.sign_count = 0;
    let wrong = key.sign(&wrong);
    secrets.assertion(&wrong);
    let refused = key::complete(weak, &wrong).await;
    assert_eq!(refused.says(), (400, "invalid_credential"));

    for code in ["7777-8888-99999", "tuna-melt-is-no-code"] {
        secrets.text("wrong code", code);
        let refused = weak
            .post(BACKUP_CODES_VERIFY, &json!({ "code": code }))
            .await;
        assert_eq!(refused.says(), (400, "invalid_credential"));
    }
    let code = json!({ "code": enrolled.body["codes"][0] });
    let coded = secrets.issued(&weak.post(BACKUP_CODES_VERIFY, &code).await);
    let refused = weak
        .with(&coded, TENANT)
        .post(BACKUP_CODES, &json!({}))
        .await;
    assert_eq!(refused.says(), (401, "step_up_required"));
    let strong = weak.with(&strong, TENANT);
    secrets.codes(&strong.post(BACKUP_CODES, &json!({})).await);
    let begun = key::begin(weak).await;
    secrets.challenge(&begun);

    let listed = strong.get(METHODS).await.body;
    let id = listed["methods"][0]["id"].as_str().unwrap();
    let one = format!("{METHODS}/{id}");
    let renamed = strong.patch(&one, &json!({"device_name": "my key"})).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    assert_eq!(strong.delete(&one).await.status, 200);
    assert_eq!(strong.get(METHODS).await.says(), (401, "unauthenticated"));
}

/// The bytes of everything in a store.
fn stored(site: &Site) -> Vec<u8> {
    let Some(redis) = &site.redis else {
        let data = site.deployment.config().with_file_name("data");
        let files = std::fs::read_dir(data).unwrap();
        let contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        return contents.collect::<Vec<_>>().concat();
    };
    let mut all = Vec::new();
    for key in redis.command::<Vec<String>>(&["KEYS", "*"]) {
        let kind: String = redis.command(&["TYPE", &key]);
        let read = match kind.as_str() {
            "string" => &["MGET", &key][..],
            "hash" => &["HGETALL", &key],
            "set" => &["SMEMBERS", &key],
            "list" => &["LRANGE", &key, "0", "-1"],
            other => panic!("{key} is a {other}"),
        };
        let values: Vec<Vec<u8>> = redis.command(read);
        all.extend([key.into_bytes(), values.concat()].concat());
    }
    all
}

#[tokio::test]
async fn store_holds_no_code_token_or_pepper() {
    for site in Site::both() {
        let gateway = site.serve();
        let alice = site.user(&gateway, "alice");
        let options = alice.begin(PASSKEY).await;
        let mut key = Key::for_options(&options, &site.deployment.origin(), 5);
        let credential = key.attestation(&options).credential();
        let answer = alice.complete(PASSKEY, &credential).await;
        let mut secrets = Secrets::default();
        secrets.codes(&answer);
        let strong = secrets.issued(&key.step_up(&alice).await);
        let code = json!({ "code": answer.body["codes"][0] });
        secrets.issued(&alice.post(BACKUP_CODES_VERIFY, &code).await);
        let strong = alice.with(&strong, TENANT);
        secrets.codes(&strong.post(BACKUP_CODES, &json!({})).await);
        // a pending enrolment
        secrets.token(&site.deployment.token("alice"));
        key::begin(&strong).await;
        secrets.text("pepper", &site.deployment.pepper());
        secrets.bytes("signing key", &site.deployment.signing_key());
        gateway.stop();
        let stored = String::from_utf8_lossy(&stored(&site)).into_owned();
        assert!(stored.contains("my key"), "the store is not read");
        secrets.assert_absent(&stored);
    }
}

#[tokio::test]
async fn output_holds_no_secret_whatever_rust_log_says() {
    for rust_log in [None, Some("trace,webauthn_rs=trace,webauthn_rs_core=trace")] {
        let durable = ["--appendonly", "yes", "--requirepass", PASSWORD];
        let redis = RedisServer::with(&durable);
        let url = format!("redis://:{PASSWORD}@127.0.0.1:{}/0", redis.port());
        let log = "[decision_log]\nfile = \"decisions.jsonl\"\n\n\
                   [audit]\nfile = \"audit.jsonl\"\n\n[store]";
        let mut site = Site {
            deployment: Deployment::new(&url).replacing("[store]", log),
            redis: Some(redis),
        };
        let gateway = Gateway::serve_with(&site.deployment.config(), &[], rust_log);
        let http1 = Client::new(&gateway.url);
        let http2 = Client::http2(&gateway.url);
        let mut all = vec![
            use_everything(&site, &gateway, http1, "alice").await,
            use_everything(&site, &gateway, http2, "bob").await,
        ];
        let mut of_operator = Secrets::default();
        of_operator.text("password", PASSWORD);
        of_operator.text("pepper", &site.deployment.pepper());
        of_operator.bytes("signing key", &site.deployment.signing_key());
        all.push(of_operator);

        // Error messages are the likeliest to hold a secret.
        site.redis_server().kill();
        assert_unavailable(&site.user(&gateway, "alice").get(METHODS).await);
        let ready = gateway.admin_get("/readyz").await;
        assert_eq!(ready.status, 503);
        let metrics = gateway.admin_get("/metrics").await;
        let written = gateway.stop();
        let is_traced = written.contains(r#""level":"TRACE""#);
        assert_eq!(is_traced, rust_log.is_some());
        let config = site.deployment.config();
        let [decisions, audit] = ["decisions.jsonl", "audit.jsonl"].map(|name| {
            let text = std::fs::read_to_string(config.with_file_name(name)).unwrap();
            assert!(text.contains("alice") && text.contains("bob"), "{name}");
            text
        });
        for secrets in &all {
            secrets.assert_absent(&decisions);
            secrets.assert_absent(&audit);
            secrets.assert_absent(&written);
            secrets.assert_absent(&ready.body.to_string());
            secrets.assert_absent(&metrics.body.to_string());
        }
    }
}

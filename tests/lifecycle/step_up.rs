//! Step-up with an authenticator.

use crate::support::base64url;
use crate::support::base64url::claims;
use crate::support::client::{AUTHENTICATE, AUTHENTICATE_COMPLETE, BACKUP_CODES_VERIFY, FIDO};
use crate::support::deployment::{Deployment, OWN_PARTY, STEP_UP_ISSUER};
use serde_json::{Value, json};

use super::*;
use crate::support::authenticator::{BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED};
use crate::support::key::{Assertion, begin, complete};
use crate::support::place::{on_both, plain};

/// The parameters of a `WWW-Authenticate` header of the scheme Bearer, as RFC 9470 §3 writes them.
fn challenge(answer: &Answer) -> Vec<(String, String)> {
    let header = answer.header("www-authenticate");
    let parameters = header.strip_prefix("Bearer ").unwrap();
    let pairs = parameters.split(", ").map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        (name.to_owned(), value.to_owned())
    });
    pairs.collect()
}

#[tokio::test]
async fn step_up_as_asked_gives_access() {
    on_both(plain, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        let refused = alice.weak.register(FIDO).await;
        assert_eq!(refused.says(), (401, "step_up_required"));
        let asked = challenge(&refused);
        let asked: Vec<_> = asked
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(
            asked,
            [
                ("error", "insufficient_user_authentication"),
                (
                    "error_description",
                    "a fresher or stronger sign-in is needed"
                ),
                ("acr_values", "phr"),
                ("max_age", "300"),
            ]
        );
        let details = json!({
            "acr_values": ["phr"], "max_age": 300, "method_types": ["webauthn_passkey"],
        });
        assert_eq!(refused.body["details"], details);

        let begun = alice.weak.post(AUTHENTICATE, &json!({})).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        assert_eq!(begun.header("cache-control"), "no-store");
        let options = &begun.body["options"];
        assert_eq!(options["userVerification"], "required");
        assert_eq!(options["rpId"], "localhost");
        let allowed = options["allowCredentials"].as_array().unwrap();
        assert_eq!(allowed.len(), 1);
        assert_eq!(allowed[0]["transports"], json!(["hybrid", "internal"]));
        let credential = alice.key.answer(options);
        let answer = complete(&alice.weak, &credential).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.body["token_type"], "Bearer");
        assert_eq!(answer.body["acr"], "phr");
        assert_eq!(answer.body["amr"], json!(["pop", "user", "swk", "mfa"]));
        assert_eq!(changes(place, &answer), ["used"]);

        let token = text(&answer.body["access_token"]);
        let said = claims(token);
        assert_eq!(said["iss"], STEP_UP_ISSUER);
        assert_eq!(said["first_issuer"], "corp");
        assert_eq!(said["tenant_id"], TENANT);
        let keys = place.nobody.get("/.well-known/jwks.json").await;
        assert_eq!(keys.status, 200);
        let header = jsonwebtoken::decode_header(token).unwrap();
        assert_eq!(keys.body["keys"][0]["kid"], header.kid.unwrap());

        let stepped_up = alice.weak.with(token, TENANT);
        let (_, second) = Key::enrol(&stepped_up, FIDO, &place.deployment.origin()).await;
        assert_eq!(second.status, 200, "{second:?}");
        assert_eq!(
            second.body["codes"],
            json!([]),
            "those of the first factor still work"
        );
        let used = alice.weak.get(METHODS).await;
        assert!(used.body["methods"][0]["last_used_at"].is_string());
    })
    .await;
}

/// A change that makes an assertion invalid, and the reason for its refusal.
type Wrong = (&'static str, fn(&mut Assertion));

const WRONG: [Wrong; 9] = [
    ("type", |it| {
        it.client_data["type"] = json!("webauthn.create")
    }),
    ("origin", |it| {
        it.client_data["origin"] = json!("https://evil.example")
    }),
    ("cross_origin", |it| {
        it.client_data["crossOrigin"] = json!(true)
    }),
    ("rp_id", |it| it.rp_id = "evil.example".into()),
    ("user_presence", |it| it.flags &= !USER_PRESENT),
    ("user_verification", |it| it.flags &= !USER_VERIFIED),
    ("authenticator_data", |it| it.flags |= BACKUP_ELIGIBLE),
    ("user_handle", |it| {
        it.user_handle = Some("AAAAAAAAAAAAAAAAAAAAAA".into())
    }),
    ("counter", |it| it.sign_count = 0),
];

#[tokio::test]
async fn assertion_that_does_not_verify_is_refused_with_its_reason_and_uses_up_the_step_up() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        alice.strong().await;
        for (reason, spoil) in WRONG {
            let options = begin(&alice.weak).await;
            let mut assertion = alice.key.assertion(&options);
            spoil(&mut assertion);
            let answer = complete(&alice.weak, &alice.key.sign(&assertion)).await;
            assert_eq!(answer.says(), (400, "invalid_credential"), "{reason}");
            assert_eq!(
                answer.body["details"],
                json!({ "reason": reason }),
                "{answer:?}"
            );
            let counted = if reason == "counter" {
                vec!["counter_back"]
            } else {
                vec![]
            };
            assert_eq!(changes(place, &answer), counted, "{reason}");
            let right = alice.key.answer(&options);
            let again = complete(&alice.weak, &right).await;
            assert_eq!(again.says(), (404, "not_found"), "{reason}: it is used up");
        }
        // a signature over other bytes
        let options = begin(&alice.weak).await;
        let mut credential = alice.key.answer(&options);
        let other = alice
            .key
            .sign(&alice.key.assertion(&json!({"challenge": "AAAA"})));
        credential["response"]["signature"] = other["response"]["signature"].clone();
        let answer = complete(&alice.weak, &credential).await;
        assert_eq!(answer.body["details"]["reason"], "signature", "{answer:?}");
        // none of this locks the key out
        alice.key.token(&alice.weak).await;
    })
    .await;
}

#[tokio::test]
async fn challenge_is_valid_once_for_its_ceremony_and_session() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let options = begin(&alice.weak).await;
        let credential = alice.key.answer(&options);
        // a second sign-in of the same user
        let mut claims = place.deployment.claims("alice", TENANT);
        claims["jti"] = json!("another");
        let elsewhere = place.nobody.with(place.deployment.sign(&claims), TENANT);
        let answer = complete(&elsewhere, &credential).await;
        assert_eq!(answer.says(), (404, "not_found"), "of another session");
        let bob = Enrolled::at(place, "bob").await;
        let answer = complete(&bob.weak, &credential).await;
        assert_eq!(answer.says(), (404, "not_found"), "of another user");

        let answer = complete(&alice.weak, &credential).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let replayed = complete(&alice.weak, &credential).await;
        assert_eq!(replayed.says(), (404, "not_found"), "replayed");
        alice.key.sign_count += 1;

        // the challenge of an enrolment completes no step-up, and the other way round
        let strong = alice.strong().await;
        let creation = strong.begin(FIDO).await;
        let mixed = alice.key.answer(&creation);
        let answer = complete(&strong, &mixed).await;
        assert_eq!(answer.says(), (404, "not_found"));
        let request = begin(&strong).await;
        let fresh = Key::for_options(&creation, &place.deployment.origin(), 5);
        let mut attestation = fresh.attestation(&creation);
        attestation.client_data["challenge"] = request["challenge"].clone();
        let answer = strong.complete(FIDO, &attestation.credential()).await;
        assert_eq!(answer.says(), (404, "not_found"));
    })
    .await;
}

#[tokio::test]
async fn authenticator_of_another_user_is_answered_as_unknown() {
    on_both(plain, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        let bob = Enrolled::at(place, "bob").await;
        let options = begin(&alice.weak).await;
        let of_bob = bob.key.answer(&options);
        let mut unknown = bob.key.assertion(&options);
        unknown.credential_id = vec![9; 32];
        let unknown = bob.key.sign(&unknown);
        let (one, other) = (
            complete(&alice.weak, &of_bob).await,
            complete(&alice.weak, &unknown).await,
        );
        assert_eq!(one.says(), (404, "not_found"));
        assert_eq!(one.body, other.body, "the same bytes");
        let event = place.gateway.event(one.header("x-request-id"));
        assert_eq!(event["action"], "unknown");
        // the step-up stays
        let right = alice.key.answer(&options);
        assert_eq!(complete(&alice.weak, &right).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn options_list_the_authenticators_that_fit() {
    on_both(plain, async |place| {
        let nobody = place.user("nobody");
        let answer = nobody.post(AUTHENTICATE, &json!({})).await;
        assert_eq!(answer.says(), (404, "not_found"), "{answer:?}");
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let flags = USER_PRESENT;
        let (mut touch, _) =
            Key::enrol_with(&strong, FIDO, &place.deployment.origin(), flags).await;
        let allowed = async |body: Value| {
            let answer = alice.weak.post(AUTHENTICATE, &body).await;
            let options = &answer.body["options"];
            let count = options["allowCredentials"].as_array().map_or(0, Vec::len);
            (count, options["userVerification"].clone())
        };
        assert_eq!(allowed(json!({})).await, (2, json!("preferred")));
        let only = json!({"method_type": PASSKEY});
        assert_eq!(allowed(only).await, (1, json!("required")));
        assert_eq!(
            allowed(json!({"method_type": FIDO})).await,
            (1, json!("preferred"))
        );
        let wrong = alice
            .weak
            .post(AUTHENTICATE, &json!({"method_type": "totp"}))
            .await;
        assert_eq!(wrong.says(), (400, "invalid_request"));
        // a key that was enrolled without user verification needs none
        touch.user_handle = None;
        let answer = touch.step_up(&alice.weak).await;
        assert_eq!(
            answer.body["amr"],
            json!(["pop", "user", "swk"]),
            "{answer:?}"
        );
    })
    .await;
}

/// The attack: options that ask for a passkey, and so for user verification, answered by a touch of
/// another key of the same user.
#[tokio::test]
async fn authenticator_outside_allow_credentials_is_refused_with_400() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let origin = place.deployment.origin();
        let (mut touch, _) = Key::enrol_with(&strong, FIDO, &origin, USER_PRESENT).await;
        touch.user_handle = None;
        let only_passkeys = json!({ "method_type": PASSKEY });
        let begun = alice.weak.post(AUTHENTICATE, &only_passkeys).await;
        let options = &begun.body["options"];
        assert_eq!(options["userVerification"], "required");
        assert_outside(&alice.weak, &touch, options).await;
        let right = alice.key.answer(options);
        let again = complete(&alice.weak, &right).await;
        assert_eq!(again.says(), (404, "not_found"), "it is used up");

        // An authenticator enrolled after the options were made is outside of them too.
        let options = begin(&alice.weak).await;
        let flags = USER_PRESENT | USER_VERIFIED;
        let (late, answer) = Key::enrol_with(&strong, PASSKEY, &origin, flags).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_outside(&alice.weak, &late, &options).await;
        // Both work where the options list them.
        touch.token(&alice.weak).await;
        alice.key.token(&alice.weak).await;
    })
    .await;
}

async fn assert_outside(caller: &Client, key: &Key, options: &Value) {
    let answer = complete(caller, &key.answer(options)).await;
    assert_eq!(answer.says(), (400, "invalid_credential"), "{answer:?}");
    let details = json!({ "reason": "allow_credentials" });
    assert_eq!(answer.body["details"], details);
}

/// WebAuthn decodes client data as UTF-8, which strips one byte-order mark (U+FEFF).
#[tokio::test]
async fn one_byte_order_mark_before_client_data_is_stripped() {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    on_both(plain, async |place| {
        let alice = place.user("alice");
        let creation = alice.begin(PASSKEY).await;
        let flags = USER_PRESENT | USER_VERIFIED;
        let key = Key::for_options(&creation, &place.deployment.origin(), flags);
        let mut credential = key.attestation(&creation).credential();
        let json = base64url::decode(text(&credential["response"]["clientDataJSON"]));
        let marked = [MARK, &json].concat();
        credential["response"]["clientDataJSON"] = json!(base64url::encode(&marked));
        let answer = alice.complete(PASSKEY, &credential).await;
        assert_eq!(answer.status, 200, "{answer:?}");

        let step_up = async |before: &'static [u8], sent: Option<&'static [u8]>| {
            let mut assertion = key.assertion(&begin(&alice).await);
            assertion.before_client_data = before;
            let mut credential = key.sign(&assertion);
            if let Some(sent) = sent {
                let json = serde_json::to_vec(&assertion.client_data).unwrap();
                let sent = [sent, &json].concat();
                credential["response"]["clientDataJSON"] = json!(base64url::encode(&sent));
            }
            complete(&alice, &credential).await
        };
        // The hash is over the bytes as they were sent.
        for (signed, sent) in [(&b""[..], MARK), (MARK, b"")] {
            let answer = step_up(signed, Some(sent)).await;
            assert_eq!(answer.body["details"]["reason"], "signature", "{answer:?}");
        }
        let twice = step_up(b"\xef\xbb\xbf\xef\xbb\xbf", None).await;
        assert_eq!(twice.says(), (400, "invalid_request"), "{twice:?}");
        let answer = step_up(MARK, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn backup_state_is_stored_with_each_use() {
    on_both(plain, async |place| {
        let alice = place.user("alice");
        let flags = USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE;
        let origin = place.deployment.origin();
        let (mut key, _) = Key::enrol_with(&alice, PASSKEY, &origin, flags).await;
        for flags in [flags | BACKED_UP, flags] {
            key.flags = flags;
            key.token(&alice).await;
            let method = &alice.get(METHODS).await.body["methods"][0];
            assert_eq!(method["backed_up"], flags & BACKED_UP != 0);
            assert_eq!(method["backup_eligible"], true);
        }
    })
    .await;
}

#[tokio::test]
async fn step_up_token_is_bound_to_its_session_and_tenant() {
    on_both(plain, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let token = alice.key.token(&alice.weak).await;
        // the token names its tenant, so another header is refused
        let answer = alice.weak.with(&token, OWN_PARTY).get(METHODS).await;
        assert_eq!(answer.says(), (403, "tenant_mismatch"));
        // a step-up after a step-up expires no later
        let again = alice.key.step_up(&alice.weak.with(&token, TENANT)).await;
        assert_eq!(again.status, 200);
        let (one, other) = (claims(&token), claims(text(&again.body["access_token"])));
        assert_eq!(one["sid"], other["sid"]);
        assert!(other["exp"].as_i64() <= one["exp"].as_i64());
        assert_ne!(one["jti"], other["jti"]);
    })
    .await;
}

#[tokio::test]
async fn step_up_keeps_the_groups_of_the_first_token() {
    let policy = r#"@id("contractors") @notice("Contractors have no names.")
forbid (principal in Gate::Group::"corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|contractors",
  action == Gate::Action::"listMfaMethods", resource);"#;
    let arrange = |it: Deployment| it.policy("contractors.cedar", policy);
    on_both(arrange, async |place| {
        let carol = place.user_of("carol", "contractors");
        let (mut key, answer) = Key::enrol(&carol, PASSKEY, &place.deployment.origin()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let stepped_up = carol.with(key.token(&carol).await, TENANT);
        let code = json!({"code": answer.body["codes"][0]});
        let coded = carol.post(BACKUP_CODES_VERIFY, &code).await;
        let coded = carol.with(text(&coded.body["access_token"]), TENANT);
        for caller in [&carol, &stepped_up, &coded] {
            let answer = caller.get(METHODS).await;
            assert_eq!(answer.says(), (403, "forbidden"));
            assert_eq!(
                answer.body["notices"],
                json!(["Contractors have no names."])
            );
        }
    })
    .await;
}

#[tokio::test]
async fn racing_uses_of_one_challenge_succeed_once() {
    on_both(plain, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        let options = begin(&alice.weak).await;
        let credential = alice.key.answer(&options);
        let body = json!({ "credential": credential });
        let racers = (0..50).map(|_| alice.weak.post(AUTHENTICATE_COMPLETE, &body));
        let answers = futures_util::future::join_all(racers).await;
        assert_one(&answers);
        let used = alice.weak.get(METHODS).await;
        assert!(used.body["methods"][0]["last_used_at"].is_string());
    })
    .await;
}

#[tokio::test]
async fn step_up_without_configuration_is_501() {
    let section = "[step_up]\nissuer = \"https://mfa.example.com\"\naudience = \"https://api.example.com\"\nsigning_key_files = [\"step-up.p8\"]\n";
    let arrange = |it: Deployment| it.replacing(section, "");
    on_both(arrange, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        for (target, body) in [
            (AUTHENTICATE, json!({})),
            (BACKUP_CODES_VERIFY, json!({"code": alice.codes[0]})),
        ] {
            let answer = alice.weak.post(target, &body).await;
            assert_eq!(answer.says(), (501, "not_implemented"), "{target}");
        }
        assert_eq!(remaining(&alice.weak).await, 10);
        let keys = place.nobody.get("/.well-known/jwks.json").await;
        assert_eq!((keys.status, &keys.body), (200, &json!({"keys": []})));
    })
    .await;
}

//! Recovery after a reset, and the limits of a password alone.

use serde_json::{Value, json};

use super::admin::{admin, of};
use super::*;
use crate::support::client::{BACKUP_CODES, FIDO};
use crate::support::deployment::{ADMINS, Deployment};
use crate::support::place::on_both;

/// Resets a user, and returns the recovery code.
async fn reset(admin: &Client, user: &str) -> String {
    let answer = admin.delete(&of(user)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    text(&answer.body["recovery_code"]).to_owned()
}

/// Checks that this weak session of a reset account cannot enrol. The answer asks for a strong
/// sign-in at the issuer, and not for an authenticator, since there is none.
async fn refused_with_a_password(caller: &Client) {
    let refused = caller.register(PASSKEY).await;
    assert_eq!(refused.says(), (401, "step_up_required"), "{refused:?}");
    let details = &refused.body["details"];
    assert_eq!(details["acr_values"], json!(["phr"]));
    assert_eq!(details["method_types"], json!([]));
    let notice = text(&refused.body["notices"][0]);
    assert!(notice.contains("recovery code"), "{notice}");
}

#[tokio::test]
async fn reset_account_without_strong_sign_in_is_told_the_remaining_ways() {
    let arrange = |it: Deployment| it.with_admins().without_strong_phr();
    on_both(arrange, async |place| {
        let mut claims = place.deployment.strong_claims("root", TENANT);
        claims["acr"] = json!("phrh");
        claims["groups"] = json!([ADMINS]);
        let admin = place.nobody.with(place.deployment.sign(&claims), TENANT);
        let weak = place.user("alice");
        let code = reset(&admin, "corp%7Calice").await;
        let remaining = async || {
            let refused = weak.register(PASSKEY).await;
            assert_eq!(refused.says(), (403, "recovery_required"), "{refused:?}");
            assert!(refused.body["notices"].is_array(), "{refused:?}");
            refused.body["details"]["remaining"].clone()
        };
        assert_eq!(remaining().await, json!(["recovery_code", "admin"]));
        let recovered = coded(&weak, &code).await;
        assert_eq!(remaining().await, json!(["admin"]), "the code is used");
        Key::enrolled(&recovered, PASSKEY, &place.deployment.origin()).await;
    })
    .await;
}

#[tokio::test]
async fn reset_account_is_enrolled_by_the_recovery_code_and_not_by_a_password() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let alice = Enrolled::at(place, "alice").await;
        let answer = admin.delete(&of("corp%7Calice")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["removed"], 1);
        assert!(answer.body["expires_at"].is_string(), "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(
            changes(place, &answer),
            ["reset", "deleted", "recovery_code_made"]
        );
        let code = text(&answer.body["recovery_code"]);

        // an attacker with the password tries first
        refused_with_a_password(&alice.weak).await;

        let answer = verify(&alice.weak, code).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["remaining"], 0, "it is none of the ten");
        assert_eq!(changes(place, &answer), ["recovery_code_used"]);
        let recovered = alice.weak.with(text(&answer.body["access_token"]), TENANT);
        let used = verify(&alice.weak, code).await;
        assert_eq!(used.says(), (400, "invalid_credential"), "only once");
        refused_with_a_password(&alice.weak).await;

        let (key, enrolled) = Key::enrol(&recovered, PASSKEY, &place.deployment.origin()).await;
        assert_eq!(enrolled.status, 200, "{enrolled:?}");
        assert_eq!(enrolled.body["codes"].as_array().unwrap().len(), 10);
        // after a lost answer, the same request shows that it succeeded
        let options = json!({"challenge": "AAAAAAAAAAAAAAAAAAAAAA", "user": {"id": "AAAA"}, "rp": {"id": "localhost"}});
        let again = recovered
            .complete(PASSKEY, &key.attestation(&options).credential())
            .await;
        assert_eq!(again.says(), (409, "credential_exists"), "{again:?}");
        // and the token opens nothing else
        let refused = recovered.register(PASSKEY).await;
        assert_eq!(refused.says(), (401, "unauthenticated"));
    })
    .await;
}

#[tokio::test]
async fn strong_sign_in_enrols_a_reset_account_and_ends_the_recovery_code() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let weak = place.user("alice");
        let code = reset(&admin, "corp%7Calice").await;
        let recovered = coded(&weak, &code).await;
        let strong = place.strong("alice");
        Key::enrolled(&strong, PASSKEY, &place.deployment.origin()).await;
        // a thief of the code or its token is too late
        let refused = recovered.register(PASSKEY).await;
        assert_eq!(refused.says(), (401, "unauthenticated"), "{refused:?}");
        let refused = verify(&weak, &code).await;
        assert_eq!(refused.says(), (400, "invalid_credential"));
        assert_eq!(remaining(&weak).await, 10);
    })
    .await;
}

#[tokio::test]
async fn reset_of_a_user_without_a_record_makes_a_recovery_code_too() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let code = reset(&admin, "corp%7Cnewcomer").await;
        let weak = place.user("newcomer");
        refused_with_a_password(&weak).await;
        let recovered = coded(&weak, &code).await;
        Key::enrolled(&recovered, PASSKEY, &place.deployment.origin()).await;
    })
    .await;
}

#[tokio::test]
async fn second_reset_ends_the_first_recovery_code() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let first = reset(&admin, "corp%7Calice").await;
        let weak = place.user("alice");
        let recovered = coded(&weak, &first).await;
        let second = reset(&admin, "corp%7Calice").await;
        assert_eq!(verify(&weak, &first).await.status, 400);
        let refused = recovered.register(PASSKEY).await;
        assert_eq!(refused.says(), (401, "unauthenticated"));
        coded(&weak, &second).await;
    })
    .await;
}

#[tokio::test]
async fn recovery_code_expires_after_the_configured_ttl() {
    let arrange = |it: Deployment| {
        it.with_admins()
            .with_section("[recovery]\ncode_ttl = \"1m\"")
    };
    // The shortest `code_ttl` is too long for a test to wait. The tests of the store show that a
    // code expires; here the deadline is compared with the configured one.
    on_both(arrange, async |place| {
        let admin = admin(place).await;
        let answer = admin.delete(&of("corp%7Calice")).await;
        let event = place.gateway.event(answer.header("x-request-id"));
        let moment = |value: &Value| humantime::parse_rfc3339(text(value)).unwrap();
        let lives = moment(&answer.body["expires_at"])
            .duration_since(moment(&event["timestamp"]))
            .unwrap();
        assert!((59..=75).contains(&lives.as_secs()), "{lives:?}");
    })
    .await;
}

#[tokio::test]
async fn admins_removal_of_the_last_authenticator_is_a_reset() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let origin = place.deployment.origin();
        Key::enrolled(&strong, FIDO, &origin).await;
        let pending = strong.begin(FIDO).await;
        let both = ids(&alice.weak).await;
        let delete = async |id: &str| admin.delete(&format!("{}/{id}", of("corp%7Calice"))).await;

        let answer = delete(&both[0]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body.get("recovery_code"), None, "one is left");
        // the removal ends ceremonies that were begun before
        let late = Key::for_options(&pending, &origin, 5);
        let late = late.attestation(&pending).credential();
        let refused = place.strong("alice").complete(FIDO, &late).await;
        assert_eq!(refused.says(), (404, "not_found"), "{refused:?}");

        let answer = delete(&both[1]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(changes(place, &answer), ["deleted", "recovery_code_made"]);
        refused_with_a_password(&alice.weak).await;
        let recovered = coded(&alice.weak, text(&answer.body["recovery_code"])).await;
        Key::enrolled(&recovered, PASSKEY, &origin).await;
    })
    .await;
}

#[tokio::test]
async fn removal_of_ones_own_last_authenticator_is_no_reset() {
    on_both(Deployment::with_admins, async |place| {
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let id = ids(&alice.weak).await.remove(0);
        let answer = strong.delete(&format!("{METHODS}/{id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body.get("recovery_code"), None);
        assert_eq!(
            alice.weak.register(PASSKEY).await.status,
            200,
            "a first factor"
        );
    })
    .await;
}

#[tokio::test]
async fn recovery_code_works_after_ten_wrong_codes_before_the_reset() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let alice = Enrolled::at(place, "alice").await;
        for _ in 0..10 {
            assert_eq!(verify(&alice.weak, "0000-0000-00000").await.status, 400);
        }
        let shut = verify(&alice.weak, &alice.codes[0]).await;
        assert_eq!(shut.says(), (429, "rate_limited"));
        let code = reset(&admin, "corp%7Calice").await;
        coded(&alice.weak, &code).await;
    })
    .await;
}

#[tokio::test]
async fn password_alone_does_not_make_an_admin() {
    on_both(Deployment::with_admins, async |place| {
        let origin = place.deployment.origin();
        let alice = of("corp%7Calice");
        // both enrol in a weak session, one as a member of the group and one before joining it
        for (name, first) in [
            ("mallory", place.user_of("mallory", ADMINS)),
            ("eve", place.user("eve")),
        ] {
            let mut key = Key::enrolled(&first, PASSKEY, &origin).await;
            let weak = place.user_of(name, ADMINS);
            let stepped_up = weak.with(key.token(&weak).await, TENANT);
            for answer in [
                stepped_up.get(&alice).await,
                stepped_up.delete(&alice).await,
            ] {
                assert_eq!(answer.says(), (403, "untrusted_session"), "{answer:?}");
            }
            // a further key that the first one vouches for does not help
            let mut second = Key::enrolled(&stepped_up, FIDO, &origin).await;
            let stepped_up = weak.with(second.token(&weak).await, TENANT);
            let answer = stepped_up.get(&alice).await;
            assert_eq!(answer.says(), (403, "untrusted_session"), "{answer:?}");
            // a backup code does not help
            let codes = stepped_up.post(BACKUP_CODES, &json!({})).await;
            let code = text(&codes.body["codes"][0]).to_owned();
            let answer = coded(&weak, &code).await.get(&alice).await;
            assert!([401, 403].contains(&answer.status), "{answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn trust_passes_from_an_authenticator_to_the_next() {
    on_both(Deployment::with_admins, async |place| {
        let origin = place.deployment.origin();
        let weak = place.user_of("root", ADMINS);
        let strong = place.strong_of("root", ADMINS);
        let mut first = Key::enrolled(&strong, PASSKEY, &origin).await;
        let confirmed = weak.with(first.token(&weak).await, TENANT);
        let mut second = Key::enrolled(&confirmed, FIDO, &origin).await;
        let confirmed = weak.with(second.token(&weak).await, TENANT);
        let listed = confirmed.get(&of("corp%7Calice")).await;
        assert_eq!(listed.status, 200, "{listed:?}");
    })
    .await;
}

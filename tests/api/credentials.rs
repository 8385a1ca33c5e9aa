//! Responses that do not verify: the reason in the answer, and the pending enrolment that they use
//! up.

use serde_json::json;

use crate::support::authenticator::{Attestation, BACKED_UP, USER_PRESENT, USER_VERIFIED};
use crate::support::client::{FIDO, PASSKEY};
use crate::support::place::{Place, on_both, plain};

type Change = (&'static str, &'static str, fn(&mut Attestation));

/// Every reason except `challenge`: an enrolment is found by its challenge, so only one begun by
/// another version of the gateway can fail for it.
const WRONG: [Change; 21] = [
    ("another origin", PASSKEY, |it| {
        it.client_data["origin"] = json!("https://evil.example")
    }),
    ("another origin, for a key", FIDO, |it| {
        it.client_data["origin"] = json!("https://evil.example")
    }),
    ("an origin with a slash", PASSKEY, |it| {
        let origin = it.client_data["origin"].as_str().unwrap();
        it.client_data["origin"] = json!(format!("{origin}/"));
    }),
    ("an origin below a related one", PASSKEY, |it| {
        it.client_data["origin"] = json!("https://sub.related.example");
    }),
    ("another RP ID", PASSKEY, |it| {
        it.rp_id = "evil.example".into()
    }),
    ("another ceremony", PASSKEY, |it| {
        it.client_data["type"] = json!("webauthn.get")
    }),
    ("another ceremony, for a key", FIDO, |it| {
        it.client_data["type"] = json!("payment.create")
    }),
    ("no user presence", FIDO, |it| it.flags &= !USER_PRESENT),
    ("no user verification", PASSKEY, |it| {
        it.flags &= !USER_VERIFIED
    }),
    ("in a frame of another origin", PASSKEY, |it| {
        it.client_data["crossOrigin"] = json!(true)
    }),
    ("below another origin", FIDO, |it| {
        it.client_data["topOrigin"] = json!("https://evil.example")
    }),
    ("an algorithm that was not offered", PASSKEY, |it| {
        it.algorithm = -8
    }),
    ("an algorithm that was not offered, for a key", FIDO, |it| {
        it.algorithm = -36
    }),
    ("a key on another curve", PASSKEY, |it| it.curve = 2),
    ("no origin", PASSKEY, |it| {
        it.client_data.as_object_mut().unwrap().remove("origin");
    }),
    ("a format that is not verified", PASSKEY, |it| {
        it.format = "tpm".into()
    }),
    ("a statement with none", PASSKEY, |it| {
        it.signature = Some(vec![1; 70])
    }),
    ("a signature that does not verify", FIDO, |it| {
        it.format = "packed".into();
        // A well-formed ECDSA signature over other bytes: SEQUENCE { INTEGER 1, INTEGER 1 }.
        it.signature = Some(vec![0x30, 6, 2, 1, 1, 2, 1, 1]);
    }),
    ("no statement with packed", FIDO, |it| {
        it.format = "packed".into()
    }),
    ("backed up, and never can be", PASSKEY, |it| {
        it.flags |= BACKED_UP
    }),
    ("a credential id that is too short", PASSKEY, |it| {
        it.credential_id.truncate(15)
    }),
];

#[tokio::test]
async fn credential_that_does_not_verify_is_refused_with_its_reason_and_uses_up_the_enrolment() {
    insta::assert_snapshot!(on_both(plain, wrong).await);
}

async fn wrong(place: &Place) {
    for (name, method_type, spoil) in WRONG {
        let begun = place
            .begun(&place.user(name), method_type)
            .await
            .named(name);
        let mut response = begun.right.clone();
        spoil(&mut response);
        place.note(name, &begun.complete_with(&response).await);
        begun.was_used_up(0).await;
    }
    let name = "a rawId that is not in authenticator data";
    let begun = place.begun(&place.user(name), PASSKEY).await.named(name);
    let mut credential = begun.right.credential();
    credential["id"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    credential["rawId"] = credential["id"].clone();
    place.note(name, &begun.caller.complete(PASSKEY, &credential).await);
    begun.was_used_up(0).await;
}

const RIGHT: [Change; 4] = [
    ("a related origin", PASSKEY, |it| {
        it.client_data["origin"] = json!("https://related.example")
    }),
    ("no user verification, for a key", FIDO, |it| {
        it.flags &= !USER_VERIFIED
    }),
    ("a long credential id", PASSKEY, |it| {
        it.credential_id.resize(1023, 7)
    }),
    ("a short credential id", FIDO, |it| {
        it.credential_id.truncate(16)
    }),
];

#[tokio::test]
async fn credential_that_verifies_is_accepted() {
    on_both(plain, right).await;
}

async fn right(place: &Place) {
    for (name, method_type, change) in RIGHT {
        let mut begun = place.begun(&place.user(name), method_type).await;
        change(&mut begun.right);
        begun.stays_pending(0).await;
    }
}

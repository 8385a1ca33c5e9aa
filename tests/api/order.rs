//! The order of checks: a request that fails several checks is answered for the first of them.

use crate::support::deployment::{Deployment, NO_PARTY, OWN_PARTY, PASSKEYS_ONLY, TENANT};
use serde_json::json;

use crate::support::authenticator::{Attestation, BACKUP_ELIGIBLE};
use crate::support::client::{Answer, COMPLETE, FIDO, METHODS, PASSKEY, REGISTER};
use crate::support::place::{Place, credential_id, methods, on_both, plain};
use crate::support::redis_server::RedisServer;

const BAD_TOKEN: &str = "Authorization: Bearer opaque\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const TOO_MUCH: &str = "Content-Length: 65537\r\n";
const TWO_TENANTS: &str = "X-Tenant-ID: no-uuid\r\nX-Tenant-ID: no-uuid\r\n";

async fn post(place: &Place, target: &str, headers: &str, body: &str) -> Answer {
    let start = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    place.raw(format!("{start}{headers}\r\n{body}")).await
}

/// The outcome of a request without a decision.
fn undecided(status: u16, code: &str) -> String {
    format!("{status} {code} · undecided: {code}")
}

#[tokio::test]
async fn head_is_checked_before_the_token_and_the_token_before_the_rest() {
    on_both(plain, heads).await;
}

async fn heads(place: &Place) {
    let long = format!("{COMPLETE}?{}", "a".repeat(9000));
    let many = "X-Many: 1\r\n".repeat(101);
    let wrong = format!("{TWO_TENANTS}{TOO_MUCH}{BAD_TOKEN}");
    let too_large = format!("{TOO_MUCH}{BAD_TOKEN}");
    let malformed = format!("{BAD_TOKEN}{FORM}");
    for (target, headers, status, code) in [
        (&*long, &*format!("{many}{wrong}"), 431, "headers_too_large"),
        (&long, &wrong, 400, "invalid_request"),
        (&long, &too_large, 413, "payload_too_large"),
        (&long, &malformed, 414, "uri_too_long"),
        ("/v1//users", &malformed, 400, "invalid_request"),
        (COMPLETE, &malformed, 401, "unauthenticated"),
        ("/v1/nowhere", &malformed, 401, "unauthenticated"),
    ] {
        let answer = post(place, target, headers, "").await;
        assert_eq!(
            place.outcome(&answer),
            undecided(status, code),
            "{target:.40} {headers}"
        );
    }
    // Without a token nothing more is checked, and the request is decided.
    for target in [COMPLETE, &format!("{REGISTER}?method_type=totp")] {
        let answer = post(place, target, FORM, "").await;
        let expected = "401 unauthenticated · unknown deny []";
        assert_eq!(place.outcome(&answer), expected, "{target}");
    }
}

#[tokio::test]
async fn tenant_header_is_required_on_rows_with_a_tenant_only() {
    on_both(plain, tenants).await;
}

async fn tenants(place: &Place) {
    let alice = place.user("alice").tenant("no-uuid");
    for (method, target, says) in [
        ("GET", "/v1/openapi.json", (200, "")),
        ("GET", "/v1/users/me/nowhere", (404, "not_found")),
        ("DELETE", METHODS, (405, "method_not_allowed")),
        ("GET", METHODS, (400, "invalid_request")),
    ] {
        let request = alice.request(method, target).body(<_>::default());
        let answer = alice.send(request.unwrap()).await;
        assert_eq!(answer.says(), says, "{method} {target}");
    }
}

#[tokio::test]
async fn body_is_checked_before_the_decision() {
    on_both(plain, bodies).await;
}

async fn bodies(place: &Place) {
    let begun = place.begun(&place.user("alice"), PASSKEY).await;
    let token = format!(
        "Authorization: Bearer {}\r\n",
        place.deployment.token("alice")
    );
    // The policies would refuse this tenant, which is not the token's.
    let elsewhere = format!("{token}X-Tenant-ID: {OWN_PARTY}\r\n");
    let json = "Content-Type: application/json\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
    let large = chunk(&"x".repeat(65537));
    let spoilt = chunk("{");
    let mut no_key = begun.body();
    no_key["credential"]["response"]["attestationObject"] = json!("AA==");
    for (headers, body, status, code) in [
        (
            format!("{token}{FORM}{chunked}"),
            &large,
            400,
            "invalid_request",
        ),
        (
            format!("{elsewhere}{FORM}{chunked}"),
            &large,
            415,
            "unsupported_media_type",
        ),
        (
            format!("{elsewhere}{json}{chunked}"),
            &large,
            413,
            "payload_too_large",
        ),
        (
            format!("{elsewhere}{json}{chunked}"),
            &spoilt,
            400,
            "invalid_request",
        ),
        (
            format!("{elsewhere}{json}{chunked}"),
            &chunk(&no_key.to_string()),
            400,
            "invalid_request",
        ),
    ] {
        let answer = post(place, COMPLETE, &headers, body).await;
        assert_eq!(place.outcome(&answer), undecided(status, code));
    }
    // The content of the decoded bytes is checked after the decision.
    let mut no_cbor = begun.body();
    no_cbor["credential"]["response"]["attestationObject"] = json!("AAAA");
    let elsewhere = begun.caller.tenant(OWN_PARTY);
    let answer = elsewhere.post(COMPLETE, &no_cbor).await;
    let refused = "403 tenant_mismatch · completeWebauthnRegistration deny [\"tenant-isolation\"]";
    assert_eq!(place.outcome(&answer), refused);
    begun.stays_pending(0).await;
}

#[tokio::test]
async fn facts_are_read_before_the_decision() {
    let mut redis = RedisServer::start();
    let place = Place::open(Deployment::on_redis(&redis));
    let elsewhere = place.user("alice").tenant(OWN_PARTY);
    redis.kill();
    let answer = elsewhere.get(METHODS).await;
    assert_eq!(place.outcome(&answer), undecided(503, "unavailable"));
    place.close();
}

#[tokio::test]
async fn decision_comes_before_501() {
    on_both(Deployment::without_default_party, async |place| {
        let nowhere = place.user_in("alice", NO_PARTY);
        let elsewhere = nowhere.tenant(TENANT);
        let answer = elsewhere.post(REGISTER, &json!({})).await;
        assert_eq!(answer.says(), (403, "tenant_mismatch"), "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn checks_after_the_decision_have_their_order() {
    on_both(plain, ceremonies).await;
}

async fn ceremonies(place: &Place) {
    // A credential that the caller has already: 501 comes before 409.
    let alice = place.strong_in("alice", PASSKEYS_ONLY);
    let mut own = place.begun(&alice, PASSKEY).await;
    own.right.client_data["origin"] = json!("https://passkeys.example");
    assert_eq!(own.complete().await.status, 200);
    let credential = own.right.credential();
    let answer = alice.complete(FIDO, &credential).await;
    assert_eq!(answer.says(), (501, "not_implemented"));
    let answer = alice.complete(PASSKEY, &credential).await;
    assert_eq!(answer.says(), (409, "credential_exists"));

    // The same, without a pending enrolment: 409 comes before 404.
    let bob = place.strong("bob");
    let taken = place.begun(&bob, PASSKEY).await.named("taken");
    assert_eq!(taken.complete().await.status, 200);
    let lost = |response: &Attestation| {
        let mut lost = response.clone();
        lost.client_data["challenge"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
        lost.client_data["origin"] = json!("https://evil.example");
        lost
    };
    let answer = taken.complete_with(&lost(&taken.right)).await;
    assert_eq!(answer.says(), (409, "credential_exists"));

    // A credential of another user. 404 for a missing enrolment comes first, then 400 for a response
    // that does not verify, 403 for an untrusted authenticator, and 409 for the credential.
    let carol = place.user("carol");
    for (name, response, says) in [
        (
            "unknown",
            lost as fn(&Attestation) -> Attestation,
            (404, "not_found"),
        ),
        (
            "not verified",
            |it| {
                let mut wrong = it.clone();
                wrong.client_data["origin"] = json!("https://evil.example");
                wrong
            },
            (400, "invalid_credential"),
        ),
        ("not trusted", Clone::clone, (403, "synced_credential")),
        (
            "another user's",
            |it| {
                let mut one = it.clone();
                one.flags &= !BACKUP_ELIGIBLE;
                one
            },
            (409, "credential_exists"),
        ),
    ] {
        let mut begun = place.begun(&carol, FIDO).await;
        begun.right.credential_id = credential_id("taken");
        begun.right.flags |= BACKUP_ELIGIBLE;
        let answer = begun.complete_with(&response(&begun.right)).await;
        assert_eq!(answer.says(), says, "{name}: {answer:?}");
    }
    assert_eq!(methods(&carol).await, 0);
}

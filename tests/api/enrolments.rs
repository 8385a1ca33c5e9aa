//! The pending enrolment that a response belongs to, and credentials that exist already.

use crate::support::deployment::{Deployment, OWN_PARTY, SAME_PARTY, TENANT};
use serde_json::json;

use super::policies::erring;
use crate::support::authenticator::{Attestation, BACKUP_ELIGIBLE};
use crate::support::client::{Answer, FIDO, PASSKEY};
use crate::support::place::{Begun, Place, credential_id, methods, on_both, plain};
use crate::support::poll::until;
use crate::support::redis_server::RedisServer;

/// The credential of all responses that find nothing, so that the bytes of their answers can be
/// compared.
const LOST: &str = "lost";

impl Begun {
    /// The right response, with the credential [`LOST`].
    fn lost(&self) -> Attestation {
        Attestation {
            credential_id: credential_id(LOST),
            ..self.right.clone()
        }
    }
}

#[tokio::test]
async fn enrolment_that_is_not_pending_for_the_caller_is_always_the_same_404() {
    insta::assert_snapshot!(on_both(plain, not_pending).await);
}

async fn not_pending(place: &Place) {
    let (alice, carol) = (place.user("alice"), place.strong("carol"));
    let own = place.begun(&alice, PASSKEY).await;
    let of_bob = place.begun(&place.user("bob"), PASSKEY).await;
    let next_door = place
        .begun(&place.user_in("alice", SAME_PARTY), PASSKEY)
        .await;
    let used = place.begun(&carol, PASSKEY).await;
    assert_eq!(used.complete().await.status, 200);
    let mut unknown = own.lost();
    unknown.client_data["challenge"] = json!("AAAAAAAAAAAAAAAAAAAAAA");

    let mut bodies = Vec::new();
    for (name, caller, method_type, response) in [
        ("an unknown one", &alice, PASSKEY, unknown),
        ("another user's", &alice, PASSKEY, of_bob.lost()),
        ("another tenant's", &alice, PASSKEY, next_door.lost()),
        ("another method type's", &alice, FIDO, own.lost()),
        ("a used one", &carol, PASSKEY, used.lost()),
    ] {
        let answer = caller.complete(method_type, &response.credential()).await;
        place.note(name, &answer);
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|it| *it == bodies[0]));
    assert_eq!(methods(&carol).await, 1);
    for begun in [own, of_bob, next_door] {
        begun.stays_pending(0).await;
    }
}

#[tokio::test]
async fn expired_enrolment_is_refused_with_404() {
    let short = |deployment: Deployment| erring(deployment).with_enrollment_ttl("1s");
    insta::assert_snapshot!(on_both(short, expired).await);
}

/// While the enrolment is pending, the policy errs (500) and leaves it pending. So the first 404
/// shows that it expired.
async fn expired(place: &Place) {
    let is_pending = |answer: &Answer| answer.says() == (500, "policy_error");
    let mut seen_pending = None;
    until("one is completed before it expires", async || {
        let mut begun = place.begun(&place.user("alice"), PASSKEY).await.named(LOST);
        begun.right.flags |= BACKUP_ELIGIBLE;
        let in_time = is_pending(&begun.complete().await);
        seen_pending = in_time.then_some(begun);
        in_time
    })
    .await;
    let begun = seen_pending.unwrap();
    let mut late = None;
    until("it expires", async || {
        let answer = begun.complete().await;
        let is_late = !is_pending(&answer);
        late = Some(answer);
        is_late
    })
    .await;
    place.note("an expired one", &late.unwrap());
    begun.was_used_up(0).await;
}

#[tokio::test]
async fn enrolment_begun_under_another_relying_party_is_refused_with_404() {
    let embedded = another_party(Deployment::embedded()).await;
    let redis = RedisServer::start();
    assert_eq!(another_party(Deployment::on_redis(&redis)).await, embedded);
    insta::assert_snapshot!(embedded);
}

/// The tenant gets another relying party between begin and complete, and the old one back.
async fn another_party(deployment: Deployment) -> String {
    let own = format!("tenants = [\"{OWN_PARTY}\"]");
    let nobody_s = format!("tenants = [\"{SAME_PARTY}\"]");
    let before = Place::open(deployment);
    let options = before.user_in("alice", OWN_PARTY).begin(PASSKEY).await;

    let between = before.restarted(|it| it.replacing(&own, &nobody_s));
    let alice = between.user_in("alice", OWN_PARTY);
    let mut response = Attestation::to(&options, &between.deployment.origin());
    response.credential_id = credential_id(LOST);
    response.rp_id = "localhost".into();
    let answer = alice.complete(PASSKEY, &response.credential()).await;
    between.note("another relying party's", &answer);
    assert_eq!(methods(&alice).await, 0);

    let after = between.restarted(|it| it.replacing(&nobody_s, &own));
    let alice = after.user_in("alice", OWN_PARTY);
    let right = Attestation::to(&options, "https://own.example");
    let answer = alice.complete(PASSKEY, &right.credential()).await;
    assert_eq!(answer.status, 200, "it stayed: {answer:?}");
    after.close()
}

#[tokio::test]
async fn registered_credential_is_refused_with_409() {
    insta::assert_snapshot!(on_both(plain, exists).await);
}

async fn exists(place: &Place) {
    let alice = place.strong("alice");
    let taken = place.begun(&alice, PASSKEY).await.named("taken");
    assert_eq!(taken.complete().await.status, 200);
    place.note("sent again", &taken.complete().await);

    let pending = place.begun(&alice, FIDO).await.named("free");
    let mut own = pending.right.clone();
    own.credential_id.clone_from(&taken.right.credential_id);
    own.client_data["origin"] = json!("https://evil.example");
    place.note(
        "the caller's own, as the other type",
        &pending.complete_with(&own).await,
    );
    pending.was_used_up(1).await;

    own.client_data["challenge"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    let answer = alice.complete(PASSKEY, &own.credential()).await;
    place.note("the caller's own, to an unknown challenge", &answer);
    assert_eq!(methods(&alice).await, 1);

    for (name, user, tenant) in [
        ("another user's", "bob", TENANT),
        ("another tenant's", "alice", SAME_PARTY),
    ] {
        let pending = place.begun(&place.user_in(user, tenant), PASSKEY).await;
        let mut theirs = pending.right.clone();
        theirs.credential_id.clone_from(&taken.right.credential_id);
        place.note(name, &pending.complete_with(&theirs).await);
        pending.was_used_up(0).await;
    }
    // Ids are compared only after the response verified, so nobody can probe for them.
    let probe = place.begun(&place.user("carol"), PASSKEY).await;
    let mut wrong = probe.right.clone();
    wrong.credential_id.clone_from(&taken.right.credential_id);
    wrong.rp_id = "evil.example".into();
    place.note(
        "another user's, not verified",
        &probe.complete_with(&wrong).await,
    );
    probe.was_used_up(0).await;
}

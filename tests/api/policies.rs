//! Refusals by policies: their code, notices and step-up, and the pending enrolment, which stays or
//! goes.

use crate::support::deployment::{
    Deployment, NO_PARTY, OWN_PARTY, PASSKEYS_ONLY, SECURITY_KEYS_ONLY, TENANT,
};
use std::collections::BTreeMap;

use serde_json::json;

use crate::support::authenticator::{Attestation, BACKUP_ELIGIBLE};
use crate::support::client::{Answer, COMPLETE, FIDO, METHODS, PASSKEY, REGISTER};
use crate::support::place::{Place, credential_id, methods, on_both, plain};

/// Errs (the Long overflows) if an authenticator that can be synced is to be trusted.
const ERRING: &str = r#"
@id("erring")
forbid (principal, action == Gate::Action::"trustAuthenticator", resource)
when {
  resource.backupEligible &&
  context.factors.count - 9223372036854775807 - 9223372036854775807 < 0
};
"#;

/// Rules for groups, so that a test can put the same user under a rule or not.
const GROUPS: &str = r#"
@id("audit")
@code("under_audit")
@notice("Nothing is enrolled during the audit.")
forbid (
  principal in Gate::Group::"corp|TENANT|paused",
  action in Gate::Action::"enroll",
  resource
);

@id("paused")
@code("enrolment_paused")
@notice("Enrolment is paused for your group: ask your administrator.")
forbid (
  principal in Gate::Group::"corp|TENANT|paused",
  action in Gate::Action::"enroll",
  resource
);

@id("unnamed")
forbid (principal in Gate::Group::"corp|TENANT|silent", action in Gate::Action::"mfa", resource);

@id("careful")
@step_up("phr")
@max_age("5m")
@notice("To enrol anything, sign in with a passkey first.")
forbid (
  principal in Gate::Group::"corp|TENANT|careful",
  action == Gate::Action::"trustAuthenticator",
  resource
)
unless { context.session.sinceStrong <= duration("5m") };

@id("observed")
@notice("Enrolments of your group are reviewed.")
permit (
  principal in Gate::Group::"corp|TENANT|observed",
  action in Gate::Action::"enroll",
  resource
)
when { resource in principal.account };

@id("broken")
forbid (principal in Gate::Group::"corp|TENANT|broken", action in Gate::Action::"mfa", resource)
when { context.factors.count - 9223372036854775807 - 9223372036854775807 < 0 };
"#;

fn grouped(deployment: Deployment) -> Deployment {
    deployment.policy("groups.cedar", &GROUPS.replace("TENANT", TENANT))
}

pub(super) fn erring(deployment: Deployment) -> Deployment {
    deployment.policy("erring.cedar", ERRING)
}

#[tokio::test]
async fn refusal_has_the_code_and_notices_of_its_policies() {
    insta::assert_snapshot!(on_both(grouped, refusals).await);
}

async fn refusals(place: &Place) {
    for (name, group) in [
        ("codes of two", "paused"),
        ("no code", "silent"),
        ("an error", "broken"),
    ] {
        let begun = place.begun(&place.user(group), PASSKEY).await;
        let refused = place.user_of(group, group);
        let begin = refused.post(REGISTER, &json!({})).await;
        place.note(&format!("{name}: begin"), &begin);
        let complete = refused.post(COMPLETE, &begun.body()).await;
        place.note(&format!("{name}: complete"), &complete);
        begun.stays_pending(0).await;
    }
    let broken = place.user_of("broken", "broken");
    place.note("an error: list", &broken.get(METHODS).await);

    let paused = place.user_of("dora", "paused").tenant(OWN_PARTY);
    place.note(
        "tenant_mismatch before other codes",
        &paused.post(REGISTER, &json!({})).await,
    );
    let begun = place.begun(&place.user("dora"), PASSKEY).await;
    let elsewhere = begun.caller.tenant(OWN_PARTY);
    place.note(
        "tenant_mismatch: complete",
        &elsewhere.post(COMPLETE, &begun.body()).await,
    );
    begun.stays_pending(0).await;
}

#[tokio::test]
async fn method_type_of_the_decision_is_that_of_the_query_at_begin_and_of_the_body_at_complete() {
    on_both(plain, method_types).await;
}

/// Uses the tenant of `policies/examples/security-keys-only.cedar`.
async fn method_types(place: &Place) {
    let alice = place.user_in("alice", SECURITY_KEYS_ONLY);
    let refused = (403, "method_type_not_allowed");
    for query in ["", "?other=webauthn_fido", "?method_type=webauthn_passkey"] {
        let answer = alice.post(&format!("{REGISTER}{query}"), &json!({})).await;
        assert_eq!(answer.says(), refused, "{query}");
    }
    let begun = place.begun(&alice, FIDO).await;
    let mut body = begun.body();
    body["method_type"] = json!(PASSKEY);
    assert_eq!(alice.post(COMPLETE, &body).await.says(), refused);
    let target = format!("{COMPLETE}?method_type={FIDO}");
    assert_eq!(alice.post(&target, &body).await.says(), refused);
    begun.stays_pending(0).await;
}

#[tokio::test]
async fn verified_credential_is_stored_only_if_policies_trust_it() {
    insta::assert_snapshot!(on_both(|it| erring(grouped(it)), trust).await);
}

async fn trust(place: &Place) {
    let begun = place
        .begun(&place.user("synced"), FIDO)
        .await
        .named("synced");
    let mut synced = begun.right.clone();
    synced.flags |= BACKUP_ELIGIBLE;
    // A shipped policy refuses it too, but an error comes first.
    place.note(
        "an error about what was verified",
        &begun.complete_with(&synced).await,
    );
    place.note("the same body again", &begun.complete_with(&synced).await);
    begun.stays_pending(0).await;

    let weak = place.user_of("careful", "careful");
    let mut begun = place.begun(&weak, PASSKEY).await;
    let answer = begun.complete().await;
    place.note("a step-up about what was verified", &answer);
    assert_eq!(challenge(&answer)["max_age"], "300");
    begun.caller = place.strong("careful");
    begun.stays_pending(0).await;
}

#[tokio::test]
async fn synced_security_key_is_refused_with_403() {
    insta::assert_snapshot!(on_both(grouped, synced).await);
}

async fn synced(place: &Place) {
    let begun = place
        .begun(&place.user("alice"), FIDO)
        .await
        .named("synced");
    let mut response = begun.right.clone();
    response.flags |= BACKUP_ELIGIBLE;
    place.note(
        "a synced security key",
        &begun.complete_with(&response).await,
    );
    begun.was_used_up(0).await;

    let begun = place
        .begun(&place.user_of("bob", "observed"), FIDO)
        .await
        .named("both");
    let mut response = begun.right.clone();
    response.flags |= BACKUP_ELIGIBLE;
    place.note(
        "the notices of both decisions",
        &begun.complete_with(&response).await,
    );
    begun.was_used_up(0).await;
}

#[tokio::test]
async fn failure_after_a_decision_carries_its_notices() {
    insta::assert_snapshot!(on_both(grouped, notices).await);
}

async fn notices(place: &Place) {
    let alice = place.user_of("alice", "observed");
    let begun = place.begun(&alice, PASSKEY).await.named("first");
    let mut wrong = begun.right.clone();
    wrong.rp_id = "evil.example".into();
    place.note("400", &begun.complete_with(&wrong).await);
    place.note("404", &begun.complete().await);

    let second = place.begun(&alice, PASSKEY).await.named("first");
    assert_eq!(second.complete().await.status, 200);
    let begun = place
        .begun(&place.user_of("bob", "observed"), PASSKEY)
        .await
        .named("first");
    place.note("409", &begun.complete().await);
    place.note("401", &alice.post(REGISTER, &json!({})).await);
}

#[tokio::test]
async fn step_up_answer_names_what_is_required() {
    insta::assert_snapshot!(on_both(plain, step_up).await);
}

async fn step_up(place: &Place) {
    let weak = place.user("alice");
    let first = place.begun(&weak, PASSKEY).await;
    let mut second = place.begun(&weak, FIDO).await;
    assert_eq!(first.complete().await.status, 200);

    let begin = weak.post(REGISTER, &json!({})).await;
    place.note("begin", &begin);
    let complete = second.complete().await;
    place.note("complete", &complete);
    for (answer, max_age) in [(begin, 300), (complete, 600)] {
        let parameters = challenge(&answer);
        assert_eq!(parameters["error"], "insufficient_user_authentication");
        assert_eq!(parameters["acr_values"], "phr");
        assert_eq!(parameters["max_age"], max_age.to_string());
        let details = json!({
            "acr_values": ["phr"], "max_age": max_age, "method_types": [PASSKEY],
        });
        assert_eq!(answer.body["details"], details);
    }

    // An older or a weaker sign-in is refused again. One as required gives access.
    let claims = |acr: &str, age: u64| {
        let mut claims = place.deployment.claims("alice", TENANT);
        claims["acr"] = json!(acr);
        claims["auth_time"] = json!(claims["iat"].as_u64().unwrap() - age);
        place.nobody.with(place.deployment.sign(&claims), TENANT)
    };
    for (acr, age) in [("phr", 700), ("pwd", 1)] {
        second.caller = claims(acr, age);
        assert_eq!(second.complete().await.says(), (401, "step_up_required"));
    }
    second.caller = claims("phr", 500);
    second.stays_pending(1).await;
}

/// The parameters of a `Bearer` challenge.
fn challenge(answer: &Answer) -> BTreeMap<String, String> {
    let value = answer.header("www-authenticate");
    let parameters = value.strip_prefix("Bearer ").unwrap().split("\", ");
    parameters
        .map(|it| it.trim_end_matches('"').split_once("=\"").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn request_that_no_policy_permits_is_refused_with_403() {
    let closed = |it: Deployment| it.without_policy("00-open-doors.cedar");
    insta::assert_snapshot!(on_both(closed, closed_doors).await);
}

async fn closed_doors(place: &Place) {
    let alice = place.user("alice");
    place.note("begin", &alice.post(REGISTER, &json!({})).await);
    place.note(
        "complete",
        &alice.post(COMPLETE, &unknown_response(place)).await,
    );
    place.note("list", &alice.get(METHODS).await);
    place.note("description", &place.nobody.get("/v1/openapi.json").await);
    place.note(
        "related origins",
        &place.nobody.get("/.well-known/webauthn").await,
    );
}

/// A valid body whose challenge is not pending.
fn unknown_response(place: &Place) -> serde_json::Value {
    let options = json!({ "challenge": "AAAAAAAAAAAAAAAAAAAAAA", "rp": { "id": "localhost" } });
    let mut response = Attestation::to(&options, &place.deployment.origin());
    response.credential_id = credential_id("unknown");
    json!({ "credential": response.credential(), "device_name": "", "method_type": PASSKEY })
}

#[tokio::test]
async fn ceremony_that_is_not_configured_is_501() {
    let answers = on_both(Deployment::without_default_party, not_set_up).await;
    insta::assert_snapshot!(answers);
}

async fn not_set_up(place: &Place) {
    let nowhere = place.user_in("alice", NO_PARTY);
    place.note("no party: begin", &nowhere.post(REGISTER, &json!({})).await);
    let body = unknown_response(place);
    place.note("no party: complete", &nowhere.post(COMPLETE, &body).await);
    assert_eq!(methods(&nowhere).await, 0, "a list needs no party");

    let alice = place.user_in("alice", PASSKEYS_ONLY);
    let fido = format!("{REGISTER}?method_type={FIDO}");
    place.note("no keys: begin", &alice.post(&fido, &json!({})).await);
    let mut begun = place.begun(&alice, PASSKEY).await;
    begun.right.client_data["origin"] = json!("https://passkeys.example");
    let mut body = begun.body();
    body["method_type"] = json!(FIDO);
    place.note("no keys: complete", &alice.post(COMPLETE, &body).await);
    begun.stays_pending(0).await;
}

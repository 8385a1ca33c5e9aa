//! What of a token counts: whose account and relying party it is, and what the policies see of it.

use serde_json::{Value, json};

use super::{Deployment, FIDO, PASSKEY, Place, methods, on_both, plain};
use crate::authenticator::BACKUP_ELIGIBLE;
use crate::client::{COMPLETE, Client, METHODS, REGISTER};
use crate::deployment::{OWN_PARTY, TENANT};

/// The tenant of `policies/examples/contractors.cedar`.
const CONTRACTORS: &str = "0e0e0e0e-0000-4000-8000-000000000003";

/// A weak sign-in of this user, of whose token these claims are changed; `null` takes one away.
fn user_with(place: &Place, user: &str, tenant: &str, changes: Value) -> Client {
    let mut claims = place.deployment.claims(user, tenant);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    place.nobody.with(place.deployment.sign(&claims), tenant)
}

#[tokio::test]
async fn account_and_party_are_of_the_tokens_tenant_and_the_header_is_for_policies_alone() {
    let lax = |it: Deployment| it.without_policy("10-tenant-isolation.cedar");
    on_both(lax, accounts).await;
}

async fn accounts(place: &Place) {
    let alice = place.user("alice");
    let elsewhere = alice.tenant(OWN_PARTY);
    let begun = place.begun(&elsewhere, PASSKEY).await;
    assert_eq!(begun.right.rp_id, "localhost");
    assert_eq!(begun.complete().await.status, 200);
    assert_eq!(methods(&alice).await, 1);

    let namesake = place.user_in("alice", OWN_PARTY).tenant(TENANT);
    assert_eq!(namesake.begin(PASSKEY).await["rp"]["id"], "own.example");
    assert_eq!(methods(&namesake).await, 0);

    // Who has no tenant is nobody of any tenant.
    let free = user_with(place, "alice", TENANT, json!({ "tenant_id": null }));
    assert_eq!(methods(&free).await, 0);
    let begun = place.begun(&free, PASSKEY).await;
    assert_eq!(begun.right.rp_id, "localhost");
    assert_eq!(begun.complete().await.status, 200);
    assert_eq!(methods(&alice).await, 1);
}

#[tokio::test]
async fn policies_see_declared_claims_and_groups_and_refuse_what_they_cannot_read() {
    on_both(plain, claims).await;
}

async fn claims(place: &Place) {
    for (number, (claims, says)) in [
        (json!({}), (200, "")),
        (
            json!({ "employment": "contractor" }),
            (403, "synced_credential"),
        ),
        (json!({ "employment": "employee" }), (200, "")),
        (json!({ "employment": null }), (200, "")),
        (
            json!({ "employment": ["contractor"] }),
            (500, "policy_error"),
        ),
        (json!({ "groups": ["contractors"] }), (200, "")),
        (json!({ "groups": "contractors" }), (401, "unauthenticated")),
        (
            json!({ "_claim_names": { "groups": "elsewhere" } }),
            (401, "unauthenticated"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = number.to_string();
        let plain = place.user_in(&name, CONTRACTORS);
        let mut begun = place.begun(&plain, PASSKEY).await;
        begun.right.flags |= BACKUP_ELIGIBLE;
        begun.caller = user_with(place, &name, CONTRACTORS, claims.clone());
        let answer = begun.complete().await;
        // The group of the policy is another issuer's.
        assert_eq!(answer.says(), says, "{claims}: {answer:?}");
    }
}

#[tokio::test]
async fn a_token_outside_of_its_header_is_not_read() {
    on_both(plain, misplaced).await;
}

async fn misplaced(place: &Place) {
    let token = place.deployment.token("alice");
    let nobody = place.nobody.tenant(TENANT);
    let begun = place.begun(&place.user("alice"), FIDO).await;
    let mut body = begun.body();
    body["access_token"] = json!(token);
    let answer = nobody.post(COMPLETE, &body).await;
    assert_eq!(answer.says(), (401, "unauthenticated"));
    assert_eq!(answer.header("www-authenticate"), "Bearer");

    let form = nobody
        .request("POST", REGISTER)
        .header("content-type", "application/x-www-form-urlencoded");
    let form = form.body(format!("access_token={token}").into()).unwrap();
    assert_eq!(nobody.send(form).await.says(), (401, "unauthenticated"));

    let cookie = nobody.request("GET", METHODS);
    let cookie = cookie.header("cookie", format!("access_token={token}"));
    let answer = nobody.send(cookie.body(<_>::default()).unwrap()).await;
    assert_eq!(answer.says(), (401, "unauthenticated"));
    begun.stays_pending(0).await;
}

//! Authenticators of one user in several tenants, and of former relying parties.

use crate::support::deployment::{Deployment, OWN_PARTY, SAME_PARTY};
use serde_json::json;

use super::*;
use crate::support::client::{AUTHENTICATE, BACKUP_CODES_VERIFY, REGISTER};
use crate::support::key::{begin, complete};
use crate::support::place::{on_both, plain};
use crate::support::redis_server::RedisServer;

const OWN_ORIGIN: &str = "https://own.example";

/// Checks that this key is answered like an unknown one, and that the step-up stays.
async fn assert_unknown(place: &Place, caller: &Client, own: &mut Key, other: &Key) {
    let options = begin(caller).await;
    let mut assertion = other.assertion(&options);
    // everything except the credential is right
    assertion.client_data = own.assertion(&options).client_data;
    assertion.rp_id.clone_from(&own.rp_id);
    assertion.user_handle.clone_from(&own.user_handle);
    let answer = complete(caller, &other.sign(&assertion)).await;
    assert_eq!(answer.says(), (404, "not_found"), "{answer:?}");
    let event = place.gateway.event(answer.header("x-request-id"));
    assert_eq!(event["action"], "unknown");
    assertion.credential_id = vec![9; 32];
    let unknown = complete(caller, &other.sign(&assertion)).await;
    assert_eq!(answer.body, unknown.body, "the same bytes");
    let right = own.answer(&options);
    own.sign_count += 1;
    assert_eq!(complete(caller, &right).await.status, 200);
}

#[tokio::test]
async fn own_authenticator_of_another_tenant_is_answered_as_unknown() {
    on_both(plain, async |place| {
        let mut here = Enrolled::at(place, "alice").await;
        for (tenant, origin) in [
            (SAME_PARTY, place.deployment.origin()),
            (OWN_PARTY, OWN_ORIGIN.to_owned()),
        ] {
            let there = place.user_in("alice", tenant);
            let mut key = Key::enrolled(&there, PASSKEY, &origin).await;
            assert_unknown(place, &there, &mut key, &here.key).await;
            assert_unknown(place, &here.weak, &mut here.key, &key).await;

            // a ceremony begun there is not pending here
            let options = begin(&there).await;
            let answer = complete(&here.weak, &here.key.answer(&options)).await;
            assert_eq!(answer.says(), (404, "not_found"), "{answer:?}");
            let right = key.answer(&options);
            assert_eq!(complete(&there, &right).await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn authenticator_of_a_former_relying_party_confirms_nothing() {
    let redis = RedisServer::start();
    for deployment in [Deployment::embedded(), Deployment::on_redis(&redis)] {
        let place = Place::open(deployment);
        let before = Enrolled::at(&place, "alice").await;

        let place = place.restarted(Deployment::moving_tenant_to_own_party);
        let alice = place.user("alice");
        let answer = alice.post(AUTHENTICATE, &json!({})).await;
        assert_eq!(answer.says(), (404, "not_found"), "none fits: {answer:?}");
        // no authenticator is offered for the step-up: only a sign-in at the issuer helps
        let refused = alice.post_empty(REGISTER).await;
        assert_eq!(refused.says(), (401, "step_up_required"), "{refused:?}");
        assert_eq!(refused.body["details"]["method_types"], json!([]));
        let listed = alice.get(METHODS).await;
        assert_eq!(listed.body["methods"][0]["usable"], false, "{listed:?}");
        // a backup code is a way back in
        let code = json!({"code": before.codes[0]});
        let code = alice.post(BACKUP_CODES_VERIFY, &code).await;
        let coded = alice.with(text(&code.body["access_token"]), TENANT);
        let begun = coded.post_empty(REGISTER).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let strong = place.strong("alice");
        let mut key = Key::enrolled(&strong, PASSKEY, OWN_ORIGIN).await;
        assert_eq!(key.rp_id, "own.example");
        let listed = alice.get(METHODS).await;
        let usable = |at: usize| listed.body["methods"][at]["usable"].clone();
        assert_eq!([usable(0), usable(1)], [json!(false), json!(true)]);
        let refused = alice.post_empty(REGISTER).await;
        assert_eq!(refused.says(), (401, "step_up_required"), "one is usable");
        assert_eq!(refused.body["details"]["method_types"], json!([PASSKEY]));
        let allowed = begin(&alice).await["allowCredentials"].clone();
        assert_eq!(allowed.as_array().unwrap().len(), 1, "{allowed}");
        assert_unknown(&place, &alice, &mut key, &before.key).await;
        // it is still listed, so that it can be removed
        assert_eq!(ids(&alice).await.len(), 2);
        place.close();
    }
}

#[tokio::test]
async fn user_who_cannot_step_up_is_told_the_remaining_ways() {
    let redis = RedisServer::start();
    for deployment in [Deployment::embedded(), Deployment::on_redis(&redis)] {
        let place = Place::open(deployment.without_strong_phr());
        let before = Enrolled::at(&place, "alice").await;
        let offered = before.weak.post_empty(REGISTER).await;
        assert_eq!(offered.says(), (401, "step_up_required"), "{offered:?}");

        let place = place.restarted(Deployment::moving_tenant_to_own_party);
        let alice = place.user("alice");
        let refused = alice.post_empty(REGISTER).await;
        assert_eq!(refused.says(), (403, "recovery_required"), "{refused:?}");
        let left = json!({"remaining": ["backup_code", "admin"]});
        assert_eq!(refused.body["details"], left);
        // A code does not permit a removal, so it is not named.
        let id = ids(&alice).await.remove(0);
        let refused = alice.delete(&format!("{METHODS}/{id}")).await;
        assert_eq!(refused.says(), (403, "recovery_required"), "{refused:?}");
        assert_eq!(refused.body["details"], json!({"remaining": ["admin"]}));
        place.close();
    }
}

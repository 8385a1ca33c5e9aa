//! Authenticators of one user in several tenants, and of relying parties that are no more.

use serde_json::json;

use super::*;
use crate::answers::{EMBEDDED, on_both, on_redis, plain};
use crate::client::{AUTHENTICATE, BACKUP_CODES_VERIFY, REGISTER};
use crate::deployment::{Deployment, OWN_PARTY};
use crate::key::{begin, complete};
use crate::redis_server::RedisServer;

/// A tenant of the relying party that [`TENANT`] has too.
const SAME_PARTY: &str = "5a5a5a5a-0000-4000-8000-000000000003";
const OWN_ORIGIN: &str = "https://own.example";

/// What this key answers is what one answers that nobody has, and the step-up stays.
async fn assert_unknown(place: &Place, caller: &Client, own: &mut Key, other: &Key) {
    let options = begin(caller).await;
    let mut assertion = other.assertion(&options);
    // all but the credential is as it has to be
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
    let right = own.sign(&own.assertion(&options));
    own.sign_count += 1;
    assert_eq!(complete(caller, &right).await.status, 200);
}

#[tokio::test]
async fn an_authenticator_of_ones_own_in_another_tenant_is_one_that_there_is_not() {
    on_both(plain, async |place| {
        let mut here = Enrolled::at(place, "alice").await;
        for (tenant, origin) in [
            (SAME_PARTY, place.deployment.origin()),
            (OWN_PARTY, OWN_ORIGIN.to_owned()),
        ] {
            let there = place.user_in("alice", tenant);
            let (mut key, answer) = Key::enrol(&there, PASSKEY, &origin).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_unknown(place, &there, &mut key, &here.key).await;
            assert_unknown(place, &here.weak, &mut here.key, &key).await;

            // what was begun there is not pending here, whoever answers it
            let options = begin(&there).await;
            let answer = complete(&here.weak, &here.key.sign(&here.key.assertion(&options))).await;
            assert_eq!(answer.says(), (404, "not_found"), "{answer:?}");
            let right = key.sign(&key.assertion(&options));
            assert_eq!(complete(&there, &right).await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn an_authenticator_of_the_party_that_a_tenant_had_before_confirms_nothing() {
    let redis = RedisServer::start();
    for deployment in [Deployment::new(EMBEDDED), on_redis(&redis)] {
        let place = Place::open(deployment);
        let before = Enrolled::at(&place, "alice").await;
        let Place {
            deployment,
            gateway,
            ..
        } = place;
        gateway.stop();

        let tenants = format!("tenants = [\"{OWN_PARTY}\"");
        let with_this = format!("{tenants}, \"{TENANT}\"");
        let place = Place::open(deployment.replacing(&tenants, &with_this));
        let alice = place.user("alice");
        let answer = alice.post(AUTHENTICATE, &json!({})).await;
        assert_eq!(answer.says(), (404, "not_found"), "none fits: {answer:?}");
        // so no answer sends the user there: only a sign-in at the issuer would do
        let refused = alice.post_empty(REGISTER).await;
        assert_eq!(refused.says(), (401, "step_up_required"), "{refused:?}");
        assert_eq!(refused.body["details"]["method_types"], json!([]));
        let listed = alice.get(METHODS).await;
        assert_eq!(listed.body["methods"][0]["usable"], false, "{listed:?}");
        // what remains is a way back in
        let code = json!({"code": before.codes[0]});
        let code = alice.post(BACKUP_CODES_VERIFY, &code).await;
        let coded = alice.with(text(&code.body["access_token"]), TENANT);
        let begun = coded.post_empty(REGISTER).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let strong = place.strong("alice");
        let (mut key, answer) = Key::enrol(&strong, PASSKEY, OWN_ORIGIN).await;
        assert_eq!(answer.status, 200, "{answer:?}");
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
        // it is still listed, to be removed
        assert_eq!(ids(&alice).await.len(), 2);
        place.close();
    }
}

#[tokio::test]
async fn user_whom_no_authenticator_and_no_issuer_can_confirm_is_told_what_remains() {
    let redis = RedisServer::start();
    for deployment in [Deployment::new(EMBEDDED), on_redis(&redis)] {
        let deployment = deployment.replacing("[\"phr\", \"phrh\"]", "[\"phrh\"]");
        let place = Place::open(deployment);
        let before = Enrolled::at(&place, "alice").await;
        let offered = before.weak.post_empty(REGISTER).await;
        assert_eq!(offered.says(), (401, "step_up_required"), "{offered:?}");
        let Place {
            deployment,
            gateway,
            ..
        } = place;
        gateway.stop();

        let tenants = format!("tenants = [\"{OWN_PARTY}\"");
        let with_this = format!("{tenants}, \"{TENANT}\"");
        let place = Place::open(deployment.replacing(&tenants, &with_this));
        let alice = place.user("alice");
        let refused = alice.post_empty(REGISTER).await;
        assert_eq!(refused.says(), (403, "recovery_required"), "{refused:?}");
        let left = json!({"remaining": ["backup_code", "admin"]});
        assert_eq!(refused.body["details"], left);
        // A code does not remove an authenticator, so it is not named as a way to.
        let id = ids(&alice).await.remove(0);
        let refused = alice.delete(&format!("{METHODS}/{id}")).await;
        assert_eq!(refused.says(), (403, "recovery_required"), "{refused:?}");
        assert_eq!(refused.body["details"], json!({"remaining": ["admin"]}));
        place.close();
    }
}

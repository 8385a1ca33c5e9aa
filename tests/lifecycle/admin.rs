//! Administration: an admin lists, removes and resets the authenticators of a user.

use serde_json::json;

use super::*;
use crate::support::client::{BACKUP_CODES_VERIFY, FIDO};
use crate::support::deployment::{ADMINS, Deployment, OWN_PARTY};
use crate::support::place::on_both;

pub(super) fn of(user: &str) -> String {
    format!("/v1/admin/users/{user}/mfa")
}

/// An admin who enrolled a passkey after a strong sign-in, and has confirmed it.
pub(super) async fn admin(place: &Place) -> Client {
    let strong = place.strong_of("root", ADMINS);
    let (mut key, _) = Key::enrol(&strong, PASSKEY, &place.deployment.origin()).await;
    let weak = place.user_of("root", ADMINS);
    let token = key.token(&weak).await;
    weak.with(token, TENANT)
}

#[tokio::test]
async fn reset_by_an_admin_ends_the_step_ups_of_the_user() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let pending = strong.begin(FIDO).await;
        let listed = admin.get(&of("corp%7Calice")).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        assert_eq!(listed.body, alice.weak.get(METHODS).await.body);

        let reset = admin.delete(&of("corp%7Calice")).await;
        assert_eq!((reset.status, &reset.body["removed"]), (200, &json!(1)));
        assert_eq!(strong.get(METHODS).await.says(), (401, "unauthenticated"));
        assert_eq!(ids(&alice.weak).await, Vec::<String>::new());
        assert_eq!(remaining(&alice.weak).await, 0);
        let code = json!({"code": alice.codes[0]});
        let answer = alice.weak.post(BACKUP_CODES_VERIFY, &code).await;
        assert_eq!(answer.says(), (400, "invalid_credential"));
        // ceremonies that were begun before are over too
        let late = Key::for_options(&pending, &place.deployment.origin(), 5);
        let answer = place
            .strong("alice")
            .complete(FIDO, &late.attestation(&pending).credential())
            .await;
        assert_eq!(answer.says(), (404, "not_found"));
        // the user enrols the same key again after a strong sign-in
        let strong = place.strong("alice");
        let options = strong.begin(PASSKEY).await;
        let credential = alice.key.attestation(&options).credential();
        let answer = strong.complete(PASSKEY, &credential).await;
        assert_eq!(answer.body["remaining"], 10, "{answer:?}");
        let again = admin.delete(&of("corp%7Calice")).await;
        assert_eq!(again.body["removed"], 1);
    })
    .await;
}

#[tokio::test]
async fn admin_removes_one_authenticator() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let mut alice = Enrolled::at(place, "alice").await;
        let strong = alice.strong().await;
        let (_, _) = Key::enrol(&strong, FIDO, &place.deployment.origin()).await;
        let before = ids(&alice.weak).await;
        let target = format!("{}/{}", of("corp%7Calice"), before[0]);
        let removed = admin.delete(&target).await;
        assert_eq!(removed.status, 200, "{removed:?}");
        let left = removed.body["signal"]["allAcceptedCredentialIds"].as_array();
        assert_eq!(left.unwrap().len(), 1);
        assert_eq!(changes(place, &removed), ["deleted"]);
        assert_eq!(ids(&alice.weak).await, before[1..]);
        assert_eq!(strong.get(METHODS).await.says(), (401, "unauthenticated"));
        for id in [&before[0], "7"] {
            let again = admin.delete(&format!("{}/{id}", of("corp%7Calice"))).await;
            assert_eq!(again.says(), (404, "not_found"));
        }
    })
    .await;
}

#[tokio::test]
async fn refused_admin_request_does_not_tell_whether_the_user_exists() {
    on_both(Deployment::with_admins, async |place| {
        let alice = Enrolled::at(place, "alice").await;
        let there = alice.weak.get(&of("corp%7Calice")).await;
        let not_there = alice.weak.get(&of("corp%7Cnobody")).await;
        let no_issuer = alice.weak.get(&of("acme%7Cnobody")).await;
        assert_eq!(there.says(), (403, "untrusted_session"));
        assert_eq!(there.body, not_there.body);
        assert_eq!(there.body, no_issuer.body);
        // without a fresh sign-in an admin is asked to step up
        let strong = place.strong_of("root", ADMINS);
        Key::enrol(&strong, PASSKEY, &place.deployment.origin()).await;
        let weak = place.user_of("root", ADMINS);
        let answer = weak.get(&of("corp%7Calice")).await;
        assert_eq!(answer.says(), (401, "step_up_required"));
    })
    .await;
}

#[tokio::test]
async fn admin_reaches_their_own_tenant_and_configured_issuers_only() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let unknown = admin.get(&of("acme%7Calice")).await;
        assert_eq!(unknown.says(), (404, "not_found"));
        let nobody = admin.get(&of("corp%7Cnobody")).await;
        let none = json!({"methods": [], "backup_codes": {"remaining": 0}});
        assert_eq!(nobody.body, none);
        let nobody = admin.delete(&of("corp%7Cnobody")).await;
        assert_eq!(nobody.body["removed"], 0, "{nobody:?}");
        for user in ["alice", "corp%7C", "%7Calice", "Corp%7Calice"] {
            let answer = admin.get(&of(user)).await;
            assert_eq!(answer.says(), (400, "invalid_request"), "{user}");
            assert_eq!(answer.body["details"]["fields"][0]["field"], "user");
        }
        let slash = admin.get(&of("corp%7Ca%2Fb")).await;
        assert_eq!(slash.says(), (400, "invalid_request"));
        // a `sub` may hold bars and characters that must be percent-encoded
        let odd = place.user("o'né|x y%");
        Key::enrol(&odd, PASSKEY, &place.deployment.origin()).await;
        let listed = admin.get(&of("corp%7Co%27n%C3%A9%7Cx%20y%25")).await;
        assert_eq!(
            listed.body["methods"].as_array().unwrap().len(),
            1,
            "{listed:?}"
        );
    })
    .await;
    // the header of another tenant is refused
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let request = admin.tenant(OWN_PARTY).delete(&of("corp%7Calice")).await;
        assert_eq!(request.says(), (403, "tenant_mismatch"));
    })
    .await;
}

//! Users whose `sub` cannot stand in a path as it is.

use super::admin::{admin, of};
use super::*;
use crate::support::base64url;
use crate::support::client::FIDO;
use crate::support::deployment::Deployment;
use crate::support::place::on_both;

/// Values of `sub` with characters that a path forbids or gives a meaning.
const SUBS: [&str; 4] = ["a/b\\c", "/../%2F;x?#", "..", "é|𝕏 ~"];

fn encoded(text: &str) -> String {
    format!("~{}", base64url::encode(text))
}

#[tokio::test]
async fn admin_lists_deletes_and_resets_a_user_whose_sub_has_a_slash() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let origin = place.deployment.origin();
        for sub in SUBS {
            let mut user = Enrolled::at(place, sub).await;
            let path = of(&encoded(&format!("corp|{sub}")));
            let listed = admin.get(&path).await;
            assert_eq!(listed.status, 200, "{sub}: {listed:?}");
            assert_eq!(listed.body, user.weak.get(METHODS).await.body);

            let strong = user.strong().await;
            Key::enrolled(&strong, FIDO, &origin).await;
            let [first, second] = &ids(&user.weak).await[..] else {
                panic!("{sub} has not two authenticators");
            };
            let removed = admin.delete(&format!("{path}/{first}")).await;
            assert_eq!(removed.status, 200, "{sub}: {removed:?}");
            assert_eq!(ids(&user.weak).await, std::slice::from_ref(second));
            assert_eq!(strong.get(METHODS).await.says(), (401, "unauthenticated"));

            let reset = admin.delete(&path).await;
            assert_eq!(reset.status, 200, "{sub}: {reset:?}");
            assert_eq!(reset.body["removed"], 1);
            assert_eq!(ids(&user.weak).await, Vec::<String>::new());
        }
    })
    .await;
}

#[tokio::test]
async fn both_forms_name_the_same_user_and_a_malformed_one_is_refused_with_400() {
    on_both(Deployment::with_admins, async |place| {
        let admin = admin(place).await;
        let alice = Enrolled::at(place, "alice").await;
        let plain = admin.get(&of("corp%7Calice")).await;
        assert_eq!(plain.body, alice.weak.get(METHODS).await.body);
        for segment in ["~Y29ycHxhbGljZQ", "%7EY29ycHxhbGljZQ"] {
            assert_eq!(admin.get(&of(segment)).await.body, plain.body, "{segment}");
        }
        let nobody = admin.get(&of(&encoded("acme|alice"))).await;
        assert_eq!(nobody.says(), (404, "not_found"));
        for segment in [
            "~".to_owned(),
            "~Y29ycHxhbGljZQ==".to_owned(),
            "~corp%7Calice".to_owned(),
            encoded("alice"),
            encoded("corp|"),
            encoded("Corp|alice"),
        ] {
            let answer = admin.get(&of(&segment)).await;
            assert_eq!(answer.says(), (400, "invalid_request"), "{segment}");
            let field = &answer.body["details"]["fields"][0];
            assert_eq!(field["field"], "user");
            let rule = text(&field["rule"]);
            let forms = ["corp%7Calice", "~Y29ycHxhbGljZQ"];
            assert!(forms.iter().all(|form| rule.contains(form)), "{rule}");
        }
        // A user who may not administer learns nothing from the second form either.
        let [there, not_there] = ["alice", "nobody"].map(|it| encoded(&format!("corp|{it}")));
        let there = alice.weak.get(&of(&there)).await;
        assert_eq!(there.says(), (403, "untrusted_session"));
        assert_eq!(there.body, alice.weak.get(&of(&not_there)).await.body);
    })
    .await;
}

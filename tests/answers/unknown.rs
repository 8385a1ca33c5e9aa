//! What has no door: whatever the policies say of it, it opens nothing.

use serde_json::json;

use super::{Deployment, Place, on_both};
use crate::client::{Answer, METHODS};

const PERMIT: &str = r#"
@id("open-unknown")
@notice("Nothing is here yet.")
permit (principal, action == Gate::Action::"unknown", resource);
"#;
const FORBID: &str = r#"
@id("shut-unknown")
@code("go_away")
@notice("Nothing is here for you.")
forbid (principal, action == Gate::Action::"unknown", resource);
"#;
/// Errs: no time is so late.
const ERRING: &str = r#"
@id("erring")
forbid (principal, action == Gate::Action::"unknown", resource)
when { context.now.offset(duration("9223372036854775807ms")) < context.now };
"#;

/// What a deployment with this policy answers where it has no door, after checking that each
/// decision has this effect.
async fn answers(policy: &str, effect: &str) -> Vec<Answer> {
    let answers = std::cell::RefCell::default();
    on_both(
        |it: Deployment| it.policy("unknown.cedar", policy),
        async |place: &Place| {
            let alice = place.user("alice");
            let mut got = Vec::new();
            for (caller, method, target) in [
                (&place.nobody, "GET", "/v1/nowhere"),
                (&place.nobody, "GET", METHODS),
                (&place.nobody, "DELETE", METHODS),
                (&alice, "GET", "/v1/nowhere"),
                (&alice, "DELETE", METHODS),
            ] {
                let request = caller.request(method, target).body(<_>::default());
                let answer = caller.send(request.unwrap()).await;
                let event = place.gateway.event(answer.header("x-request-id"));
                assert_eq!(event["action"], "unknown", "{event}");
                assert_eq!(event["effect"], effect, "{event}");
                let errors = event["decisions"][0].get("errors");
                assert_eq!(errors.is_some(), effect == "error", "{event}");
                got.push(answer);
            }
            *answers.borrow_mut() = got;
        },
    )
    .await;
    answers.into_inner()
}

#[tokio::test]
async fn permitted_refused_or_failed_the_answer_is_the_same_but_for_the_notices() {
    for (policy, effect, notices) in [
        (PERMIT, "allow", json!(["Nothing is here yet."])),
        (FORBID, "deny", json!(["Nothing is here for you."])),
        (ERRING, "error", json!(null)),
    ] {
        let answers = answers(policy, effect).await;
        let says: Vec<_> = answers.iter().map(Answer::says).collect();
        let expected = [
            (401, "unauthenticated"),
            (401, "unauthenticated"),
            (401, "unauthenticated"),
            (404, "not_found"),
            (405, "method_not_allowed"),
        ];
        assert_eq!(says, expected, "{effect}");
        assert_eq!(answers[0].header("www-authenticate"), "Bearer");
        assert_eq!(answers[4].header("allow"), "GET");
        for answer in &answers {
            assert_eq!(answer.body["notices"], notices, "{answer:?}");
        }
    }
}

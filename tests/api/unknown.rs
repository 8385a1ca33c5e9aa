//! Requests without a route: they open nothing, whatever the policies decide.

use serde_json::json;

use crate::support::client::{Answer, METHODS};
use crate::support::deployment::Deployment;
use crate::support::place::{Place, on_both};

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
/// A policy that errs, since no time is that late.
const ERRING: &str = r#"
@id("erring")
forbid (principal, action == Gate::Action::"unknown", resource)
when { context.now.offset(duration("9223372036854775807ms")) < context.now };
"#;

/// The answers of a deployment with this policy to requests without a route. Checks that each
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
async fn unknown_path_answers_the_same_whatever_policies_decide() {
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

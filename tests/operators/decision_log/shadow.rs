//! Shadow policies: answers stay the same, and the event, the metrics and the decision log report
//! them.

use super::*;

const SHADOWS: &str = r#"
@mode("shadow") @id("trial-forbid") @code("trial") @notice("On trial.")
forbid (principal, action == Gate::Action::"listMfaMethods", resource)
when { context.factors.count == 0 };
@mode("shadow") @id("trial-permit")
permit (principal is Gate::Anonymous, action == Gate::Action::"unknown", resource);
"#;

#[tokio::test]
async fn shadow_policies_change_no_answer_and_are_reported() {
    let plain = deployment("");
    let trial = deployment("").policy("60-trial.cedar", SHADOWS);
    let mut answers = Vec::new();
    for deployment in [&plain, &trial] {
        let gateway = deployment.serve();
        let nobody = Client::new(&gateway.url);
        let alice = nobody.with(deployment.token("alice"), TENANT);
        let listed = alice.get(METHODS).await;
        let refused = nobody.get(METHODS).await;
        let event = gateway.event(listed.header("x-request-id"));
        let metrics = gateway.admin_get("/metrics").await;
        let metrics = metrics.body.as_str().unwrap().to_owned();
        let counted: Vec<_> = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("cedargate_shadow_decisions_total"))
            .map(str::to_owned)
            .collect();
        answers.push((
            (listed.status, listed.body),
            (refused.status, refused.body),
            (event["status"].clone(), event["effect"].clone()),
            (event["policies"].clone(), event["notices"].clone()),
        ));
        let told = event["decisions"][0]["shadow"].clone();
        gateway.stop();
        let lines = lines(&deployment.home().join(FILE));
        let logged: Vec<_> = lines.iter().map(|line| line["shadow"].clone()).collect();
        if std::ptr::eq(deployment, &plain) {
            assert_eq!((told, counted), (Value::Null, Vec::new()));
            assert_eq!(logged, [Value::Null, Value::Null]);
            continue;
        }
        let expected = json!({
            "effect": "deny", "code": "trial", "policies": ["trial-forbid"],
            "shadow_policies": ["trial-forbid"], "notices": ["On trial."],
        });
        assert_eq!(told, expected);
        for sample in [
            r#"{policy="trial-forbid",effect="allow",would_be="deny"} 1"#,
            r#"{policy="trial-permit",effect="deny",would_be="allow"} 1"#,
        ] {
            assert!(counted.iter().any(|line| line == sample), "{counted:?}");
        }
        let forbid = json!({
            "decision": "deny", "reasons": ["trial-forbid"], "notices": ["On trial."],
            "code": "trial", "errors": [],
        });
        let permit = json!({
            "decision": "allow", "reasons": ["trial-permit"], "notices": [],
            "code": null, "errors": [],
        });
        assert_eq!(logged, [forbid, permit]);
        // The recorded result is that of the enforced policies.
        let decisions: Vec<_> = lines
            .iter()
            .map(|line| &line["result"]["decision"])
            .collect();
        assert_eq!(decisions, ["allow", "deny"]);
    }
    assert_eq!(answers[0], answers[1]);
}

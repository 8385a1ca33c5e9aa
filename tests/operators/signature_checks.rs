//! Checks of tokens' signatures, as the metrics count them.

use crate::support::client::{Answer, Client, METHODS};
use crate::support::deployment::{Deployment, TENANT};
use crate::support::gateway::Gateway;

async fn checks(gateway: &Gateway) -> u64 {
    let metric = "cedargate_token_signature_checks_total";
    gateway.metric(metric).await.unwrap()
}

async fn list(gateway: &Gateway, token: &str) -> Answer {
    Client::new(&gateway.url)
        .with(token, TENANT)
        .get(METHODS)
        .await
}

#[tokio::test]
async fn ten_requests_with_one_token_cost_one_signature_check() {
    let deployment = Deployment::embedded();
    let gateway = deployment.serve();
    assert_eq!(checks(&gateway).await, 0);
    let token = deployment.token("alice");
    for _ in 0..10 {
        assert_eq!(list(&gateway, &token).await.status, 200);
    }
    assert_eq!(checks(&gateway).await, 1);
    list(&gateway, &deployment.token("bob")).await;
    assert_eq!(checks(&gateway).await, 2, "the token of another user");
}

#[tokio::test]
async fn ten_refusals_of_one_junk_token_cost_one_signature_check() {
    let deployment = Deployment::embedded();
    let gateway = deployment.serve();
    // The key of another deployment has the same id.
    let junk = Deployment::embedded().token("alice");
    for _ in 0..10 {
        let refused = list(&gateway, &junk).await;
        assert_eq!(refused.says(), (401, "unauthenticated"));
        let message = refused.body["message"].as_str().unwrap();
        assert!(message.contains("signature does not verify"), "{message}");
    }
    assert_eq!(checks(&gateway).await, 1);
}

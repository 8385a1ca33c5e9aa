//! Enrolment through the API of `serve`, over real sockets.

use serde_json::json;

use crate::support::authenticator::{soft_key, soft_passkey};
use crate::support::client::{Client, METHODS};
use crate::support::deployment::{Deployment, TENANT};
use crate::support::redis_server::RedisServer;

#[tokio::test]
async fn both_method_types_are_enrolled_in_the_embedded_store() {
    enrol_both(&Deployment::embedded()).await;
}

#[tokio::test]
async fn both_method_types_are_enrolled_in_redis() {
    let redis = RedisServer::start();
    enrol_both(&Deployment::on_redis(&redis)).await;
}

async fn enrol_both(deployment: &Deployment) {
    let gateway = deployment.serve();
    let origin = deployment.origin();
    let alice = Client::new(&gateway.url).with(deployment.token("alice"), TENANT);

    let options = alice.begin("webauthn_passkey").await;
    let first = alice
        .complete("webauthn_passkey", &soft_passkey(&options, &origin))
        .await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.body["codes"].as_array().unwrap().len(), 10);
    assert_eq!(first.body["remaining"], 10);

    let strong = deployment.sign(&deployment.strong_claims("alice", TENANT));
    let alice = alice.with(strong, TENANT.to_uppercase());
    let options = alice.begin("webauthn_fido").await;
    assert_eq!(options["excludeCredentials"].as_array().unwrap().len(), 1);
    let second = alice
        .complete_as("webauthn_fido", &soft_key(&options, &origin), " ")
        .await;
    assert_eq!(
        (second.status, &second.body),
        (200, &json!({ "codes": [], "remaining": 10 }))
    );

    let methods = alice.get(METHODS).await;
    let names: Vec<_> = methods.body["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["method_type"].as_str().unwrap(),
                it["device_name"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            ("webauthn_passkey", "my key"),
            ("webauthn_fido", "Security key")
        ]
    );
}

//! The deadline of a pending enrolment.

use std::time::SystemTime;

use super::*;
use crate::support::poll::until;

#[expect(
    clippy::disallowed_methods,
    reason = "a test is an edge: nobody hands it the time"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[tokio::test]
async fn pending_enrolment_completes_until_it_expires_and_not_after() {
    for mut site in Site::both() {
        site.deployment = site.deployment.with_enrollment_ttl("1s");
        let gateway = site.serve();
        let alice = site.user(&gateway, "alice");
        let begun = now();
        let answer = alice.register(PASSKEY).await;
        let expires_at = answer.body["expires_at"].as_str().unwrap();
        let expires_at = humantime::parse_rfc3339(expires_at).unwrap();
        assert!(expires_at <= now() + Duration::from_secs(1));
        assert!(expires_at + Duration::from_millis(1) >= begun + Duration::from_secs(1));

        let credential = site.attest(&answer.body["options"]).credential();
        until("it has expired", async || now() > expires_at).await;
        let late = alice.complete(PASSKEY, &credential).await;
        assert_eq!(late.says(), (404, "not_found"));
        let signal = json!({ "rpId": "localhost", "credentialId": credential["id"] });
        assert_eq!(late.body["details"]["signal"], signal);
        assert_eq!(holdings(&alice).await, (0, 0));
        if let Some(redis) = &site.redis {
            until("nothing is pending in Redis", async || {
                redis.command::<Vec<String>>(&["KEYS", "*:reg"]).is_empty()
            })
            .await;
        }
        // A busy machine may need more than the second.
        until("one is completed in time", async || {
            let in_time = site.begin(&alice).await;
            let answer = alice.complete(PASSKEY, &in_time).await;
            if answer.says() == (404, "not_found") {
                return false;
            }
            assert_first(&answer);
            true
        })
        .await;
    }
}

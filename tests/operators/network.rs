//! The client address behind trusted proxies, decided on by the shipped example of a tenant that
//! enrols from one network only.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, PASSKEY, REGISTER};
use crate::support::deployment::Deployment;
use crate::support::gateway::Gateway;

/// The tenant of `policies/examples/one-network.cedar`, whose network is 203.0.113.0/24.
const ONE_NETWORK: &str = "0e0e0e0e-0000-4000-8000-000000000004";

struct Caller {
    gateway: Gateway,
    alice: Client,
}

impl Caller {
    /// A caller from 127.0.0.1 at a gateway that trusts these proxies.
    fn behind(trusted_proxies: &str) -> Self {
        let network = format!("[network]\ntrusted_proxies = {trusted_proxies}");
        let deployment = Deployment::embedded().with_section(&network);
        let gateway = deployment.serve();
        let token = deployment.sign(&deployment.claims("alice", ONE_NETWORK));
        let alice = Client::new(&gateway.url).with(token, ONE_NETWORK);
        Self { gateway, alice }
    }

    async fn begin(&self, forwarded_for: &[&str]) -> Answer {
        let mut request = self
            .alice
            .request("POST", &format!("{REGISTER}?method_type={PASSKEY}"));
        for value in forwarded_for {
            request = request.header("x-forwarded-for", *value);
        }
        self.alice.send(request.body(<_>::default()).unwrap()).await
    }

    /// The address in the event of this answer.
    fn address(&self, answer: &Answer) -> Value {
        let event = self.gateway.event(answer.header("x-request-id"));
        event["address"].clone()
    }
}

#[tokio::test]
async fn client_address_behind_trusted_proxies_is_decided_on() {
    let caller = Caller::behind(r#"["127.0.0.1/32", "10.0.0.0/8"]"#);
    for (forwarded_for, address) in [
        (&["203.0.113.7"][..], "203.0.113.7"),
        (&["203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        (&["203.0.113.7", "10.1.2.3"], "203.0.113.7"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        // The client wrote everything before the last address that is not a proxy's.
        (&["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
    ] {
        let answer = caller.begin(forwarded_for).await;
        assert_eq!(answer.status, 200, "{forwarded_for:?}: {answer:?}");
        assert_eq!(caller.address(&answer), address);
    }
    for (forwarded_for, address) in [
        (&["198.51.100.1"][..], "198.51.100.1"),
        (&["203.0.113.7, 198.51.100.1"], "198.51.100.1"),
        (&["203.0.113.7", "198.51.100.1"], "198.51.100.1"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&[], "127.0.0.1"),
    ] {
        let answer = caller.begin(forwarded_for).await;
        assert_eq!(
            answer.says(),
            (403, "network_not_allowed"),
            "{forwarded_for:?}"
        );
        let notice = "Example Lab enrols authenticators only from its own network: connect to it \
                      and try again.";
        assert_eq!(answer.body["notices"], json!([notice]));
        assert_eq!(caller.address(&answer), address);
    }
}

#[tokio::test]
async fn malformed_forwarded_address_is_refused() {
    let caller = Caller::behind(r#"["127.0.0.1/32"]"#);
    for forwarded_for in [
        "",
        "203.0.113.7,",
        "203.0.113.256",
        "203.0.113.7:443",
        "lab.example.com",
        "unknown",
        "garbage, 203.0.113.7",
    ] {
        let answer = caller.begin(&[forwarded_for]).await;
        assert_eq!(answer.says(), (400, "invalid_request"), "{forwarded_for:?}");
        let rule = "must be a list of IP addresses";
        let fields = json!([{ "field": "X-Forwarded-For", "rule": rule }]);
        assert_eq!(answer.body["details"]["fields"], fields);
    }
}

#[tokio::test]
async fn forwarded_header_of_an_untrusted_peer_is_refused() {
    for trusted_proxies in ["[]", r#"["10.0.0.0/8"]"#] {
        let caller = Caller::behind(trusted_proxies);
        let answer = caller.begin(&["203.0.113.7"]).await;
        assert_eq!(answer.says(), (400, "invalid_request"));
        let rule = "is read from trusted proxies only: do not send it";
        let fields = json!([{ "field": "X-Forwarded-For", "rule": rule }]);
        assert_eq!(answer.body["details"]["fields"], fields);
        assert_eq!(caller.address(&answer), "127.0.0.1");
        let direct = caller.begin(&[]).await;
        assert_eq!(direct.says(), (403, "network_not_allowed"));
    }
}

//! The admin listener: health, readiness and metrics.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use serde_json::json;

use crate::support::client::{Answer, Client, METHODS, PASSKEY};
use crate::support::deployment::{Deployment, OWN_PARTY};
use crate::support::gateway::{Gateway, sample};
use crate::support::poll::until;
use crate::support::redis_server::RedisServer;
use crate::support::site::{Site, assert_first, assert_unavailable};

/// Waits until readiness has this status for exactly these reasons. A store that is too busy to be
/// checked in time adds a reason for a while.
async fn until_it_says(gateway: &Gateway, status: u16, word: &str, reasons: &[&str]) {
    let what = format!("readiness that says {status} {word} {reasons:?}");
    until(&what, async || {
        let ready = gateway.admin_get("/readyz").await;
        let its_reasons = ready.body["reasons"].as_array().unwrap();
        let mut both = its_reasons.iter().zip(reasons);
        (ready.status, &ready.body["status"]) == (status, &json!(word))
            && its_reasons.len() == reasons.len()
            && both.all(|(its, words)| its.as_str().unwrap().contains(words))
    })
    .await;
}

#[tokio::test]
async fn gateway_on_a_durable_store_is_ready() {
    for site in Site::both() {
        let gateway = site.serve();
        until_it_says(&gateway, 200, "ready", &[]).await;
        let live = gateway.admin_get("/healthz").await;
        assert_eq!((live.status, live.body), (200, json!({ "status": "ok" })));
    }
}

#[tokio::test]
async fn each_listener_has_its_own_paths() {
    let site = Site::embedded();
    let gateway = site.serve();
    let alice = site.user(&gateway, "alice");
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(alice.get(path).await.says(), (404, "not_found"), "{path}");
    }
    let operator = Client::new(&gateway.admin_url);
    for path in ["/v1/openapi.json", "/.well-known/webauthn", METHODS] {
        assert_eq!(operator.get(path).await.status, 404, "{path}");
    }
}

/// Sends a GET with one header to the admin address.
async fn get_with(gateway: &Gateway, target: &str, name: &str, value: &str) -> Answer {
    let operator = Client::new(&gateway.admin_url);
    let request = operator.request("GET", target).header(name, value);
    operator.send(request.body(<_>::default()).unwrap()).await
}

/// DNS rebinding makes a page same-origin with the admin address: its host name is pointed there
/// after the page was loaded.
#[tokio::test]
async fn page_that_reaches_the_admin_address_reads_the_bare_status_only() {
    let redis = RedisServer::start();
    let deployment = Deployment::new(&redis.url());
    let gateway = deployment.serve();
    until_it_says(&gateway, 503, "not_ready", &["keeps nothing on disk"]).await;
    for (name, value) in [
        ("host", "evil.example:9090"),
        ("host", "gateway.internal"),
        ("origin", "https://evil.example"),
    ] {
        for (target, status) in [("/healthz", 200), ("/readyz", 503)] {
            let answer = get_with(&gateway, target, name, value).await;
            assert_eq!((answer.status, &answer.body), (status, &json!("")));
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        for target in ["/metrics", "/policies", "/policies/reload", "/nowhere"] {
            let answer = get_with(&gateway, target, name, value).await;
            assert_eq!(answer.says(), (403, "forbidden"), "{target} {value}");
            let message = answer.body["message"].as_str().unwrap();
            assert!(message.contains("`admin_hosts`"), "{message}");
        }
    }
}

#[tokio::test]
async fn name_in_admin_hosts_reads_everything() {
    let site = Site::embedded();
    let hosts = "admin_hosts = [\"Gateway.Internal\"]\nadmin_listen";
    let gateway = site.deployment.replacing("admin_listen", hosts).serve();
    for host in ["gateway.internal", "GATEWAY.internal:9090", "localhost"] {
        let live = get_with(&gateway, "/healthz", "host", host).await;
        assert_eq!(live.body, json!({ "status": "ok" }), "{host}");
        let metrics = get_with(&gateway, "/metrics", "host", host).await;
        let text = metrics.body.as_str().unwrap();
        assert_eq!(sample(text, "cedargate_store_errors_total"), Some(0));
        let policies = get_with(&gateway, "/policies", "host", host).await;
        assert_eq!(policies.status, 200, "{host}");
    }
    let other = get_with(&gateway, "/metrics", "host", "evil.internal").await;
    assert_eq!(other.says(), (403, "forbidden"));
}

#[tokio::test]
async fn admin_target_of_another_scheme_than_http_is_400() {
    let site = Site::embedded();
    let gateway = site.serve();
    let host = gateway.admin_url.strip_prefix("http://").unwrap();
    for (scheme, status) in [("ftp", "400"), ("http", "200")] {
        let mut stream = TcpStream::connect(host).await.unwrap();
        let request = format!(
            "GET {scheme}://{host}/metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(&answer["HTTP/1.1 ".len()..][..3], status, "{scheme}");
    }
}

#[tokio::test]
async fn gateway_on_a_redis_without_persistence_is_ready_only_if_that_is_accepted() {
    let redis = RedisServer::start();
    let strict = Deployment::new(&redis.url());
    let gateway = strict.serve();
    let words = "keeps nothing on disk";
    until_it_says(&gateway, 503, "not_ready", &[words]).await;
    let live = gateway.admin_get("/healthz").await;
    assert_eq!(live.status, 200, "a restart would not help");
    until("the log says it", async || {
        gateway.written().contains(words)
    })
    .await;

    let lax = Deployment::on_redis(&redis);
    until_it_says(&lax.serve(), 200, "ready", &[words]).await;

    // Readiness follows a change of the server.
    let _: () = redis.command(&["CONFIG", "SET", "appendonly", "yes"]);
    until_it_says(&gateway, 200, "ready", &[]).await;
}

#[tokio::test]
async fn gateway_is_not_ready_while_redis_evicts() {
    let site = Site::redis();
    let redis = site.redis.as_ref().unwrap();
    let gateway = site.serve();
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let _: () = redis.command(&["CONFIG", "SET", "maxmemory-policy", policy]);
        let words = format!("maxmemory-policy {policy}");
        until_it_says(&gateway, 503, "not_ready", &[&words]).await;
        let _: () = redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        until_it_says(&gateway, 200, "ready", &[]).await;
    }
}

fn requests(action: &str, effect: &str, status: u16) -> String {
    format!(r#"cedargate_requests_total{{action="{action}",effect="{effect}",status="{status}"}}"#)
}

#[tokio::test]
async fn requests_are_counted_by_action_effect_and_status() {
    let mut site = Site::redis();
    let gateway = site.serve();
    let operator = Client::new(&gateway.admin_url);
    let metrics = async || {
        let answer = operator.get("/metrics").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").contains("openmetrics-text"));
        answer.body.as_str().unwrap().to_owned()
    };
    assert_eq!(
        sample(&metrics().await, "cedargate_store_errors_total"),
        Some(0)
    );

    let alice = site.user(&gateway, "alice");
    let credential = site.begin(&alice).await;
    assert_first(&alice.complete(PASSKEY, &credential).await);
    for _ in 0..3 {
        alice.get(METHODS).await;
    }
    assert_eq!(alice.register(PASSKEY).await.status, 401);
    let elsewhere = alice.tenant(OWN_PARTY);
    assert_eq!(elsewhere.get(METHODS).await.code(), "tenant_mismatch");
    alice.tenant("no-uuid").get(METHODS).await;
    Client::new(&gateway.url).get("/nowhere").await;
    site.redis_server().kill();
    for _ in 0..2 {
        assert_unavailable(&alice.get(METHODS).await);
    }

    let expected = [
        (requests("beginWebauthnRegistration", "allow", 200), 1),
        (requests("beginWebauthnRegistration", "step_up", 401), 1),
        // a completion is counted by its last decision
        (requests("trustAuthenticator", "allow", 200), 1),
        (requests("listMfaMethods", "allow", 200), 3),
        (requests("listMfaMethods", "deny", 403), 1),
        (requests("unknown", "deny", 401), 1),
        (requests("none", "none", 400), 1),
        (requests("none", "none", 503), 2),
        ("cedargate_store_errors_total".to_owned(), 2),
        (
            r#"cedargate_request_duration_seconds_count{action="listMfaMethods"}"#.to_owned(),
            4,
        ),
    ];
    // A request is counted when it has been answered.
    until("all requests are counted", async || {
        let text = metrics().await;
        expected
            .iter()
            .all(|(name, count)| sample(&text, name) == Some(*count))
    })
    .await;
}

//! Redis is down or hangs.

use futures_util::future::join_all;

use super::*;
use crate::support::poll::until;

/// Checks that requests that need no store are served.
async fn assert_storeless(site: &Site, gateway: &Gateway) {
    let nobody = Client::new(&gateway.url);
    assert_eq!(nobody.get("/v1/openapi.json").await.status, 200);
    let related = nobody.request("GET", "/.well-known/webauthn");
    let related = related.header("host", "localhost");
    let related = nobody.send(related.body(<_>::default()).unwrap()).await;
    assert_eq!(related.status, 200, "{related:?}");
    assert_eq!(
        nobody.get("/nowhere").await.says(),
        (401, "unauthenticated")
    );
    let alice = site.user(gateway, "alice");
    assert_eq!(alice.get("/nowhere").await.says(), (404, "not_found"));
    assert_eq!(
        alice.tenant("no-uuid").get(METHODS).await.says(),
        (400, "invalid_request")
    );
}

/// Checks that requests that need the store get a 503 in time.
async fn assert_down(site: &Site, gateway: &Gateway, credential: &Value) {
    let alice = site.user(gateway, "alice");
    let begin = format!("{}?method_type={PASSKEY}", REGISTER);
    let begin = || alice.request("POST", &begin).body(<_>::default()).unwrap();
    let started = Instant::now();
    assert_unavailable(&alice.get(METHODS).await);
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
    let started = Instant::now();
    assert_unavailable(&alice.send(begin()).await);
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
    let started = Instant::now();
    assert_unavailable(&alice.complete(PASSKEY, credential).await);
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
}

async fn assert_not_ready(gateway: &Gateway, reason: &str) {
    let started = Instant::now();
    let answer = gateway.admin_get("/readyz").await;
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body["status"], "not_ready");
    let reasons = answer.body["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{answer:?}");
    assert!(reasons[0].as_str().unwrap().contains(reason), "{answer:?}");
}

/// Checks that everything works again without a restart, within two seconds (and two more).
async fn assert_back(site: &Site, gateway: &Gateway) {
    let alice = site.user(gateway, "alice");
    let returned = Instant::now();
    until("the store is back", async || {
        alice.get(METHODS).await.status == 200
    })
    .await;
    assert!(returned.elapsed() < Duration::from_secs(4));
    until("it is ready", async || {
        let ready = gateway.admin_get("/readyz").await;
        (ready.status, &ready.body["status"]) == (200, &json!("ready"))
    })
    .await;
}

#[tokio::test]
async fn killed_redis_is_answered_with_503_in_time_until_it_is_back() {
    let mut site = Site::redis();
    let gateway = site.serve();
    let credential = site.begin(&site.user(&gateway, "alice")).await;
    for _ in 0..3 {
        site.redis_server().kill();
        let address = format!("127.0.0.1:{}", site.redis_server().port());
        assert_down(&site, &gateway, &credential).await;
        assert_storeless(&site, &gateway).await;
        assert_not_ready(&gateway, &address).await;
        site.redis_server().restart();
        assert_back(&site, &gateway).await;
    }
    let alice = site.user(&gateway, "alice");
    assert_first(&alice.complete(PASSKEY, &credential).await);
}

#[tokio::test]
async fn gateway_starts_without_redis() {
    let mut site = Site::redis();
    site.redis_server().kill();
    let gateway = site.serve();
    let unavailable = site.user(&gateway, "alice").get(METHODS).await;
    assert_unavailable(&unavailable);
    assert_storeless(&site, &gateway).await;
    site.redis_server().restart();
    assert_back(&site, &gateway).await;
    let credential = site.begin(&site.user(&gateway, "alice")).await;
    let alice = site.user(&gateway, "alice");
    assert_first(&alice.complete(PASSKEY, &credential).await);
}

#[tokio::test]
async fn hung_redis_is_answered_with_503_in_time() {
    let mut site = Site::redis();
    let gateway = site.serve();
    let credential = site.begin(&site.user(&gateway, "alice")).await;
    site.redis_server().pause();
    assert_down(&site, &gateway, &credential).await;
    assert_storeless(&site, &gateway).await;
    assert_not_ready(&gateway, "in time").await;

    // Many requests wait no longer than one, and requests that need no store do not wait.
    let callers: Vec<_> = (0..100).map(|_| site.user(&gateway, "alice")).collect();
    let started = Instant::now();
    let waiting = join_all(callers.iter().map(|one| one.get(METHODS)));
    let ((), answers) = tokio::join!(assert_storeless(&site, &gateway), waiting);
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
    for answer in &answers {
        assert_unavailable(answer);
    }

    site.redis_server().resume();
    assert_back(&site, &gateway).await;
    let alice = site.user(&gateway, "alice");
    assert_first(&alice.complete(PASSKEY, &credential).await);
    assert_eq!(holdings(&alice).await, (1, 10));
}

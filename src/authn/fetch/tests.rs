//! Tests with paused time: it advances when a test says so, or when all tasks wait for it.

use std::sync::atomic::AtomicUsize;

use futures_util::future::join_all;
use hyper::body::Bytes;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::*;
use crate::authn::tests::Signer;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// An issuer with a scripted answer.
struct Issuer {
    /// `None` while it cannot be reached.
    answer: Mutex<Option<Bytes>>,
    /// The time that an answer takes.
    delay: Mutex<Duration>,
    fetches: AtomicUsize,
}

impl Source for Arc<Issuer> {
    async fn fetch(&self) -> Result<Document, FetchError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let delay = *self.delay.lock().unwrap();
        sleep(delay).await;
        let body = self.answer.lock().unwrap().clone();
        let body = body.ok_or_else(|| FetchError::Connection("Connection refused".into()))?;
        Ok(Document {
            body,
            max_age: None,
        })
    }
}

/// Remote keys with the task that fetches them, and their issuer.
struct Fetching {
    keys: Arc<RemoteKeys>,
    issuer: Arc<Issuer>,
    _task: JoinHandle<()>,
}

impl Fetching {
    async fn start(answer: Option<Bytes>) -> Self {
        let url = "https://id.example.com/jwks".parse().unwrap();
        let keys = Arc::new(RemoteKeys::new(url, vec![Algorithm::Es256]));
        let issuer = Arc::new(Issuer {
            answer: Mutex::new(answer),
            delay: Mutex::default(),
            fetches: AtomicUsize::new(0),
        });
        let (fetcher, source) = (Arc::clone(&keys), Arc::clone(&issuer));
        let task = tokio::spawn(async move { fetcher.keep_fetching(&source).await });
        settle().await;
        Self {
            keys,
            issuer,
            _task: task,
        }
    }

    fn set_answer(&self, answer: Option<Bytes>) {
        *self.issuer.answer.lock().unwrap() = answer;
    }

    fn set_delay(&self, delay: Duration) {
        *self.issuer.delay.lock().unwrap() = delay;
    }

    fn fetches(&self) -> usize {
        self.issuer.fetches.load(Ordering::SeqCst)
    }

    /// Asks for newer keys than the current ones.
    async fn renewed(&self) -> Option<Arc<Keys>> {
        self.keys.renewed(self.keys.current().as_ref()).await
    }

    fn has(&self, kid: &str) -> bool {
        let keys = self.keys.current();
        keys.is_some_and(|keys| has(&keys, kid))
    }
}

fn has(keys: &Keys, kid: &str) -> bool {
    keys.candidates(Some(kid)).next().is_some()
}

/// Lets all due tasks run.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

async fn pass(time: Duration) {
    advance(time).await;
    settle().await;
}

fn jwks(kid: &str) -> Option<Bytes> {
    let keys = json!({ "keys": [Signer::new(Algorithm::Es256).jwk(kid)] });
    Some(keys.to_string().into())
}

fn down() -> Option<Bytes> {
    None
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_at_start_and_again_after_15_minutes() {
    let fetching = Fetching::start(jwks("a")).await;
    assert!(fetching.has("a"));
    fetching.set_answer(jwks("b"));
    pass(14 * MINUTE).await;
    assert!(fetching.has("a"));
    pass(MINUTE).await;
    assert!(fetching.has("b") && !fetching.has("a"));
    assert_eq!(fetching.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn fetch_that_yields_the_same_keys_keeps_them_and_renews_the_trust_in_them() {
    let fetching = Fetching::start(jwks("a")).await;
    let first = fetching.keys.current().unwrap();
    pass(15 * MINUTE).await;
    assert_eq!(fetching.fetches(), 2);
    fetching.set_answer(down());
    pass(24 * HOUR - MINUTE).await;
    let current = fetching.keys.current().unwrap();
    assert!(
        Arc::ptr_eq(&first, &current),
        "24 hours from the second fetch"
    );
    assert!(fetching.keys.are(&first));
    pass(MINUTE).await;
    assert!(fetching.keys.current().is_none() && !fetching.keys.are(&first));
    fetching.set_answer(jwks("a"));
    pass(MINUTE).await;
    assert!(fetching.has("a") && !fetching.keys.are(&first));
}

#[tokio::test(start_paused = true)]
async fn unknown_key_after_a_rotation_causes_a_fetch() {
    let fetching = Fetching::start(jwks("a")).await;
    fetching.set_answer(jwks("b"));
    assert!(has(&fetching.renewed().await.unwrap(), "b"));
    assert_eq!(fetching.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn newer_keys_that_are_known_already_cause_no_fetch() {
    let fetching = Fetching::start(jwks("a")).await;
    let none_yet = None;
    assert!(has(&fetching.keys.renewed(none_yet).await.unwrap(), "a"));
    let tried = fetching.keys.current();
    fetching.set_answer(jwks("b"));
    assert!(has(&fetching.renewed().await.unwrap(), "b"));
    let renewed = fetching.keys.renewed(tried.as_ref()).await;
    assert!(has(&renewed.unwrap(), "b"));
    assert_eq!(fetching.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn thousand_unknown_keys_cause_one_fetch_a_minute() {
    let fetching = Fetching::start(jwks("a")).await;
    for minute in 1..=10 {
        fetching.set_delay(Duration::from_millis(100));
        let renewed = join_all((0..1000).map(|_| fetching.renewed())).await;
        assert!(
            renewed.iter().all(Option::is_some),
            "all wait for the same fetch"
        );
        for _ in 0..1000 {
            assert!(
                fetching.renewed().await.is_none(),
                "the next fetch is a minute away"
            );
        }
        assert_eq!(fetching.fetches(), 1 + minute);
        pass(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn request_waits_at_most_1500_ms_for_a_slow_issuer() {
    let fetching = Fetching::start(jwks("a")).await;
    fetching.set_delay(5 * MAX_WAIT);
    fetching.set_answer(jwks("b"));
    let started = Instant::now();
    assert!(fetching.renewed().await.is_none());
    assert_eq!(started.elapsed(), MAX_WAIT);
    assert!(fetching.has("a"));
    // The fetch continues, and the next request has the keys.
    pass(5 * MAX_WAIT).await;
    assert!(fetching.has("b"));
    assert_eq!(fetching.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn last_good_keys_are_used_for_24_hours() {
    for bad in [
        down(),
        Some(Bytes::from_static(b"<html>")),
        Some(Bytes::from_static(b"{\"keys\":[]}")),
        Some(vec![b' '; 5 * 1024 * 1024].into()),
    ] {
        let fetching = Fetching::start(jwks("a")).await;
        fetching.set_answer(bad);
        pass(23 * HOUR).await;
        assert!(fetching.has("a"));
        assert!(fetching.keys.last_failure().is_some());
        assert!(fetching.keys.failed_fetches() > 0);
        pass(HOUR - Duration::from_millis(10)).await;
        assert!(fetching.has("a"), "before 24 hours");
        pass(Duration::from_millis(10)).await;
        assert!(!fetching.has("a"), "after 24 hours");
        fetching.set_answer(jwks("b"));
        pass(MINUTE).await;
        assert!(fetching.has("b"));
        assert_eq!(fetching.keys.last_failure(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn failing_issuer_is_retried_each_minute_while_there_are_keys() {
    let fetching = Fetching::start(jwks("a")).await;
    fetching.set_answer(down());
    pass(15 * MINUTE).await;
    assert_eq!(fetching.fetches(), 2);
    for more in 1..=5 {
        pass(MINUTE).await;
        assert_eq!(fetching.fetches(), 2 + more);
    }
}

#[tokio::test(start_paused = true)]
async fn issuer_that_recovers_is_found_within_a_second_while_there_are_no_keys() {
    let fetching = Fetching::start(down()).await;
    assert!(fetching.keys.current().is_none());
    assert_eq!(
        fetching.keys.last_failure().unwrap(),
        "GET https://id.example.com/jwks: Connection refused"
    );
    fetching.set_answer(jwks("a"));
    pass(Duration::from_secs(1)).await;
    assert!(fetching.has("a"));
    assert_eq!(fetching.keys.last_failure(), None);
    assert_eq!(fetching.keys.failed_fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn request_during_the_first_fetch_waits_for_it() {
    let url = "https://id.example.com/jwks".parse().unwrap();
    let keys = Arc::new(RemoteKeys::new(url, vec![Algorithm::Es256]));
    let issuer = Arc::new(Issuer {
        answer: Mutex::new(jwks("a")),
        delay: Mutex::new(Duration::from_secs(1)),
        fetches: AtomicUsize::new(0),
    });
    let fetch = keys.keep_fetching(&issuer);
    let renewed = tokio::select! {
        () = fetch => None,
        renewed = keys.renewed(None) => renewed,
    };
    assert!(has(&renewed.unwrap(), "a"));
}

//! Time is paused: it passes only where a test says so, or while everybody waits for it.

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

/// An issuer that answers as it is told.
struct Issuer {
    /// `None` while it cannot be reached.
    answer: Mutex<Option<Bytes>>,
    /// How long it takes.
    delay: Mutex<Duration>,
    asked: AtomicUsize,
}

impl Source for Arc<Issuer> {
    async fn fetch(&self) -> Result<Document, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
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

/// Keys that are kept, and their issuer.
struct Kept {
    keys: Arc<RemoteKeys>,
    issuer: Arc<Issuer>,
    _task: JoinHandle<()>,
}

impl Kept {
    async fn of(answer: Option<Bytes>) -> Self {
        let url = "https://id.example.com/jwks".parse().unwrap();
        let keys = Arc::new(RemoteKeys::new(url, vec![Algorithm::Es256]));
        let issuer = Arc::new(Issuer {
            answer: Mutex::new(answer),
            delay: Mutex::default(),
            asked: AtomicUsize::new(0),
        });
        let (keeper, source) = (Arc::clone(&keys), Arc::clone(&issuer));
        let task = tokio::spawn(async move { keeper.keep(&source).await });
        settle().await;
        Self {
            keys,
            issuer,
            _task: task,
        }
    }

    fn answers(&self, answer: Option<Bytes>) {
        *self.issuer.answer.lock().unwrap() = answer;
    }

    fn takes(&self, delay: Duration) {
        *self.issuer.delay.lock().unwrap() = delay;
    }

    fn fetches(&self) -> usize {
        self.issuer.asked.load(Ordering::SeqCst)
    }

    /// As one who has tried the keys that are held now.
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

/// Lets everything happen that is due.
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
async fn keys_are_fetched_at_start_and_renewed_before_they_are_old() {
    let kept = Kept::of(jwks("a")).await;
    assert!(kept.has("a"));
    kept.answers(jwks("b"));
    pass(14 * MINUTE).await;
    assert!(kept.has("a"));
    pass(MINUTE).await;
    assert!(kept.has("b") && !kept.has("a"));
    assert_eq!(kept.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_followed_when_a_new_key_is_used() {
    let kept = Kept::of(jwks("a")).await;
    kept.answers(jwks("b"));
    assert!(has(&kept.renewed().await.unwrap(), "b"));
    assert_eq!(kept.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_that_came_since_they_were_tried_are_not_fetched_again() {
    let kept = Kept::of(jwks("a")).await;
    let none_yet = None;
    assert!(has(&kept.keys.renewed(none_yet).await.unwrap(), "a"));
    let tried = kept.keys.current();
    kept.answers(jwks("b"));
    assert!(has(&kept.renewed().await.unwrap(), "b"));
    let renewed = kept.keys.renewed(tried.as_ref()).await;
    assert!(has(&renewed.unwrap(), "b"));
    assert_eq!(kept.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_unknown_keys_are_one_fetch_a_minute() {
    let kept = Kept::of(jwks("a")).await;
    for minute in 1..=10 {
        kept.takes(Duration::from_millis(100));
        let asked = join_all((0..1000).map(|_| kept.renewed())).await;
        assert!(asked.iter().all(Option::is_some), "all wait for the same");
        for _ in 0..1000 {
            assert!(kept.renewed().await.is_none(), "nobody waits again");
        }
        assert_eq!(kept.fetches(), 1 + minute);
        pass(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_a_slow_issuer_waits_a_moment_only() {
    let kept = Kept::of(jwks("a")).await;
    kept.takes(5 * PATIENCE);
    kept.answers(jwks("b"));
    let asked = Instant::now();
    assert!(kept.renewed().await.is_none());
    assert_eq!(asked.elapsed(), PATIENCE);
    assert!(kept.has("a"));
    // The fetch goes on without them, and the next request has the keys.
    pass(5 * PATIENCE).await;
    assert!(kept.has("b"));
    assert_eq!(kept.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_keys_serve_on_until_they_are_too_old() {
    for bad in [
        down(),
        Some(Bytes::from_static(b"<html>")),
        Some(Bytes::from_static(b"{\"keys\":[]}")),
        Some(vec![b' '; 5 * 1024 * 1024].into()),
    ] {
        let kept = Kept::of(jwks("a")).await;
        kept.answers(bad);
        pass(23 * HOUR).await;
        assert!(kept.has("a"));
        assert!(kept.keys.trouble().is_some());
        assert!(kept.keys.failures() > 0);
        pass(HOUR - Duration::from_millis(10)).await;
        assert!(kept.has("a"), "a day is not over");
        pass(Duration::from_millis(10)).await;
        assert!(!kept.has("a"), "a day is over");
        kept.answers(jwks("b"));
        pass(MINUTE).await;
        assert!(kept.has("b"));
        assert_eq!(kept.keys.trouble(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn with_keys_in_hand_a_failing_issuer_is_asked_each_minute() {
    let kept = Kept::of(jwks("a")).await;
    kept.answers(down());
    pass(15 * MINUTE).await;
    assert_eq!(kept.fetches(), 2);
    for more in 1..=5 {
        pass(MINUTE).await;
        assert_eq!(kept.fetches(), 2 + more);
    }
}

#[tokio::test(start_paused = true)]
async fn without_keys_the_issuer_is_found_soon_after_it_is_back() {
    let kept = Kept::of(down()).await;
    assert!(kept.keys.current().is_none());
    assert_eq!(
        kept.keys.trouble().unwrap(),
        "GET https://id.example.com/jwks: Connection refused"
    );
    kept.answers(jwks("a"));
    pass(Duration::from_secs(1)).await;
    assert!(kept.has("a"));
    assert_eq!(kept.keys.trouble(), None);
    assert_eq!(kept.keys.failures(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_fetch_is_waited_for() {
    let url = "https://id.example.com/jwks".parse().unwrap();
    let keys = Arc::new(RemoteKeys::new(url, vec![Algorithm::Es256]));
    let issuer = Arc::new(Issuer {
        answer: Mutex::new(jwks("a")),
        delay: Mutex::new(Duration::from_secs(1)),
        asked: AtomicUsize::new(0),
    });
    let keep = keys.keep(&issuer);
    let renewed = tokio::select! {
        () = keep => None,
        renewed = keys.renewed(None) => renewed,
    };
    assert!(has(&renewed.unwrap(), "a"));
}

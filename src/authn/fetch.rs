//! An issuer's keys by URL: fetched in the background, kept, renewed before they are old. What
//! requests see is always a whole set that was good when it came.

mod download;
mod jwks_url;
mod pace;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

pub(super) use download::Download;
pub use download::RootsError;
pub use jwks_url::JwksUrl;

use super::algorithm::Algorithm;
use super::keys::Keys;
use download::{Document, FetchError, Source};
use pace::Pace;

/// How long keys are trusted after they came: what an issuer withdraws is not accepted for longer,
/// whoever keeps us from hearing of it. Measured by the monotonic clock, which nobody can set back.
const TRUSTED: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a request waits for newer keys.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The keys of one issuer that publishes them at a URL.
pub struct RemoteKeys {
    url: JwksUrl,
    algorithms: Vec<Algorithm>,
    /// Locked together with a change of `latest`, so that whoever is told to wait hears of it.
    pace: Mutex<Pace>,
    /// Wakes the fetcher before the next fetch was due.
    asked: Notify,
    latest: watch::Sender<Latest>,
    failures: AtomicU64,
}

#[derive(Default)]
struct Latest {
    held: Option<Held>,
    /// Why the last fetch failed, if it did.
    failure: Option<String>,
}

struct Held {
    keys: Arc<Keys>,
    /// When they are too old to be trusted.
    until: Instant,
}

impl RemoteKeys {
    /// The keys at this URL that verify these algorithms. Nothing is fetched yet.
    pub fn new(url: JwksUrl, algorithms: Vec<Algorithm>) -> Self {
        Self {
            url,
            algorithms,
            pace: Mutex::new(Pace::new(Instant::now())),
            asked: Notify::new(),
            latest: watch::Sender::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// Makes the source that [`RemoteKeys::keep`] fetches from.
    pub(super) fn download(&self) -> Result<Download, RootsError> {
        Download::new(&self.url)
    }

    /// Fetches for ever, whenever it is due.
    pub(super) async fn keep(&self, source: &impl Source) {
        loop {
            let fetched = source.fetch().await;
            self.take(fetched);
            self.until_due().await;
        }
    }

    async fn until_due(&self) {
        loop {
            let due = self.pace().due();
            if due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.asked.notified() => {}
            }
        }
    }

    /// The keys that are trusted now.
    pub(super) fn current(&self) -> Option<Arc<Keys>> {
        let latest = self.latest.borrow();
        let held = latest.held.as_ref()?;
        (Instant::now() < held.until).then(|| Arc::clone(&held.keys))
    }

    /// Newer keys than those that were `tried`: they came meanwhile, or with the fetch that is under
    /// way, or that may be made now because a key is not known. None when neither is, or when it
    /// takes too long.
    pub(super) async fn renewed(&self, tried: Option<&Arc<Keys>>) -> Option<Arc<Keys>> {
        let mut latest = {
            let mut pace = self.pace();
            let current = self.current();
            if current.as_ref().map(Arc::as_ptr) != tried.map(Arc::as_ptr) {
                return current;
            }
            if !pace.ask(Instant::now()) {
                return None;
            }
            self.latest.subscribe()
        };
        self.asked.notify_one();
        // Its other error is that there is no sender, which is `self`.
        timeout(PATIENCE, latest.changed()).await.ok()?.ok()?;
        self.current()
    }

    /// Why the last fetch failed, if it did.
    pub(super) fn trouble(&self) -> Option<String> {
        self.latest.borrow().failure.clone()
    }

    /// How many fetches have failed.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn take(&self, fetched: Result<Document, FetchError>) {
        let parsed = fetched.and_then(|document| {
            let keys = Keys::parse(&document.body, &self.algorithms)?;
            Ok((keys, document.max_age))
        });
        match parsed {
            Ok((keys, max_age)) => self.succeeded(keys, max_age),
            Err(reason) => self.failed(format!("GET {}: {reason}", self.url)),
        }
    }

    fn succeeded(&self, keys: Keys, max_age: Option<Duration>) {
        let mut pace = self.pace();
        let now = Instant::now();
        pace.fetched(now, max_age);
        let held = Held {
            keys: Arc::new(keys),
            until: now + TRUSTED,
        };
        let before = self.latest.send_replace(Latest {
            held: Some(held),
            failure: None,
        });
        drop(pace);
        if before.held.is_none() || before.failure.is_some() {
            tracing::info!(url = %self.url, "the issuer's keys are fetched");
        }
    }

    /// The last good keys stay.
    fn failed(&self, reason: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let is_news = self.trouble().as_ref() != Some(&reason);
        if is_news {
            tracing::warn!(reason, "the issuer's keys cannot be fetched; trying again");
        }
        let mut pace = self.pace();
        pace.failed(Instant::now(), self.current().is_some());
        self.latest
            .send_modify(|latest| latest.failure = Some(reason));
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

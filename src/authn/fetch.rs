//! Keys that an issuer publishes at a URL: fetched in the background and renewed before they are
//! old. Requests always see a whole set that was valid when it was fetched.

mod download;
mod jwks_url;
mod schedule;

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
use schedule::Schedule;

/// The time for which fetched keys are trusted. It bounds how long a withdrawn key is accepted, even
/// if an attacker blocks every fetch. The clock is monotonic, so it cannot be set back.
const TRUSTED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time that a request waits for newer keys.
const MAX_WAIT: Duration = Duration::from_millis(1500);

/// The keys of one issuer that publishes them at a URL.
pub struct RemoteKeys {
    url: JwksUrl,
    algorithms: Vec<Algorithm>,
    /// Held while `latest` changes, so that a request that decides to wait cannot miss the change.
    schedule: Mutex<Schedule>,
    /// Wakes the fetcher because a fetch is due earlier than planned.
    wake: Notify,
    latest: watch::Sender<Latest>,
    failed_fetches: AtomicU64,
}

#[derive(Default)]
struct Latest {
    trusted: Option<TrustedKeys>,
    /// The reason why the last fetch failed; `None` if it succeeded.
    failure: Option<String>,
}

impl Latest {
    /// Returns the keys, unless the trust in them has ended.
    fn current(&self) -> Option<&Arc<Keys>> {
        let trusted = self.trusted.as_ref()?;
        (Instant::now() < trusted.until).then_some(&trusted.keys)
    }
}

struct TrustedKeys {
    keys: Arc<Keys>,
    /// The end of the trust in these keys.
    until: Instant,
}

impl RemoteKeys {
    /// Makes an empty set for the keys at this URL that verify these algorithms. Fetches nothing.
    pub fn new(url: JwksUrl, algorithms: Vec<Algorithm>) -> Self {
        Self {
            url,
            algorithms,
            schedule: Mutex::new(Schedule::new(Instant::now())),
            wake: Notify::new(),
            latest: watch::Sender::default(),
            failed_fetches: AtomicU64::new(0),
        }
    }

    /// Makes the source that [`RemoteKeys::keep_fetching`] fetches from.
    pub(super) fn download(&self) -> Result<Download, RootsError> {
        Download::new(&self.url)
    }

    /// Fetches the keys whenever a fetch is due. Never returns.
    pub(super) async fn keep_fetching(&self, source: &impl Source) {
        loop {
            let fetched = source.fetch().await;
            self.accept(fetched);
            self.wait_until_due().await;
        }
    }

    async fn wait_until_due(&self) {
        loop {
            let due = self.schedule().due();
            if due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Returns the keys that are trusted now.
    pub(super) fn current(&self) -> Option<Arc<Keys>> {
        self.latest.borrow().current().cloned()
    }

    /// Returns true if these keys are trusted now.
    pub(super) fn are(&self, keys: &Arc<Keys>) -> bool {
        let latest = self.latest.borrow();
        let current = latest.current();
        current.is_some_and(|current| Arc::ptr_eq(current, keys))
    }

    /// Returns newer keys than `tried`. They were fetched since, or come with the fetch that is under
    /// way or is allowed now for an unknown key. If that fetch yields the keys of `tried` again, these
    /// are returned. Returns `None` if no fetch is allowed, or it takes longer than [`MAX_WAIT`].
    pub(super) async fn renewed(&self, tried: Option<&Arc<Keys>>) -> Option<Arc<Keys>> {
        let mut latest = {
            let mut schedule = self.schedule();
            let current = self.current();
            if current.as_ref().map(Arc::as_ptr) != tried.map(Arc::as_ptr) {
                return current;
            }
            if !schedule.request_fetch(Instant::now()) {
                return None;
            }
            self.latest.subscribe()
        };
        self.wake.notify_one();
        // `changed` fails only if the sender is dropped, and `self` holds the sender.
        timeout(MAX_WAIT, latest.changed()).await.ok()?.ok()?;
        self.current()
    }

    /// Returns the reason why the last fetch failed, or `None` if it succeeded.
    pub(super) fn last_failure(&self) -> Option<String> {
        self.latest.borrow().failure.clone()
    }

    /// Returns the number of fetches that have failed.
    pub(super) fn failed_fetches(&self) -> u64 {
        self.failed_fetches.load(Ordering::Relaxed)
    }

    fn accept(&self, fetched: Result<Document, FetchError>) {
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
        let mut schedule = self.schedule();
        let now = Instant::now();
        schedule.succeeded(now, max_age);
        let trusted = TrustedKeys {
            keys: self.shared(keys),
            until: now + TRUSTED_FOR,
        };
        let before = self.latest.send_replace(Latest {
            trusted: Some(trusted),
            failure: None,
        });
        drop(schedule);
        if before.trusted.is_none() || before.failure.is_some() {
            tracing::info!(url = %self.url, "the issuer's keys were fetched");
        }
    }

    /// Returns the last keys if these are equal, so that the tokens that they verified stay remembered.
    fn shared(&self, keys: Keys) -> Arc<Keys> {
        match &self.latest.borrow().trusted {
            Some(last) if *last.keys == keys => Arc::clone(&last.keys),
            _ => Arc::new(keys),
        }
    }

    /// Accepts these keys as if they had been fetched.
    #[cfg(test)]
    pub(super) fn publish(&self, jwks: &serde_json::Value) {
        self.accept(Ok(Document {
            body: jwks.to_string().into(),
            max_age: None,
        }));
    }

    /// Notes the failure and keeps the last keys. Logs a reason once, not at each retry.
    fn failed(&self, reason: String) {
        self.failed_fetches.fetch_add(1, Ordering::Relaxed);
        let is_new = self.last_failure().as_ref() != Some(&reason);
        if is_new {
            tracing::warn!(reason, "the issuer's keys cannot be fetched; trying again");
        }
        let mut schedule = self.schedule();
        schedule.failed(Instant::now(), self.current().is_some());
        self.latest
            .send_modify(|latest| latest.failure = Some(reason));
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

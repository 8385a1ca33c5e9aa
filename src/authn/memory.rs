//! Tokens whose signatures have been checked. A token that is presented again needs no second check.
//!
//! An entry counts only while the issuer still has the keys that the signature was checked with. The
//! times of the token are checked for each request. Verified tokens and wrong signatures are kept
//! apart, so that junk evicts no good token. Both memories have a bound, whatever callers send.

mod weight;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter, Weighter};

use super::issuer::Issuer;
use super::keys::Keys;
use super::token::Times;
use cedargate_core::{Timestamp, User};

/// The bounds of a [`Memory`].
pub(super) struct Bounds {
    /// The bytes that the verified tokens take, with everything that their users hold.
    pub(super) verified_bytes: u64,
    /// The number of tokens with a wrong signature.
    pub(super) wrong_signatures: usize,
}

const BOUNDS: Bounds = Bounds {
    verified_bytes: 64 * 1024 * 1024,
    wrong_signatures: 16 * 1024,
};

/// The bytes that a verified token takes on average. The number of locks follows from this guess.
const TYPICAL_BYTES: u64 = 2048;

/// The number of locks of each memory. Each lock guards an equal share of the bound. A token that takes
/// more than such a share, 4 MiB, would not be remembered; a token of 16 KiB takes much less.
const LOCKS: usize = 16;

/// The milliseconds between two removals of tokens that have expired.
const SWEEP_INTERVAL: i64 = 60_000;

/// The SHA-256 of a whole token. A caller who wants the entry of another token needs a collision.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }
}

/// The result of a signature check.
pub(super) enum Verdict {
    Verified(Arc<User>),
    BadSignature {
        /// True if the token names its key.
        has_kid: bool,
    },
}

/// A token whose signature was checked.
pub(super) struct Entry {
    /// The position of its issuer.
    pub(super) issuer: usize,
    /// The keys that its signature was checked with.
    pub(super) keys: Arc<Keys>,
    pub(super) times: Times,
    pub(super) verdict: Verdict,
    /// An estimate of the bytes that it takes.
    bytes: u64,
}

impl Entry {
    pub(super) fn new(issuer: usize, keys: Arc<Keys>, times: Times, verdict: Verdict) -> Self {
        let user = match &verdict {
            Verdict::Verified(user) => weight::user(user),
            Verdict::BadSignature { .. } => 0,
        };
        let bytes = user + size_of::<Self>() + weight::SLOT;
        Self {
            issuer,
            keys,
            times,
            verdict,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        }
    }

    /// Returns true if its keys are still those of its issuer.
    fn is_current(&self, issuers: &[Issuer]) -> bool {
        let issuer = issuers.get(self.issuer);
        issuer.is_some_and(|issuer| issuer.keys.are(&self.keys))
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<TokenHash, Arc<Entry>> for ByBytes {
    fn weight(&self, _: &TokenHash, entry: &Arc<Entry>) -> u64 {
        entry.bytes
    }
}

/// The tokens whose signatures have been checked.
pub(super) struct Memory {
    verified: Cache<TokenHash, Arc<Entry>, ByBytes>,
    wrong_signatures: Cache<TokenHash, Arc<Entry>>,
    /// The time of the last sweep, in milliseconds since the epoch.
    swept_at: AtomicI64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self::with_bounds(BOUNDS)
    }

    pub(super) fn with_bounds(bounds: Bounds) -> Self {
        let typical = usize::try_from(bounds.verified_bytes / TYPICAL_BYTES).unwrap_or(usize::MAX);
        let wrong = bounds.wrong_signatures;
        Self {
            verified: cache(typical, bounds.verified_bytes, ByBytes),
            wrong_signatures: cache(wrong, wrong as u64, UnitWeighter),
            swept_at: AtomicI64::new(0),
        }
    }

    /// Returns the entry of this token, unless its issuer has other keys now.
    pub(super) fn get(&self, hash: &TokenHash, issuers: &[Issuer]) -> Option<Arc<Entry>> {
        let is_current = |entry: &Arc<Entry>| entry.is_current(issuers);
        let verified = self.verified.get(hash).filter(is_current);
        verified.or_else(|| self.wrong_signatures.get(hash).filter(is_current))
    }

    pub(super) fn insert(&self, hash: TokenHash, entry: Entry) {
        let entry = Arc::new(entry);
        match entry.verdict {
            Verdict::Verified(_) => self.verified.insert(hash, entry),
            Verdict::BadSignature { .. } => self.wrong_signatures.insert(hash, entry),
        }
    }

    /// Removes the tokens that have expired and those of withdrawn keys, at most once a minute.
    pub(super) fn sweep(&self, issuers: &[Issuer], now: Timestamp) {
        let last = self.swept_at.load(Ordering::Relaxed);
        let now_millis = now.millis();
        // A clock that was set back must not stop the sweeps.
        let is_due = now_millis < last || now_millis - last >= SWEEP_INTERVAL;
        let is_first = || {
            let swap = self.swept_at.compare_exchange(
                last,
                now_millis,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            swap.is_ok()
        };
        if !is_due || !is_first() {
            return;
        }
        let is_useful = |_: &TokenHash, entry: &Arc<Entry>| {
            !entry.times.have_passed(now) && entry.is_current(issuers)
        };
        self.verified.retain(is_useful);
        self.wrong_signatures.retain(is_useful);
    }
}

#[cfg(test)]
impl Memory {
    /// Returns the bytes that the verified tokens take.
    pub(super) fn verified_bytes(&self) -> u64 {
        self.verified.weight()
    }

    /// Returns the numbers of verified tokens and of tokens with a wrong signature.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.verified.len(), self.wrong_signatures.len())
    }
}

fn cache<V, W>(items: usize, weight: u64, weighter: W) -> Cache<TokenHash, V, W>
where
    V: Clone,
    W: Weighter<TokenHash, V> + Clone,
{
    let options = OptionsBuilder::new()
        .shards(LOCKS)
        .estimated_items_capacity(items)
        .weight_capacity(weight)
        .build()
        .expect("both capacities are set");
    Cache::with_options(
        options,
        weighter,
        DefaultHashBuilder::default(),
        DefaultLifecycle::default(),
    )
}

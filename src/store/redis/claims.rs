//! The claims on credential ids. At one relying party, each id belongs to one user.

use tokio::time::Instant;

use super::link::Failure;
use super::{CLAIM, RELEASE, Redis, eval};
use crate::store::Error;
use crate::store::keys::UserKey;
use cedargate_core::{Authenticator, SessionKey};

/// The age at which another user may take over a claim whose owner has no such credential.
const ORPHANED_MS: u64 = 60_000;
/// The age at which a commit no longer accepts its claim. It is well below [`ORPHANED_MS`], so that a
/// commit that a hung server runs late cannot give one credential id to two users.
const CLAIM_VALID_MS: u64 = 30_000;

/// A claim of this user on a credential id.
pub(super) struct Claim {
    pub(super) value: String,
    /// The millisecond since the Unix epoch from which a commit no longer accepts the claim.
    pub(super) valid_until: u64,
    /// True if this attempt made the claim; false if it joined an earlier attempt's claim. Only the
    /// attempt that made a claim may release it.
    pub(super) created: bool,
}

impl Redis {
    /// Claims the credential id for this user. Returns `None` if another user holds it. A claim is taken
    /// over if it is old and its owner has no such credential.
    pub(super) async fn claim(
        &self,
        user: &UserKey,
        key: &str,
        authenticator: &Authenticator,
        deadline: Instant,
    ) -> Result<Option<Claim>, Error> {
        let attempt = authenticator.id.as_hyphenated().to_string();
        let send = async |orphan: &str| -> Result<(String, String, u64), Failure> {
            let mut command = eval(CLAIM, &[key.to_owned()]);
            command.arg(user.digest()).arg(&attempt).arg(orphan);
            self.link.send_idempotent(&command, deadline).await
        };
        let (mut word, mut value, mut now) = send("").await?;
        if word == "held"
            && self
                .is_orphaned(&value, now, authenticator, deadline)
                .await?
        {
            (word, value, now) = send(&value).await?;
        }
        Ok((word != "held").then(|| Claim {
            created: word == "created",
            valid_until: now + CLAIM_VALID_MS,
            value,
        }))
    }

    /// Returns true if a claim is old and its owner has no such credential.
    async fn is_orphaned(
        &self,
        claim: &str,
        now: u64,
        authenticator: &Authenticator,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let unreadable = || Error::Unreadable {
            kind: "claim of a credential",
        };
        let mut parts = claim.split('|');
        let owner = parts.next().ok_or_else(unreadable)?;
        let claimed_at: u64 = parts
            .nth(1)
            .and_then(|millis| millis.parse().ok())
            .ok_or_else(unreadable)?;
        if now.saturating_sub(claimed_at) < ORPHANED_MS {
            return Ok(false);
        }
        let owner = UserKey::from_digest(owner);
        let session = SessionKey::of_account();
        let account = self.read_key(&owner, &session, None, deadline).await?;
        Ok(!account.holds(&authenticator.rp_id, &authenticator.credential_id))
    }

    /// Releases a claim if it still has this value. A failure leaves an orphan, which another user may
    /// take over after [`ORPHANED_MS`].
    pub(super) async fn release(&self, key: &str, value: &str, deadline: Instant) {
        let mut command = eval(RELEASE, &[key.to_owned()]);
        command.arg(value);
        let _released: Result<u64, Failure> = self.link.send_idempotent(&command, deadline).await;
    }
}

//! The format of every key. Keys contain digests only, and no name of a user, tenant or site.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use cedargate_core::{Bytes, SessionKey, UserId};

/// The keys of one user. The braces make the digest the hash tag of a Redis cluster, so that all
/// keys of a user are in one slot and one script may use them together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct UserKey(String);

impl UserKey {
    pub(super) fn of(user: &UserId) -> Self {
        let tenant = user
            .tenant
            .map_or_else(String::new, |tenant| tenant.to_string());
        Self(short_digest(&[
            user.issuer.as_str().as_bytes(),
            tenant.as_bytes(),
            user.subject.as_bytes(),
        ]))
    }

    /// Returns the key of a user from a digest, such as the owner of a claim.
    pub(super) fn from_digest(digest: &str) -> Self {
        Self(digest.to_owned())
    }

    pub(super) fn digest(&self) -> &str {
        &self.0
    }

    /// Returns the replacement for [`UserKey::digest`] that marks pending authentications in the
    /// embedded store, which has both kinds of pending ceremony in one table.
    pub(super) fn digest_of_authentications(&self) -> String {
        format!("{}:auth", self.0)
    }

    /// Hash: version, epoch, handle, salt and pepper id of the backup codes, and the recovery code.
    /// Never expires.
    pub(super) fn account(&self) -> String {
        self.named("user")
    }

    /// Hash: authenticator id → record of the authenticator.
    pub(super) fn authenticators(&self) -> String {
        self.named("creds")
    }

    /// Hash: hash of a backup code → 1.
    pub(super) fn codes(&self) -> String {
        self.named("codes")
    }

    /// Hash: digest of the challenge → pending enrolment.
    pub(super) fn enrolments(&self) -> String {
        self.named("reg")
    }

    /// Hash: authenticator id → record of its last use.
    pub(super) fn uses(&self) -> String {
        self.named("use")
    }

    /// Hash: digest of the challenge → pending authentication.
    pub(super) fn authentications(&self) -> String {
        self.named("auth")
    }

    /// Hash: salt of the active set → number of wrong codes that this session tried. Expires.
    pub(super) fn tries(&self, session: &SessionKey) -> String {
        self.named(&format!("tries:{}", session.as_str()))
    }

    /// Counter: number of ceremonies that this session began. Expires.
    pub(super) fn begins(&self, session: &SessionKey) -> String {
        self.named(&format!("begins:{}", session.as_str()))
    }

    /// Counter: number of wrong codes of all sessions, as older releases count them. Expires.
    pub(super) fn tries_of_account(&self) -> String {
        self.named("tries")
    }

    fn named(&self, name: &str) -> String {
        format!("cg:1:{{{}}}:{name}", self.0)
    }
}

/// The key of the claim on a credential id at a relying party, the same for every user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ClaimKey(String);

impl ClaimKey {
    pub(super) fn of(rp_id: &str, credential_id: &Bytes) -> Self {
        Self(short_digest(&[rp_id.as_bytes(), &credential_id.0]))
    }

    pub(super) fn digest(&self) -> &str {
        &self.0
    }

    /// String: owner, attempt and time of the claim.
    pub(super) fn claim(&self) -> String {
        format!("cg:1:{{{}}}:claim", self.0)
    }
}

/// Returns the key of a pending ceremony among those of its user. A challenge itself is never a key.
pub(super) fn challenge_digest(challenge: &Bytes) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, &challenge.0))
}

/// Returns the first 16 bytes of SHA-256 over the parts, as 22 characters of base64url. The length of
/// each part precedes it as a big-endian u32, so that different lists of parts have different bytes.
fn short_digest(parts: &[&[u8]]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, &bytes).as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserKey {
        UserKey::of(&id.parse().unwrap())
    }

    /// A changed key would orphan stored data: it needs a new number in the prefix.
    #[test]
    fn keys_are_spelt_as_in_earlier_releases() {
        let alice = user("corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice");
        assert_eq!(alice.account(), "cg:1:{rymVIm5gM4EICepjaT431Q}:user");
        assert_eq!(
            alice.authenticators(),
            "cg:1:{rymVIm5gM4EICepjaT431Q}:creds"
        );
        assert_eq!(alice.codes(), "cg:1:{rymVIm5gM4EICepjaT431Q}:codes");
        assert_eq!(alice.enrolments(), "cg:1:{rymVIm5gM4EICepjaT431Q}:reg");
        assert_eq!(
            alice.digest_of_authentications(),
            "rymVIm5gM4EICepjaT431Q:auth"
        );
        assert_eq!(alice.uses(), "cg:1:{rymVIm5gM4EICepjaT431Q}:use");
        assert_eq!(
            alice.authentications(),
            "cg:1:{rymVIm5gM4EICepjaT431Q}:auth"
        );
        let session = SessionKey::of_sid("s1");
        assert_eq!(
            alice.tries(&session),
            "cg:1:{rymVIm5gM4EICepjaT431Q}:tries:q4R2RWlh_5hNwfYxiQYbTQ"
        );
        assert_eq!(
            alice.begins(&session),
            "cg:1:{rymVIm5gM4EICepjaT431Q}:begins:q4R2RWlh_5hNwfYxiQYbTQ"
        );
        assert_eq!(
            alice.tries(&SessionKey::of_account()),
            "cg:1:{rymVIm5gM4EICepjaT431Q}:tries:"
        );
        assert_eq!(
            alice.tries_of_account(),
            "cg:1:{rymVIm5gM4EICepjaT431Q}:tries"
        );
        assert_eq!(
            user("corp||alice").account(),
            "cg:1:{bV_vyOZvuP3tLU48DmYq3g}:user"
        );
        let claim = ClaimKey::of("example.com", &Bytes(vec![7; 16]));
        assert_eq!(claim.claim(), "cg:1:{mhcAekJsZjJzJqsW6GwNmA}:claim");
        assert_eq!(
            challenge_digest(&Bytes(vec![1; 32])),
            "cs1uhCLEB_ttCYaQ8RMLfe1-wvf14dML2dUh8BU2N5M"
        );
    }

    #[test]
    fn claim_keys_of_differently_split_parts_differ() {
        let one = ClaimKey::of("ab", &Bytes(b"c".to_vec()));
        let other = ClaimKey::of("a", &Bytes(b"bc".to_vec()));
        assert_ne!(one, other);
    }
}

//! Hashes of callers.

use cedar_policy::Policy;
use sha2::{Digest as _, Sha256};

use crate::syntax::Syntax;

/// A hash of a caller and of all that their canary requests depend on: the texts and links of the policies
/// that can apply to them, the entities that policies name together with them, and the schema.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct CallerKey(pub(super) [u8; 16]);

impl CallerKey {
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize()[..16]);
        Self(key)
    }

    /// Hashes policies, whose order makes no difference.
    pub(super) fn of_policies<'p>(policies: impl Iterator<Item = &'p Policy>) -> Self {
        let mut hashes: Vec<_> = policies.map(Self::of_policy).collect();
        hashes.sort_unstable_by_key(|one| one.0);
        let hashes: Vec<&[u8]> = hashes.iter().map(|one| one.0.as_slice()).collect();
        Self::of(&hashes)
    }

    fn of_policy(policy: &Policy) -> Self {
        let mut links: Vec<_> = policy.template_links().into_iter().flatten().collect();
        links.sort_unstable();
        let text = Syntax::from(policy).text();
        let id: &str = policy.id().as_ref();
        Self::of(&[
            id.as_bytes(),
            text.as_bytes(),
            format!("{links:?}").as_bytes(),
        ])
    }
}

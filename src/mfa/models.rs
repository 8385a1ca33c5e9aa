//! Names of well-known models, by AAGUID. They are for people only: what a policy may rely on is
//! whether a model is proven.

use uuid::{Uuid, uuid};

/// The name of a model, if it is well known.
pub(super) fn name(aaguid: Uuid) -> Option<&'static str> {
    let found = MODELS.iter().find(|(known, _)| *known == aaguid);
    found.map(|(_, name)| *name)
}

const MODELS: [(Uuid, &str); 3] = [
    (
        uuid!("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"),
        "Google Password Manager",
    ),
    (
        uuid!("fbfc3007-154e-4ecc-8c0b-6e020557d7bd"),
        "iCloud Keychain",
    ),
    (
        uuid!("73bb0cd4-e502-49b8-9c6f-b59445bf720b"),
        "YubiKey 5 FIPS Series",
    ),
];

//! The encoding of stored records: JSON. Readers ignore unknown members, and newer members have
//! defaults, so that the previous and the next release can read the records.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|_| Error::Unwritable)
}

/// Decodes a record. The error names the kind of record and repeats none of its content.
pub(super) fn decode<T: DeserializeOwned>(kind: &'static str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::UnreadableRecord {
        kind,
        category: error.classify(),
        column: error.column(),
    })
}

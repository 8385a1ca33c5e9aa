//! Records as they are stored: JSON whose unknown members are ignored and whose newer ones have
//! defaults, so that the releases before and after read them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;

/// Writes a record.
pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|_| Error::Unwritable)
}

/// Reads a record. The error names the kind of record, and holds nothing of its content.
pub(super) fn decode<T: DeserializeOwned>(kind: &'static str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::UnreadableRecord {
        kind,
        category: error.classify(),
        column: error.column(),
    })
}

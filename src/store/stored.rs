//! Records as they are stored: JSON whose unknown members are ignored and whose newer ones have
//! defaults, so that the releases before and after read them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Writes a record.
pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record)
        .map_err(|_| Error::Internal("a record of the store cannot be written".to_owned()))
}

/// Reads a record. The error says what kind of record it is, and nothing that it holds.
pub(super) fn decode<T: DeserializeOwned>(kind: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::Internal(format!(
            "a stored {kind} cannot be read: {:?} error at column {}",
            error.classify(),
            error.column()
        ))
    })
}

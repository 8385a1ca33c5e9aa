//! Failures of the store.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use redis::RedisError;
use serde_json::error::Category;

use crate::event::StepError;

/// The failure of one step of an open store. The texts are for the log: they name the server or the
/// file, and hold no password and nothing of a record.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The store did not do the step, and nothing was changed.
    #[error("{cause}")]
    Unavailable {
        /// What went wrong.
        cause: Cow<'static, str>,
    },
    /// The store was asked for a change and did not answer: the change may have been made.
    #[error("{cause}")]
    OutcomeUnknown {
        /// What went wrong.
        cause: Cow<'static, str>,
    },
    /// Something in the store is not in the form that this release reads.
    #[error("a stored {kind} cannot be read")]
    Unreadable {
        /// What was read.
        kind: &'static str,
    },
    /// A stored record is not JSON of its kind.
    #[error("a stored {kind} cannot be read: {category:?} error at column {column}")]
    UnreadableRecord {
        /// The kind of record.
        kind: &'static str,
        /// The kind of JSON error. Its text is left out, since it may repeat values.
        category: Category,
        /// The column of the error.
        column: usize,
    },
    /// A record cannot be written as JSON.
    #[error("a record of the store cannot be written")]
    Unwritable,
}

impl Error {
    pub(super) fn unavailable(cause: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable {
            cause: cause.into(),
        }
    }

    pub(super) fn outcome_unknown(cause: impl Into<Cow<'static, str>>) -> Self {
        Self::OutcomeUnknown {
            cause: cause.into(),
        }
    }
}

impl StepError for Error {
    fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }
}

/// The reason why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The embedded store cannot be opened.
    #[error(transparent)]
    File(#[from] FileError),
    /// The URL of the Redis cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
}

/// The reason why the file of the embedded store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The folder or the file cannot be read or made.
    #[error("{}: cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process has it open.
    #[error(
        "{}: is in use by another process: the embedded store is for one at a time; stop the other \
         one, or use Redis",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// There is none, and it cannot be made.
    #[error("{}: cannot be made", path.display())]
    NotCreated {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: redb::Error,
    },
    /// It is damaged, or it is another kind of file.
    #[error(
        "{}: is not a store of cedargate, or it is damaged: put back a copy of it, or move it away \
         to begin with an empty store",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: redb::Error,
    },
    /// A release with another format wrote it.
    #[error(
        "{}: has format {}, and this release reads format {expected}: use the release that wrote it",
        path.display(),
        found.map_or("unknown".to_owned(), |found| found.to_string())
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format, if it names one.
        found: Option<u64>,
        /// The format of this release.
        expected: u64,
    },
    /// It cannot be written.
    #[error("{}: cannot be written", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: redb::Error,
    },
    /// The thread that writes it cannot be started.
    #[error("{}: no thread to write with", path.display())]
    NoThread {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The reason why the URL of a Redis cannot be used. No text repeats the URL, which may hold a
/// password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The port is not a number from 1 to 65535. A password with one of these characters ends the host
    /// before the port, too.
    #[error(
        "the port in the store's URL is not a number from 1 to 65535 (a password has / as %2F, ? as \
         %3F, # as %23 and @ as %40)"
    )]
    Port,
    /// It is not a URL of Redis.
    #[error(
        "the store's URL is not one of Redis: write redis://[:password@]host:port/0, rediss:// for \
         TLS, or redis+unix:///path/to/socket"
    )]
    NotRedis,
    /// It asks for TLS without a check of the server's certificate.
    #[error(
        "the store's URL asks for TLS that does not check the server (#insecure): this is not \
         supported"
    )]
    Insecure,
    /// The client library does not take it.
    #[error("the store's URL cannot be used")]
    Unusable(#[source] RedisError),
}

//! The errors of the store.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use redis::RedisError;
use serde_json::error::Category;

use crate::event::StepError;

/// The failure of one step of an open store. The messages are for the log: they name the server or the
/// file, and contain no password and no content of a record.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The store did not run the step, and nothing was changed.
    #[error("{cause}")]
    Unavailable { cause: Cow<'static, str> },
    /// The store did not confirm a change: the change may have been made.
    #[error("{cause}")]
    OutcomeUnknown { cause: Cow<'static, str> },
    /// A stored value is not in the format that this release reads.
    #[error("a stored {kind} cannot be read")]
    Unreadable { kind: &'static str },
    /// A stored record is not JSON of its kind.
    #[error("a stored {kind} cannot be read: {category:?} error at column {column}")]
    UnreadableRecord {
        kind: &'static str,
        /// The category of the JSON error. The error's message is left out, since it may repeat values.
        category: Category,
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
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Url(#[from] UrlError),
}

/// The reason why the file of the embedded store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The folder or the file cannot be read or created.
    #[error("{}: cannot be used", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    /// Another process has the file open.
    #[error(
        "{}: is in use by another process: only one process can use the embedded store; stop the \
         other process, or use Redis",
        path.display()
    )]
    InUse { path: PathBuf },
    /// The file does not exist and cannot be created.
    #[error("{}: cannot be created", path.display())]
    NotCreated { path: PathBuf, source: redb::Error },
    /// The file is damaged, or is another kind of file.
    #[error(
        "{}: is not a store of cedargate, or is damaged: restore a backup, or move the file away to \
         start with an empty store",
        path.display()
    )]
    Damaged { path: PathBuf, source: redb::Error },
    /// A release with another format wrote it.
    #[error(
        "{}: has format {}, and this release reads format {expected}: use the release that wrote it",
        path.display(),
        found.map_or("unknown".to_owned(), |found| found.to_string())
    )]
    Format {
        path: PathBuf,
        /// The format that the file names, if any.
        found: Option<u64>,
        /// The format that this release reads.
        expected: u64,
    },
    #[error("{}: cannot be written", path.display())]
    NotWritten { path: PathBuf, source: redb::Error },
    #[error("{}: the thread that writes it cannot be started", path.display())]
    NoThread { path: PathBuf, source: io::Error },
}

/// The reason why the URL of a Redis cannot be used. No message repeats the URL, which may contain a
/// password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The port is not a number from 1 to 65535. An unescaped `/`, `?` or `#` in the password causes
    /// this error too, since it ends the host.
    #[error(
        "the port in the store's URL is not a number from 1 to 65535 (a password has / as %2F, ? as \
         %3F, # as %23 and @ as %40)"
    )]
    Port,
    /// The text is not a Redis URL.
    #[error(
        "the store's URL is not a Redis URL: write redis://[:password@]host:port/0, rediss:// for \
         TLS, or redis+unix:///path/to/socket"
    )]
    NotRedis,
    /// The URL asks for TLS without a check of the server's certificate.
    #[error(
        "the store's URL asks for TLS that does not check the server (#insecure): this is not \
         supported"
    )]
    Insecure,
    /// The client library refuses the URL.
    #[error("the store's URL cannot be used")]
    Unusable(#[source] RedisError),
}

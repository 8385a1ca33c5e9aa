//! The error of every tool.

use std::fmt;
use std::io;
use std::path::Path;

use cedargate_core::{Finding, Findings};

/// The reason why a tool has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policies, the schema or the test cases are invalid. A command exits with 1.
    #[error(transparent)]
    Invalid(Findings),
    /// The call is wrong, such as a path, a revision or a request that does not exist. A command exits
    /// with 2.
    #[error(transparent)]
    Usage(Findings),
    /// The system cannot start a thread. A command exits with 2.
    #[error("cannot start a thread to run the tool: {0}")]
    Threads(io::Error),
}

/// The result of a tool.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Returns an [`Error::Usage`] about a file or a folder, or about a value if `file` is empty.
    pub(crate) fn usage(
        code: &'static str,
        file: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::Usage(Findings(vec![Finding::error(code, file, message)]))
    }

    /// Returns an [`Error::Usage`] about a file that cannot be read.
    pub(crate) fn unreadable(file: &str, what: &str, error: &io::Error) -> Self {
        Self::usage(
            "unreadable",
            file,
            format!("{what} cannot be read: {error}"),
        )
    }

    /// Returns an [`Error::Usage`] about a path that does not exist.
    pub(crate) fn missing(path: &Path, what: impl fmt::Display) -> Self {
        let message = format!("there is no such {what}");
        Self::usage("missing_path", path.display().to_string(), message)
    }

    /// Adds advice to the last finding.
    #[must_use]
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        let add = |Findings(mut findings): Findings| {
            if let Some(last) = findings.pop() {
                findings.push(last.help(help));
            }
            Findings(findings)
        };
        match self {
            Error::Invalid(findings) => Error::Invalid(add(findings)),
            Error::Usage(findings) => Error::Usage(add(findings)),
            Error::Threads(error) => Error::Threads(error),
        }
    }
}

//! Why a command did not do what it was asked to.

use std::process::ExitCode;

use crate::finding::{Finding, Findings};

/// What is wrong, and how the process ends.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) findings: Vec<Finding>,
}

/// How a process ends that did not do what it was asked to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    /// A finding: an invalid policy.
    Finding,
    /// Wrong usage or configuration, or a machine that does not allow it.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Finding => 1,
            Exit::Usage => 2,
        })
    }
}

impl Failure {
    /// The policies do not load.
    pub(super) fn policies(findings: Findings) -> Self {
        Self {
            exit: Exit::Finding,
            findings: findings.0,
        }
    }

    /// The configuration is wrong.
    pub(super) fn configuration(findings: Findings) -> Self {
        Self {
            exit: Exit::Usage,
            findings: findings.0,
        }
    }

    /// Something that is in no file is wrong.
    pub(super) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::file(code, "", message)
    }

    /// The system starts no thread.
    pub(super) fn no_thread(error: std::io::Error) -> Self {
        Self::usage("system", format!("no thread to work on: {error}"))
    }

    /// Something about a whole file or folder is wrong.
    pub(super) fn file(
        code: &'static str,
        file: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            exit: Exit::Usage,
            findings: vec![Finding::error(code, file, message)],
        }
    }

    /// Says what to do.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(last) = self.findings.pop() {
            self.findings.push(last.help(help));
        }
        self
    }
}

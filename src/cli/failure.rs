//! The failure of a command: its findings and its exit code.

use std::process::ExitCode;

use cedargate_core::{Finding, Findings};

/// The findings that a failed command reports, and its exit code.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) findings: Vec<Finding>,
}

/// The exit code of a failed command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    /// 1: a finding, such as an invalid policy.
    Finding,
    /// 2: wrong usage or configuration, or a resource of the machine that is not available.
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
    /// Fails because the policies do not load.
    pub(super) fn policies(findings: Findings) -> Self {
        Self {
            exit: Exit::Finding,
            findings: findings.0,
        }
    }

    /// Fails because the configuration is wrong.
    pub(super) fn configuration(findings: Findings) -> Self {
        Self {
            exit: Exit::Usage,
            findings: findings.0,
        }
    }

    /// Fails for a reason that is in no file.
    pub(super) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::file(code, "", message)
    }

    /// Fails for a reason that concerns a whole file or folder.
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

    /// Adds advice to the last finding.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(last) = self.findings.pop() {
            self.findings.push(last.help(help));
        }
        self
    }
}

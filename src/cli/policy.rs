//! `cedargate policy`: tools for policy authors. `cedargate_policy_tools` implements them; this module has
//! the flags, the reports and the exit codes.

mod check;
mod diff;
mod explain;
mod flags;
mod format;
mod replay;
mod schema;
mod test;
mod wording;

use clap::Subcommand;

use super::failure::{Exit, Failure};

/// Tools for people who write policies.
///
/// All tools but schema take the same --policies, --schema, --tests and --config. A path that does not
/// exist ends every tool with exit code 2.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  cedargate policy check
  cedargate policy test --coverage
  cedargate policy explain --case 'a passkey at Example Bank'
  cedargate policy diff main..HEAD --fail-on widening
  cedargate policy schema --write")]
pub(super) enum Command {
    Check(check::Arguments),
    Diff(diff::Arguments),
    Explain(Box<explain::Arguments>),
    Format(format::Arguments),
    Replay(replay::Arguments),
    Schema(schema::Arguments),
    Test(test::Arguments),
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Check(arguments) => check::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Format(arguments) => format::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Test(arguments) => test::run(arguments),
    }
}

impl From<cedargate_policy_tools::Error> for Failure {
    fn from(error: cedargate_policy_tools::Error) -> Self {
        use cedargate_policy_tools::Error;
        match error {
            Error::Invalid(findings) => Failure::policies(findings),
            Error::Usage(findings) => Failure {
                exit: Exit::Usage,
                findings: findings.0,
            },
            Error::Threads(_) => Failure::usage("system", error.to_string()),
        }
    }
}

/// Returns the failure of a command that has already printed its findings.
fn reported() -> Failure {
    Failure {
        exit: Exit::Finding,
        findings: Vec::new(),
    }
}

//! `cedargate policy`: tools for who writes policies.

mod answers;
mod check;
mod counted;
mod diff;
mod explain;
mod folders;
mod format;
mod lines;
mod replay;
mod schema;
mod test;

use clap::Subcommand;

use super::failure::Failure;

/// Tools for who writes policies.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  cedargate policy schema
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

//! `cedargate policy`: tools for who writes policies.

mod check;
mod explain;
mod folders;
mod format;
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
    Explain(Box<explain::Arguments>),
    Check(check::Arguments),
    Format(format::Arguments),
    Schema(schema::Arguments),
    Test(test::Arguments),
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Explain(arguments) => explain::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Format(arguments) => format::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Test(arguments) => test::run(arguments),
    }
}

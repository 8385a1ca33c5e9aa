//! `cedargate policy`: tools for who writes policies.

mod explain;
mod folders;
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
    Schema(schema::Arguments),
    Test(test::Arguments),
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Explain(arguments) => explain::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Test(arguments) => test::run(arguments),
    }
}

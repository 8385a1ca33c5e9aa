//! `cedargate policy`: tools for who writes policies.

mod schema;

use clap::Subcommand;

use super::failure::Failure;

/// Tools for who writes policies.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Schema(schema::Arguments),
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Schema(arguments) => schema::run(arguments),
    }
}

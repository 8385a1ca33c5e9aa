//! The command line: parses the arguments, runs one command and returns its exit code. Reports go to
//! stdout, errors to stderr.
//!
//! Exit codes: 0 success; 1 a finding, such as an invalid policy; 2 wrong usage or configuration.

mod completions;
mod config;
mod dev;
mod failure;
mod gateway;
mod github;
mod init;
mod log;
mod manual;
mod new_file;
mod output;
mod policy;
mod recovery_code;
mod serve;
mod signals;
mod streams;
mod token;

use std::process::ExitCode;
use std::time::SystemTime;

use clap::{CommandFactory as _, Parser, Subcommand};

use cedargate_core::Timestamp;
use failure::Failure;

/// Decides every request with Cedar policies, and enrols passkeys and security keys.
#[derive(Debug, Parser)]
#[command(name = "cedargate", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cedargate dev                              try it; it needs nothing else
  cedargate init site                        write a site of your own: configuration, policies, keys
  cedargate config check --config prod.toml  report every mistake in a configuration
  cedargate serve --config prod.toml         run it

Exit codes: 0 success, 1 a finding (such as an invalid policy), 2 wrong usage or configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Arguments),
    Init(init::Arguments),
    Serve(serve::Arguments),
    Token(token::Arguments),
    RecoveryCode(recovery_code::Arguments),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Config(config::Command),
    Completions(completions::Arguments),
    Manual(manual::Arguments),
}

/// Parses the arguments of the process and runs the command that they name.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::RecoveryCode(arguments) => recovery_code::run(&arguments),
        Command::Policy(command) => policy::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Manual(_) => manual::run(Arguments::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::diagnose(&failure.findings);
            failure.exit.into()
        }
    }
}

/// Returns the current time. Commands read the clock nowhere else.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is the edge: time is handed on from here"
)]
fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Runs a future to its end on a runtime with several threads.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::usage(
                "runtime",
                format!("the threads of the gateway cannot be started: {error}"),
            )
        })?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_pass_the_assertions_of_clap() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_lists_every_command_in_order() {
        let commands = Arguments::command();
        let names: Vec<_> = commands
            .get_subcommands()
            .map(|command| command.get_name())
            .collect();
        assert_eq!(
            names,
            [
                "dev",
                "init",
                "serve",
                "token",
                "recovery-code",
                "policy",
                "config",
                "completions",
                "manual"
            ]
        );
    }
}

//! `cedargate config`: the configuration of `serve`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::failure::{Exit, Failure};
use super::{init, output, serve};
use crate::finding::{Finding, Severity};

/// Look at the configuration of `serve`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  cedargate config check
  cedargate config check --config prod.toml --json")]
pub(super) enum Command {
    Check(Check),
}

/// Say everything that is wrong with a configuration, without serving.
///
/// The environment counts as it does for `serve`. Files that the configuration names are read; the
/// folders of policies and schema have to be there, and what is in them is not looked at; nothing is
/// connected to.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate config check
  cedargate config check --config prod.toml --json

With --json it prints one object: {\"ok\", \"findings\": [{\"severity\", \"code\", \"file\", \"line\",
\"column\", \"message\", \"help\"?}]}. Lines and columns are counted from 1; 0 stands for the whole file,
and for what is in none. It exits with 0 when the configuration is right, else with 2. A note says
that a placeholder of `cedargate init` is still in it; it does not change the exit code.")]
pub(super) struct Check {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = serve::DEFAULT_CONFIG)]
    config: PathBuf,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    findings: &'a [Finding],
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Check(arguments) = command;
    let findings = match serve::configuration(&arguments.config, &[]) {
        Ok(config) => Vec::from_iter(init::placeholder_note(&config, &arguments.config)),
        Err(failure) => failure.findings,
    };
    let ok = findings
        .iter()
        .all(|finding| finding.severity == Severity::Note);
    if arguments.json {
        output::print_json(&Report {
            ok,
            findings: &findings,
        })?;
    } else {
        output::diagnose(&findings);
        if ok {
            output::print(&format!("{} is right\n", arguments.config.display()))?;
        }
    }
    if ok {
        Ok(())
    } else {
        // they have been told already
        Err(Failure {
            exit: Exit::Usage,
            findings: Vec::new(),
        })
    }
}

//! `cedargate config`: checks the configuration of `serve`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::failure::{Exit, Failure};
use super::{init, output, serve};
use cedargate_core::{Finding, Severity};

/// Check the configuration of `serve`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  cedargate config check
  cedargate config check --config prod.toml --json")]
pub(super) enum Command {
    Check(Check),
}

/// Report every mistake in a configuration, without serving.
///
/// Environment variables override keys as they do for `serve`. The check reads the files that the
/// configuration names. The folders of policies and schema must exist, but their content is not
/// checked: `cedargate policy check` does that. The check opens no connection.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate config check
  cedargate config check --config prod.toml --json

With --json it prints one object: {\"ok\", \"findings\": [{\"severity\", \"code\", \"file\", \"line\",
\"column\", \"message\", \"help\"?}]}. Lines and columns are counted from 1; 0 stands for the whole file,
and for a finding that is in no file. It exits with 0 if the configuration is right, otherwise with
2. A note reports that a placeholder of `cedargate init` is still in the configuration; it does not
change the exit code.")]
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
        // The findings have been printed already.
        Err(Failure {
            exit: Exit::Usage,
            findings: Vec::new(),
        })
    }
}

//! Writes to stdout and stderr. A closed pipe is not an error: its reader has read what it wanted.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use serde::Serialize;

use super::failure::Failure;
use cedargate_core::Finding;

/// Writes a report to stdout and flushes it.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::usage(
            "stdout",
            format!("the output cannot be written: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Writes a report to stdout as one line of JSON and flushes it.
pub(super) fn print_json(report: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_string(report).map_err(|error| {
        Failure::usage(
            "internal",
            format!("the report cannot be written as JSON: {error}"),
        )
    })?;
    line.push('\n');
    print(&line)
}

/// Writes findings to stderr, for a person.
pub(super) fn diagnose(findings: &[Finding]) {
    let colours = colours();
    let rendered: Vec<_> = findings
        .iter()
        .map(|finding| finding.render(colours))
        .collect();
    if !rendered.is_empty() {
        note(&rendered.join("\n\n"));
    }
}

/// Writes a line to stderr. Errors from writing are ignored.
pub(super) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Shows the progress of a command on a line of stderr that the next call overwrites. An empty text
/// removes the line. Writes nothing unless stderr is a terminal.
pub(super) fn progress(line: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush());
    }
}

/// Returns true if stderr is a terminal and `NO_COLOR` is unset or empty (<https://no-color.org>).
fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

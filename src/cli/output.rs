//! What a command writes. A reader that has gone away is not an error: it has read what it wanted.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use serde::Serialize;

use super::failure::Failure;
use crate::finding::Finding;

/// Writes a report to stdout, at once.
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

/// Writes a report as one line of JSON to stdout, at once.
pub(super) fn print_json(report: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_string(report)
        .map_err(|error| Failure::usage("internal", format!("the report has no JSON: {error}")))?;
    line.push('\n');
    print(&line)
}

/// Writes what is wrong to stderr, for a person.
pub(super) fn diagnose(findings: &[Finding]) {
    let colours = colours();
    let rendered: Vec<_> = findings.iter().map(|one| one.render(colours)).collect();
    if !rendered.is_empty() {
        note(&rendered.join("\n\n"));
    }
}

/// Writes a line to stderr. Where nobody can be told any more, nobody is.
pub(super) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Shows how far a command is, on a line of stderr that the next call overwrites; with nothing to
/// show, the line goes. Only for who watches a terminal.
pub(super) fn progress(line: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush());
    }
}

/// Colours are for terminals, unless `NO_COLOR` is set to anything (<https://no-color.org>).
fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

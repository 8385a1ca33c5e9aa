//! `cedargate policy format`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::failure::{Exit, Failure};
use crate::cli::output;
use crate::finding::{Finding, Severity};
use cedargate_policy_tools::format::{self, LINE_WIDTH, PolicyFile};

/// Put policy files into the format of Cedar's own formatter.
///
/// Comments and annotations stay. A file is written whole or not at all, and left as it is when it
/// does not parse, is larger than 512 KiB, or the formatter would lose something of it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate policy format
  cedargate policy format policies/50-ours.cedar
  cedargate policy format --check            say which files are not formatted, and write nothing

With --json it prints one object: {\"ok\", \"files\", \"changed\", \"findings\"}; \"changed\" lists the
files that were changed, with --check those that would be. It exits with 1 when a file could not be
formatted or, with --check, is not.")]
pub(in crate::cli) struct Arguments {
    /// Policy folders or single files.
    #[arg(value_name = "PATHS", default_value = "./policies")]
    paths: Vec<PathBuf>,
    /// Write nothing: exit with 1 when a file is not formatted.
    #[arg(long)]
    check: bool,
    /// How long lines may be, in columns. Cedar's own tools have the same default.
    #[arg(long, value_name = "COLUMNS", default_value_t = LINE_WIDTH)]
    line_width: usize,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    ok: bool,
    files: usize,
    changed: Vec<String>,
    findings: &'a [Finding],
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (files, unreadable) = format::read(&arguments.paths);
    let mut findings = unreadable.0;
    let mut changed = Vec::new();
    for file in &files {
        let text = match file.formatted(arguments.line_width) {
            Ok(text) if text == file.text() => continue,
            Ok(text) => text,
            Err(why) => {
                findings.extend(why.0);
                continue;
            }
        };
        if arguments.check {
            findings.push(difference(file, &text));
        } else if let Err(error) = replace(file.path(), &text) {
            let message = format!("cannot be written: {error}");
            let finding = Finding::error("format_write", shown(file), message);
            findings
                .push(finding.help("it is as it was: see that it and its folder may be written"));
            continue;
        }
        changed.push(shown(file));
    }
    let ok = findings.is_empty();
    if arguments.json {
        output::print_json(&Json {
            ok,
            files: files.len(),
            changed,
            findings: &findings,
        })?;
    } else {
        output::diagnose(&findings);
        output::print(&summary(arguments.check, files.len(), &changed))?;
    }
    if ok {
        return Ok(());
    }
    // They have been told already.
    Err(Failure {
        exit: Exit::Finding,
        findings: Vec::new(),
    })
}

fn shown(file: &PolicyFile) -> String {
    file.path().display().to_string()
}

fn summary(check: bool, files: usize, changed: &[String]) -> String {
    let verb = if check { "not formatted" } else { "formatted" };
    let mut lines: Vec<_> = changed.iter().map(|one| format!("{verb}: {one}")).collect();
    let of = if files == 1 { "file" } else { "files" };
    lines.push(match (check, changed.len()) {
        (true, many) => format!("{many} of {files} {of} not formatted\n"),
        (false, many) => format!("{many} of {files} {of} changed\n"),
    });
    lines.join("\n")
}

/// The first line that is not as it should be.
fn difference(file: &PolicyFile, formatted: &str) -> Finding {
    let text = file.text();
    let mut at = 0;
    let mut right = formatted.split_inclusive('\n');
    let mut wanted = right.next();
    for line in text.split_inclusive('\n') {
        if Some(line) != wanted {
            break;
        }
        at += line.len();
        wanted = right.next();
    }
    let line = text[at..].lines().next().unwrap_or_default();
    let help = match wanted.map(|line| line.trim_end_matches('\n')) {
        Some("") => "write an empty line here, or run `cedargate policy format`".to_owned(),
        Some(same) if same == line => {
            "end the line with one line feed, or run `cedargate policy format`".to_owned()
        }
        Some(wanted) => format!("write `{wanted}` here, or run `cedargate policy format`"),
        None => "end the file before this, or run `cedargate policy format`".to_owned(),
    };
    let message = "this file is not formatted: it differs from here on";
    Finding::error("not_formatted", shown(file), message)
        .at(text, at..at + line.len())
        .severity(Severity::Finding)
        .help(help)
}

/// Whole or not at all: a gateway that reads the folder never sees half a file. Through a link, what it
/// leads to is written.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let permissions = fs::metadata(&path)?.permissions();
    if permissions.readonly() {
        // A new file in its place would get around that.
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            "it is read-only",
        ));
    }
    // Begins with a dot, so that no gateway reads it.
    let new = path.with_file_name(format!(".{name}.new"));
    let written = write(&new, text, permissions).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn write(path: &Path, text: &str, permissions: fs::Permissions) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(permissions)?;
    file.sync_all()
}

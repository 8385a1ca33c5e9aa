//! `--watch` runs the cases again whenever a file that they depend on changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Arguments, json, report, text, write};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::policy::flags::Inputs;

/// The time between two readings of the files.
const PAUSE: Duration = Duration::from_millis(250);
/// The number of readings after which a run starts although files keep changing.
const MAX_UNSETTLED: usize = 8;
/// The limit on the nesting of folders, which ends a cycle of links.
const MAX_DEPTH: usize = 16;
/// The endings of files that the cases depend on.
const ENDINGS: [&str; 4] = ["cedar", "cedarschema", "json", "toml"];

/// The content of each file, or `None` if it cannot be read.
type State = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Runs until the process ends.
pub(super) fn run(arguments: &Arguments, inputs: &Inputs) -> Result<(), Failure> {
    let mut seen = state(inputs);
    loop {
        let report = report(arguments, inputs)?;
        write(arguments, &report)?;
        if arguments.json {
            output::print_json(&json::report(&report))?;
        } else {
            output::print(&text::compact(&report))?;
        }
        seen = changed(inputs, &seen);
    }
}

/// Waits until the state differs from `old` and is the same in two consecutive readings, so that no file is
/// read while it is written.
fn changed(inputs: &Inputs, old: &State) -> State {
    let mut last = old.clone();
    let mut unsettled = 0;
    loop {
        thread::sleep(PAUSE);
        let now = state(inputs);
        let settled = now == last || unsettled >= MAX_UNSETTLED;
        if now != *old && settled {
            return now;
        }
        unsettled = if now == *old { 0 } else { unsettled + 1 };
        last = now;
    }
}

/// Reads the content of all files. Comparing contents needs neither a clock nor notifications of the system,
/// and a file that is written without a change does not start a run.
fn state(inputs: &Inputs) -> State {
    let mut state = State::new();
    let schema = [&inputs.schema];
    for path in inputs.policies.iter().chain(schema).chain(&inputs.tests) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => add(path, MAX_DEPTH, &mut state),
            _ => {
                state.insert(path.clone(), fs::read(path).ok());
                add_beside(path, &mut state);
            }
        }
    }
    state
}

/// Adds the folder of a test file, which has its entities and equivalent mutants.
fn add_beside(file: &Path, state: &mut State) {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    add(folder.unwrap_or(Path::new(".")), 1, state);
}

fn add(folder: &Path, deepest: usize, state: &mut State) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let known = path
            .extension()
            .is_some_and(|ending| ENDINGS.iter().any(|one| ending == *one));
        match fs::metadata(&path) {
            _ if hidden => {}
            Ok(metadata) if metadata.is_dir() && deepest > 1 => add(&path, deepest - 1, state),
            // Only regular files are read, because reading a pipe would wait for its writer.
            Ok(metadata) if metadata.is_file() && known => {
                let content = fs::read(&path).ok();
                state.insert(path, content);
            }
            _ => {}
        }
    }
}

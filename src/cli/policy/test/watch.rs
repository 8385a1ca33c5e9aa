//! `--watch`: runs the cases again whenever a file that they depend on changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::round::Report;
use super::{Arguments, json, text, write};
use crate::cli::failure::Failure;
use crate::cli::output;

/// Between two looks at the files.
const PAUSE: Duration = Duration::from_millis(250);
/// Looks after which files that never come to rest are taken as they are.
const MOST_UNSETTLED: usize = 8;
/// Folders in folders: deeper is a ring of links.
const DEEPEST: usize = 16;
/// What the cases depend on.
const ENDINGS: [&str; 4] = ["cedar", "cedarschema", "json", "toml"];

/// The content of each file, or nothing of one that cannot be read.
type State = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Runs until the process is ended.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut seen = state(arguments);
    loop {
        let report = Report::of(arguments)?;
        write(arguments, &report)?;
        if arguments.json {
            output::print_json(&json::report(&report))?;
        } else {
            output::print(&text::compact(&report))?;
        }
        seen = changed(arguments, &seen);
    }
}

/// Waits for another state than this one, and until that stays as it is: what is being written is
/// half there.
fn changed(arguments: &Arguments, old: &State) -> State {
    let mut last = old.clone();
    let mut unsettled = 0;
    loop {
        thread::sleep(PAUSE);
        let now = state(arguments);
        let settled = now == last || unsettled >= MOST_UNSETTLED;
        if now != *old && settled {
            return now;
        }
        unsettled = if now == *old { 0 } else { unsettled + 1 };
        last = now;
    }
}

/// The files are compared as they are read: no time and no notification of the system is relied on,
/// and what is written again as it was changes nothing.
fn state(arguments: &Arguments) -> State {
    let folders = [&arguments.folders.policies, &arguments.folders.schema];
    let mut state = State::new();
    for path in folders.into_iter().chain(&arguments.paths) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => add(path, DEEPEST, &mut state),
            _ => {
                state.insert(path.clone(), fs::read(path).ok());
                add_beside(path, &mut state);
            }
        }
    }
    state
}

/// Entities and equivalent mutants stand beside a test file.
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
            // Asked before it is read: reading a pipe would wait for whoever writes to it.
            Ok(metadata) if metadata.is_file() && known => {
                let content = fs::read(&path).ok();
                state.insert(path, content);
            }
            _ => {}
        }
    }
}

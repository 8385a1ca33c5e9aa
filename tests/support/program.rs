//! The `cedargate` program, run in a folder, and signals to processes.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program with these arguments, in this folder.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("RUST_LOG");
    command
}

/// Runs the program until it ends.
pub fn cedargate(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Runs the program with this text on stdin.
pub fn cedargate_on(folder: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut process = command(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // fails if the process ends without reading it
    let _ = process.stdin.take().unwrap().write_all(stdin.as_bytes());
    process.wait_with_output().unwrap()
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Sends a signal, such as `-HUP`, to a process.
pub fn send_signal(signal: &str, pid: &str) {
    let status = Command::new("kill").args([signal, pid]).status();
    assert!(status.unwrap().success(), "kill {signal} {pid}");
}

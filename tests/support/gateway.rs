//! The gateway as a process of its own: it starts on free ports and is killed when it is dropped.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use super::client::{Answer, Client};
use super::program;

/// The longest time that a process may take to become ready.
const READY: Duration = Duration::from_secs(60);

/// A running gateway.
pub struct Gateway {
    process: Process,
    /// The URL of the API. For `dev`, the relying party's origin.
    pub url: String,
    /// The URL of the admin listener.
    pub admin_url: String,
    /// The line that announced readiness: that of `dev --json`, or the line in the log of `serve`.
    pub ready: Value,
}

impl Gateway {
    /// Starts `dev` on free ports in this folder. It keeps its data there, and uses `policies` and
    /// `schema` if they exist.
    pub fn dev(home: &Path) -> Self {
        Self::dev_at(home, 0)
    }

    /// Starts `dev` like [`Gateway::dev`], with further flags.
    pub fn dev_with(home: &Path, flags: &[&str]) -> Self {
        Self::start_dev(home, 0, flags)
    }

    /// Starts `dev` like [`Gateway::dev`], at this port.
    pub fn dev_at(home: &Path, port: u16) -> Self {
        Self::start_dev(home, port, &[])
    }

    fn start_dev(home: &Path, port: u16, flags: &[&str]) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let fixed = ["dev", "--json", "--admin-listen", "127.0.0.1:0"];
        let arguments = [&fixed, flags, &["--listen"]].concat();
        let command = Process::command(home, &arguments, &listen);
        let (process, ready) = Process::spawn(command, |line| line.get("url").is_some());
        Self {
            url: text(&ready, "url"),
            admin_url: text(&ready, "admin_url"),
            process,
            ready,
        }
    }

    /// Starts `serve` with this configuration, which names the ports.
    pub fn serve(config: &Path) -> Self {
        Self::serve_with(config, &[], None)
    }

    /// Starts `serve` like [`Gateway::serve`], with further flags and this `RUST_LOG`.
    pub fn serve_with(config: &Path, flags: &[&str], rust_log: Option<&str>) -> Self {
        let home = config.parent().unwrap();
        let arguments = [&["serve"], flags, &["--config"]].concat();
        let mut command = Process::command(home, &arguments, config.to_str().unwrap());
        if let Some(filter) = rust_log {
            command.env("RUST_LOG", filter);
        }
        let (process, ready) = Process::spawn(command, |line| line["message"] == "listening");
        Self {
            url: format!("http://{}", text(&ready, "listen")),
            admin_url: format!("http://{}", text(&ready, "admin_listen")),
            process,
            ready,
        }
    }

    /// Waits for the event of the request with this id and returns it.
    pub fn event(&self, request_id: &str) -> Value {
        let event = |text: &str| {
            let mut lines = text
                .lines()
                .filter(|line| line.contains(request_id))
                .filter_map(|line| serde_json::from_str(line).ok());
            lines.find(|line: &Value| line["request_id"] == request_id)
        };
        let Written { text, bell } = &*self.process.written;
        let text = text.lock().unwrap();
        let missing = |text: &mut String| event(text).is_none();
        let (text, _) = bell.wait_timeout_while(text, READY, missing).unwrap();
        let found = event(&text);
        // A panic while the lock is held would keep `drop` from printing the log.
        drop(text);
        found.unwrap_or_else(|| panic!("no event of {request_id}"))
    }

    /// Asks the admin listener for a path.
    pub async fn admin_get(&self, path: &str) -> Answer {
        Client::new(&self.admin_url).get(path).await
    }

    /// The value of a metric, named with its labels. `None` if it has no such sample.
    pub async fn metric(&self, name: &str) -> Option<u64> {
        let metrics = self.admin_get("/metrics").await;
        sample(metrics.body.as_str().unwrap(), name)
    }

    /// The output so far.
    pub fn written(&self) -> String {
        self.process.text()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Kills the process (SIGKILL).
    pub fn kill(mut self) {
        self.process.child.kill().unwrap();
        self.process.child.wait().unwrap();
    }

    /// Stops the process (SIGTERM) and checks that it exits with 0. Returns its output.
    pub fn stop(self) -> String {
        self.terminate();
        self.ended()
    }

    /// Sends SIGTERM without waiting for the end.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        program::send_signal(signal, &self.pid());
    }

    /// Waits for the end and checks that the process exits with 0. Returns its output.
    pub fn ended(mut self) -> String {
        assert_eq!(self.process.child.wait().unwrap().code(), Some(0));
        for reader in self.process.readers.drain(..) {
            reader.join().unwrap();
        }
        self.process.text()
    }

    /// Its process id.
    pub fn pid(&self) -> String {
        self.process.child.id().to_string()
    }
}

/// A free TCP port, for servers that must know their port before they start or keep it over a
/// restart. It lies outside the range of ephemeral ports: an outgoing connection could take one of
/// those while nobody listens.
pub struct Port {
    number: u16,
    /// Holding the UDP port of this number keeps other tests, of other processes too, off the TCP
    /// port.
    _held: UdpSocket,
}

impl Port {
    /// Takes a port. Dropping the value frees it.
    pub fn free() -> Self {
        static TRIED: AtomicU32 = AtomicU32::new(0);
        loop {
            // Test processes that run side by side begin at different numbers.
            let at = std::process::id() * 997 + TRIED.fetch_add(1, Ordering::Relaxed);
            let number = 10_000 + u16::try_from(at % 20_000).unwrap();
            let Ok(held) = UdpSocket::bind(("127.0.0.1", number)) else {
                continue;
            };
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self {
                    number,
                    _held: held,
                };
            }
        }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Copies the shipped folders `policies` and `schema`, for a test to edit.
pub fn copy_policies(home: &Path) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["policies", "schema"] {
        copy(&repository.join(folder), &home.join(folder));
    }
}

/// Copies a folder and its contents.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The value of a metric, named with its labels, in what `/metrics` answers.
pub fn sample(metrics: &str, name: &str) -> Option<u64> {
    let mut samples = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    let (_, value) = samples.find(|(sample, _)| *sample == name)?;
    Some(value.parse().unwrap())
}

fn text(line: &Value, member: &str) -> String {
    let text = line[member].as_str();
    text.unwrap_or_else(|| panic!("no {member} in {line}"))
        .to_owned()
}

/// The output of a process so far. `bell` is notified of each line.
#[derive(Default)]
struct Written {
    text: Mutex<String>,
    bell: Condvar,
}

/// A process, and threads that read its output so that it never stalls.
struct Process {
    child: Child,
    written: Arc<Written>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// The program in this folder, with these arguments and `last`.
    fn command(home: &Path, arguments: &[&str], last: &str) -> Command {
        let mut command = program::command(home, arguments);
        command
            .arg(last)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the program and waits for the line that announces readiness.
    fn spawn(mut command: Command, is_ready: impl Fn(&Value) -> bool) -> (Self, Value) {
        let child = command.spawn().unwrap();
        let mut process = Self {
            child,
            written: Arc::default(),
            readers: Vec::new(),
        };
        let stdout = process.child.stdout.take().unwrap();
        let stderr = process.child.stderr.take().unwrap();
        let lines = process.collect(stdout);
        drop(process.collect(stderr));
        loop {
            match lines.recv_timeout(READY) {
                Ok(line) => match serde_json::from_str(&line) {
                    Ok(line) if is_ready(&line) => return (process, line),
                    _ => {}
                },
                Err(why) => panic!("the gateway is not ready: {why}"),
            }
        }
    }

    fn collect(&mut self, from: impl Read + Send + 'static) -> Receiver<String> {
        let (lines, receiver) = mpsc::channel();
        let written = Arc::clone(&self.written);
        self.readers.push(thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let mut text = written.text.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
                drop(text);
                written.bell.notify_all();
                // the receiver is gone once the process is ready
                let _ = lines.send(line);
            }
        }));
        receiver
    }

    fn text(&self) -> String {
        self.written.text.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // both fail if the process has ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the gateway wrote:\n{}", self.text());
        }
    }
}

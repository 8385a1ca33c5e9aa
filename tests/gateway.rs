//! The program, as a process of its own: started on free ports, killed when it is dropped.

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

/// How long a process may take until it is ready.
const READY: Duration = Duration::from_secs(60);

/// A running gateway.
pub struct Gateway {
    process: Process,
    /// Where the API is. For `dev` the relying party's origin.
    pub url: String,
    /// Where operators look.
    pub admin_url: String,
    /// What it said when it was ready: the line of `dev --json`, or the log's line of `serve`.
    pub ready: Value,
}

impl Gateway {
    /// `dev` on free ports in this folder: its data is kept there, and its `policies` and `schema`
    /// count if they are there.
    pub fn dev(home: &Path) -> Self {
        Self::dev_at(home, 0)
    }

    /// As [`Gateway::dev`], with further flags.
    pub fn dev_with(home: &Path, flags: &[&str]) -> Self {
        Self::start_dev(home, 0, flags)
    }

    /// As [`Gateway::dev`], at this port.
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

    /// `serve` with this configuration, which chooses the ports.
    pub fn serve(config: &Path) -> Self {
        Self::serve_with(config, &[], None)
    }

    /// As [`Gateway::serve`], with further flags and this `RUST_LOG`.
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

    /// The wide event of the request with this id, once it is written.
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
        // A panic that holds the lock would hide what the gateway wrote.
        drop(text);
        found.unwrap_or_else(|| panic!("no event of {request_id}"))
    }

    /// Everything that it has written so far.
    pub fn written(&self) -> String {
        self.process.text()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Ends it as a crash would (SIGKILL).
    pub fn kill(mut self) {
        self.process.child.kill().unwrap();
        self.process.child.wait().unwrap();
    }

    /// Ends it as an operator does (SIGTERM): it has to end well. Gives everything that it wrote.
    pub fn stop(self) -> String {
        self.terminate();
        self.ended()
    }

    /// Asks it to end (SIGTERM), and goes on.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Tells it to read its files anew (SIGHUP).
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.pid()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end that it was asked for: it has to end well. Gives everything that it wrote.
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

/// A TCP port that nobody has, for what has to know its port before it starts, or to find it again
/// after a restart. It is none of those that the system gives to outgoing connections: one of these
/// could take it while nobody listens.
pub struct Port {
    number: u16,
    /// As long as the UDP port of this number is held, no test of any process takes the TCP port.
    _held: UdpSocket,
}

impl Port {
    /// Takes one. It is free again when the value is gone.
    pub fn free() -> Self {
        static TRIED: AtomicU32 = AtomicU32::new(0);
        loop {
            // Test processes that run side by side begin at different places.
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

/// A copy of the shipped `policies` and `schema` folders, to be edited.
pub fn copy_policies(home: &Path) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["policies", "schema"] {
        copy(&repository.join(folder), &home.join(folder));
    }
}

/// A copy of a folder with all that is in it.
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

fn text(line: &Value, member: &str) -> String {
    let text = line[member].as_str();
    text.unwrap_or_else(|| panic!("no {member} in {line}"))
        .to_owned()
}

/// What a process has written so far, and a bell that rings with each line.
#[derive(Default)]
struct Written {
    text: Mutex<String>,
    bell: Condvar,
}

/// A process, and threads that collect everything it writes so that it never stalls.
struct Process {
    child: Child,
    written: Arc<Written>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// The program in this folder, with these arguments.
    fn command(home: &Path, arguments: &[&str], last: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
        command
            .args(arguments)
            .arg(last)
            .current_dir(home)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the program, and waits for the line that says that it is ready.
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
                // nobody waits for lines after the one that says it is ready
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
        // both fail when it has ended already, which is what is wanted
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the gateway wrote:\n{}", self.text());
        }
    }
}

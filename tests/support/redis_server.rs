//! A redis-server for one test, on a free port. Its folder is kept over restarts.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::gateway::Port;
use super::program;

/// The longest wait. Only a test that fails reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A redis-server: running, stopped or paused. Dropping the value ends it.
pub(crate) struct RedisServer {
    port: Port,
    folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts a server that keeps everything on disk, so that its data survives
    /// [`RedisServer::kill`]. It does without fsync: the test does not crash the machine, and a
    /// busy disk can take longer for fsync than the store waits.
    pub(crate) fn durable() -> Self {
        Self::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "no"])
    }

    /// Starts a server with these arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut server = Self {
            port: Port::free(),
            folder: TempDir::new().expect("a temporary folder"),
            arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
            child: None,
        };
        while !server.try_start() {
            // another process took the port
            server.port = Port::free();
        }
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("redis.sock")
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port())
    }

    /// Kills the server (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a running server");
            child.wait().expect("an ended server");
        }
    }

    /// Starts the server again on the same port and folder, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let deadline = Instant::now() + PATIENCE;
        while !self.try_start() {
            // A connection of another test may hold the port for a moment.
            assert!(Instant::now() < deadline, "the port is not free again");
        }
    }

    /// Starts the server and waits until it says that its socket is ready, which it opens after the
    /// port. Returns false if it ends, as it does when the port is taken.
    fn try_start(&mut self) -> bool {
        let mut child = Command::new("redis-server")
            .args(["--port", &self.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--unixsocket", &self.socket().to_string_lossy()])
            .args(["--dir", &self.folder.path().to_string_lossy()])
            .args(["--loglevel", "notice"])
            .args(&self.arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is installed");
        let stdout = child.stdout.take().expect("it is piped");
        match socket_opens(stdout).recv_timeout(PATIENCE) {
            Ok(()) => self.child = Some(child),
            Err(RecvTimeoutError::Disconnected) => {
                child.wait().expect("an ended server");
            }
            Err(RecvTimeoutError::Timeout) => panic!("redis-server does not open its socket"),
        }
        self.child.is_some()
    }

    /// SIGSTOP: it keeps its connections and answers nothing.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// A connection beside the store's.
    pub(crate) fn raw(&self) -> redis::Connection {
        redis::Client::open(self.url())
            .and_then(|client| client.get_connection())
            .expect("a running server")
    }

    /// Sends one command beside the store.
    pub(crate) fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.raw()).expect("an answer")
    }

    /// Sends these bytes and returns the first bytes of the reply.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.socket()).expect("a running server");
        stream.write_all(bytes).expect("it reads");
        let mut answer = [0; 256];
        let length = stream.read(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("a running server");
        program::send_signal(signal, &child.id().to_string());
    }
}

/// Sends a message when the server opens its socket, for which it has loaded its data. Hangs up
/// without one when its log ends.
fn socket_opens(log: ChildStdout) -> Receiver<()> {
    let (open, opens) = mpsc::channel();
    thread::spawn(move || {
        // read to the end, so that it never stalls
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            let line = line.to_lowercase();
            // Redis 7.2 and later name the kind of a socket, earlier ones its path.
            let is_socket = line.ends_with("unix") || line.ends_with("redis.sock");
            if is_socket && line.contains("ready to accept connections") {
                // the receiver is gone after the first message
                let _ = open.send(());
            }
        }
    });
    opens
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGKILL ends a paused process too.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

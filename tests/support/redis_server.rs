//! A redis-server for one test, on a free port. Its folder is kept over restarts.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
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

    /// Starts the server and waits until it answers on its socket, which it opens after the port.
    /// Returns false if it ends, as it does when the port is taken.
    fn try_start(&mut self) -> bool {
        let mut child = Command::new("redis-server")
            .args(["--port", &self.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--unixsocket", &self.socket().to_string_lossy()])
            .args(["--dir", &self.folder.path().to_string_lossy()])
            .args(["--loglevel", "warning"])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let deadline = Instant::now() + PATIENCE;
        while !self.answers() {
            if child.try_wait().expect("a child").is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child = Some(child);
        true
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
        self.try_exchange(bytes).expect("a running server")
    }

    fn try_exchange(&self, bytes: &[u8]) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.write_all(bytes)?;
        let mut answer = [0; 256];
        let length = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// Returns true if the server has loaded its data and answers. An error, such as one about a
    /// missing password, is an answer.
    fn answers(&self) -> bool {
        self.try_exchange(b"PING\r\n")
            .is_ok_and(|answer| !answer.is_empty() && !answer.starts_with("-LOADING"))
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("a running server");
        program::send_signal(signal, &child.id().to_string());
    }
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

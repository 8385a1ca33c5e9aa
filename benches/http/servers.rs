//! The servers that are compared, each in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::support::deployment::Deployment;

/// The time within which a gateway has to start.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The environment variable that makes this program the bare server.
const BARE_VARIABLE: &str = "CEDARGATE_BENCH_BARE";

/// A running gateway. Its log is discarded, since reading it would distort the figures.
pub struct GatewayProcess {
    process: Child,
    /// The address and port of the API.
    pub address: String,
}

impl GatewayProcess {
    /// Starts a gateway, and waits until it listens.
    pub fn start(deployment: &Deployment) -> Self {
        let process = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .args(["serve", "--config"])
            .arg(deployment.config())
            .stdout(Stdio::null())
            .spawn()
            .expect("the gateway");
        let address = deployment.origin().replace("http://localhost", "127.0.0.1");
        let started = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(
                started.elapsed() < START_TIMEOUT,
                "the gateway does not start"
            );
            std::thread::yield_now();
        }
        Self { process, address }
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A minimal server: hyper reads the whole request and answers with a small JSON.
pub struct BareServer {
    process: Child,
    /// The address and port of the server.
    pub address: String,
}

impl BareServer {
    /// Returns true if this process has to be the server.
    pub fn is_this() -> bool {
        std::env::var_os(BARE_VARIABLE).is_some()
    }

    /// Starts this program again, as the server.
    pub fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .env(BARE_VARIABLE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("a second process");
        let stdout = process.stdout.take().expect("it is piped");
        let mut address = String::new();
        BufReader::new(stdout)
            .read_line(&mut address)
            .expect("its address");
        Self {
            process,
            address: address.trim().to_owned(),
        }
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Runs the server of a [`BareServer`]. Prints its address as the first line.
pub async fn serve_bare() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        stream.set_nodelay(true).expect("a socket");
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            let served = http.serve_connection(TokioIo::new(stream), service_fn(answer));
            // A client that closes its connection is no failure.
            let _ = served.await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    request.into_body().collect().await?;
    let body = r#"{"methods":[],"backup_codes":{"remaining":0}}"#;
    Ok(Response::builder()
        .header("content-type", "application/json; charset=utf-8")
        .body(Full::from(body))
        .expect("an answer"))
}

fn end(process: &mut Child) {
    // Both calls fail if the process has ended already.
    let _ = process.kill();
    let _ = process.wait();
}

//! What is compared, each as a process of its own.

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

/// How long a gateway may take to start.
const START: Duration = Duration::from_secs(30);

/// Set in the process that is the bare server.
const BARE: &str = "CEDARGATE_BENCH_BARE";

/// A gateway whose log nobody reads: reading it would cost what is measured.
pub struct Serving {
    process: Child,
    /// Address and port of its API.
    pub address: String,
}

impl Serving {
    /// Starts one, and waits until it listens.
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
            assert!(started.elapsed() < START, "the gateway does not start");
            std::thread::yield_now();
        }
        Self { process, address }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A server that does the least: hyper reads the request whole and answers a small JSON.
pub struct Bare {
    process: Child,
    /// Its address and port.
    pub address: String,
}

impl Bare {
    /// Whether this process is to be the server.
    pub fn is_this() -> bool {
        std::env::var_os(BARE).is_some()
    }

    /// Starts this program again, as the server.
    pub fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .env(BARE, "1")
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

impl Drop for Bare {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// What the process of [`Bare`] does; the first line that it prints is its address.
pub async fn bare() {
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
            // a caller that goes away is no failure
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
    // both fail when it has ended already, which is what is wanted
    let _ = process.kill();
    let _ = process.wait();
}

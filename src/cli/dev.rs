//! `cedargate dev`: a gateway to try, with everything that it needs. It issues its own tokens, so it
//! listens on loopback only.

pub(super) mod data;
mod greeting;
pub(super) mod issuer;
mod page;
mod records;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use tokio::net::TcpListener;

use super::failure::Failure;
use super::gateway::{self, Listeners, Parts};
use super::log::{Console, Log};
use super::signals::Shutdown;
use super::streams::Streams;
use super::{block_on, now};
use crate::app::App;
use crate::app::policies::Location;
use crate::authn::signing::SigningKey;
use crate::authn::step_up::StepUpIssuer;
use crate::finding::Finding;
use crate::http::server::Handler;
use crate::mfa::backup_codes::{Pepper, Peppers};
use crate::model::{MethodType, Timestamp};
use crate::policy::{Inquiry, Requirements};
use crate::record::Sink;
use crate::streams::DecisionLog;
use crate::webauthn::{self, RelyingParties, Tenants};
use crate::{authn, mfa, store};
use data::Data;
use greeting::Greeting;
use issuer::SignIn;
use page::{Explain, Page};
use records::Records;

/// The data folder that is used unless another one is named.
pub(super) const DEFAULT_DATA: &str = "./data";
const DEFAULT_POLICIES: &str = "./policies";
const DEFAULT_SCHEMA: &str = "./schema";

/// The relying party's id: the one host at which browsers run ceremonies without HTTPS.
const RP_ID: &str = "localhost";
/// How long the token of the greeting is good for: an afternoon of trying.
const GREETING_TTL: Duration = Duration::from_secs(4 * 60 * 60);
const ENROLLMENT_TTL: Duration = Duration::from_secs(5 * 60);

/// Try it: a gateway that needs nothing else, and a page to enrol authenticators on.
///
/// It keeps its data in a folder, issues its own tokens, and decides with the policies in ./policies
/// and ./schema, or with the shipped ones where these folders are not there. Edit a policy, and
/// requests are decided by it a second later; what does not load is said, and changes nothing. It
/// listens on loopback only.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate dev
  cedargate dev --policies ./my-policies --data ./try
  cedargate dev --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --json

With --json it prints one line when it is ready: {\"url\", \"admin_url\", \"issuer\", \"audience\",
\"tenant\", \"token\"}. Port 0 picks a free port.")]
pub(super) struct Arguments {
    /// Where the API and the page are.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = parse_listen)]
    listen: SocketAddr,
    /// Where health, readiness, metrics and the policies in force are.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9090", value_parser = parse_listen)]
    admin_listen: SocketAddr,
    /// The data folder; it is made if it is not there.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// The policy folder [default: ./policies, else the shipped policies]
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    /// The schema folder [default: ./schema, else the shipped schema]
    #[arg(long, value_name = "FOLDER")]
    schema: Option<PathBuf>,
    /// Append each decision to this file, with all that is needed to decide it again.
    #[arg(long, value_name = "FILE")]
    decision_log: Option<PathBuf>,
    /// Print one line of JSON instead of sentences when it is ready.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (log, console) = Log::console()?;
    let settings = arguments.decision_log.clone().map(|file| DecisionLog {
        file,
        masks: Vec::new(),
    });
    let streams = Streams::open(settings, None)?;
    let served = block_on(serve(arguments, console, &streams));
    streams.finish();
    log.finish();
    served
}

async fn serve(arguments: &Arguments, console: Console, streams: &Streams) -> Result<(), Failure> {
    let shutdown = Shutdown::on_signals()?;
    streams.reopen_on_hangup()?;
    let (location, folder) = location(arguments);
    let policies = location
        .load(Requirements::default())
        .map_err(Failure::policies)?;
    let listeners = Listeners {
        api: bind(arguments.listen).await?,
        admin: gateway::bind(arguments.admin_listen, "--admin-listen").await?,
        admin_hosts: Vec::new(),
        streams: streams.health(),
    };
    let port = port(&listeners.api[0])?;
    let data = Data::open(&arguments.data)?;
    let key = Arc::new(data.signing_key);
    let records = Arc::new(Records::default());
    let parts = Parts {
        policies,
        store: embedded(&arguments.data),
        authn: authn_settings(&key)?,
        mfa: mfa::Parts {
            parties: Arc::new(relying_parties(port)?),
            peppers: Arc::new(Peppers::new(vec![Pepper::new(&data.pepper)])),
            step_up: Some(Arc::new(step_up(data.step_up_key)?)),
            enrollment_ttl: ENROLLMENT_TTL,
            recovery_code_ttl: crate::config::RECOVERY_CODE_TTL,
            max_authenticators: crate::config::MAX_AUTHENTICATORS,
        },
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
    };
    let console = Arc::new(console);
    let sinks: Vec<Arc<dyn Sink>> = vec![console.clone(), records.clone()];
    let open = parts.open(sinks, streams, console).await?;
    let greeting = Greeting {
        program: std::env::args().next().unwrap_or("cedargate".to_owned()),
        url: origin(port),
        admin_url: format!("http://{}", gateway::address(&listeners.admin)),
        token: greeting_token(&key)?,
        count: open.app.gate.in_force().bundle().len(),
        policies: folder,
        data: &arguments.data,
    };
    greeting.print(arguments.json)?;
    let dev = Dev {
        page: Page::new(key, records, explain(&open.app), port),
        app: Arc::clone(&open.app),
    };
    listeners.serve(Arc::new(dev), open, shutdown).await;
    Ok(())
}

/// Explains by the policies in force.
fn explain(app: &Arc<App>) -> Explain {
    let app = Arc::clone(app);
    Box::new(move |input| {
        let in_force = app.gate.in_force();
        let bundle = in_force.bundle();
        Ok(bundle.explain(&Inquiry::again(bundle, input)?))
    })
}

/// The page, and the gateway behind it.
struct Dev {
    page: Page,
    app: Arc<App>,
}

impl Handler for Dev {
    /// What is not the page's is a request like any other.
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Response<Full<Bytes>> {
        match self.page.answer(request, now()).await {
            Ok(answer) => answer,
            Err(request) => Arc::clone(&self.app).handle(request, peer).await,
        }
    }
}

/// The folders if they are there, else what is in the program; and how to call it to a person. A
/// folder that was asked for must be there.
fn location(arguments: &Arguments) -> (Location, Option<&Path>) {
    let asked = arguments.policies.is_some() || arguments.schema.is_some();
    let policies = arguments.policies.as_deref();
    let policies = policies.unwrap_or(Path::new(DEFAULT_POLICIES));
    let schema = arguments.schema.as_deref();
    let schema = schema.unwrap_or(Path::new(DEFAULT_SCHEMA));
    if asked || policies.exists() || schema.exists() {
        let folders = Location::Folders {
            policies: policies.to_owned(),
            schema: schema.to_owned(),
            dev_links: true,
        };
        (folders, Some(policies))
    } else {
        (Location::Program, None)
    }
}

fn embedded(folder: &Path) -> store::Settings {
    store::Settings {
        location: store::Location::Embedded(folder.to_owned()),
        require_durable: true,
    }
}

fn authn_settings(key: &SigningKey) -> Result<authn::Settings, Failure> {
    let issuer =
        issuer::issuer(key).map_err(|error| Failure::usage("issuer", error.to_string()))?;
    Ok(authn::Settings {
        issuers: vec![issuer],
    })
}

fn step_up(key: SigningKey) -> Result<StepUpIssuer, Failure> {
    issuer::step_up(key).map_err(|error| Failure::usage("issuer", error.to_string()))
}

fn relying_parties(port: u16) -> Result<RelyingParties, Failure> {
    let localhost = webauthn::Settings {
        id: RP_ID.to_owned(),
        name: "cedargate dev".to_owned(),
        origins: vec![origin(port)],
        related_origins: Vec::new(),
        tenants: Tenants::Any,
        method_types: MethodType::ALL.to_vec(),
        models: Vec::new(),
    };
    RelyingParties::new(vec![localhost]).map_err(|wrong| Failure {
        exit: super::failure::Exit::Usage,
        findings: wrong
            .into_iter()
            .map(|one| Finding::error("relying_party", one.key, one.message))
            .collect(),
    })
}

fn greeting_token(key: &SigningKey) -> Result<String, Failure> {
    let sign_in = SignIn::of(issuer::USER, issuer::tenant(), GREETING_TTL);
    issuer::token(key, &sign_in, now())
        .map_err(|error| Failure::usage("token", format!("the token cannot be signed: {error}")))
}

/// The relying party's origin.
fn origin(port: u16) -> String {
    format!("http://{RP_ID}:{port}")
}

fn port(listener: &TcpListener) -> Result<u16, Failure> {
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|error| Failure::usage("listen", format!("the port is not known: {error}")))
}

/// How often another free port is tried.
const PORTS: usize = 16;

/// Takes the address, and the same port of the other IP version's loopback: browsers may take
/// either for `localhost`, and must not find another program there. A machine without that IP
/// version does without.
async fn bind(address: SocketAddr) -> Result<Vec<TcpListener>, Failure> {
    let mut attempts = if address.port() == 0 { PORTS } else { 1 };
    loop {
        attempts -= 1;
        let listener = gateway::bind(address, "--listen").await?;
        let other = SocketAddr::new(other_loopback(address.ip()), port(&listener)?);
        match TcpListener::bind(other).await {
            Ok(second) => return Ok(vec![listener, second]),
            Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                return Ok(vec![listener]);
            }
            Err(_) if attempts > 0 => {}
            Err(_) => {
                let message = format!(
                    "{other} belongs to another program, which browsers would find at localhost"
                );
                return Err(
                    Failure::usage("listen", message).help("choose another port with --listen")
                );
            }
        }
    }
}

fn other_loopback(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv4Addr::LOCALHOST.into(),
    }
}

/// An address that `localhost` means. `dev` hands out tokens to whoever asks: nobody else may ask.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "write an address and a port, such as 127.0.0.1:8080".to_owned())?;
    if address.ip() == Ipv4Addr::LOCALHOST || address.ip() == Ipv6Addr::LOCALHOST {
        Ok(address)
    } else {
        Err(
            "dev gives a token to whoever asks, so it listens on loopback only, such as \
             127.0.0.1:8080; to serve others, configure `cedargate serve`"
                .to_owned(),
        )
    }
}

/// How long ago something was: `-5m`; `0s` is now.
pub(super) fn parse_age(text: &str) -> Result<Duration, String> {
    let example = "write how long ago it was, such as -5m or -10s, or 0s for now";
    let age = match text.strip_prefix('-') {
        Some(age) => humantime::parse_duration(age),
        None if text == "0s" || text == "0" => Ok(Duration::ZERO),
        None => return Err(example.to_owned()),
    };
    age.map_err(|error| format!("{error}: {example}"))
}

/// The second in which something was that is `age` old, since the epoch.
pub(super) fn before(now: Timestamp, age: Duration) -> i64 {
    let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    now.millis().saturating_sub(millis).max(0) / 1000
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::Event;

    /// The event of an undecided GET at nine o'clock.
    pub(in crate::cli) fn event(route: &'static str, status: Option<u16>) -> Event {
        Event {
            timestamp: "2026-01-15T09:00:00Z".parse().unwrap(),
            request_id: "r".into(),
            method: "GET".into(),
            route,
            address: "127.0.0.1".into(),
            principal: None,
            tenant: None,
            action: None,
            resource: None,
            effect: None,
            policies: Vec::new(),
            notices: Vec::new(),
            decisions: Vec::new(),
            changes: Vec::new(),
            undecided: None,
            code: None,
            cause: None,
            status,
            duration_us: 0,
        }
    }

    #[test]
    fn dev_listens_on_loopback_only() {
        for good in ["127.0.0.1:8080", "localhost:0", "[::1]:8080"] {
            assert!(parse_listen(good).unwrap().ip().is_loopback(), "{good}");
        }
        for open in [
            "0.0.0.0:8080",
            "[::]:8080",
            "192.0.2.1:8080",
            "[::ffff:127.0.0.1]:80",
            "127.0.0.2:80", // loopback, but not what a browser finds at localhost
        ] {
            let error = parse_listen(open).unwrap_err();
            assert!(error.contains("loopback only"), "{open}: {error}");
        }
        for wrong in ["8080", "localhost", "example.com:80"] {
            let error = parse_listen(wrong).unwrap_err();
            assert!(
                error.contains("write an address and a port"),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn an_age_before_the_epoch_is_the_epoch() {
        let now = Timestamp::from_millis(10_999);
        assert_eq!(before(now, Duration::from_secs(5)), 5);
        assert_eq!(before(now, Duration::MAX), 0);
        assert_eq!(parse_age("0s"), Ok(Duration::ZERO));
    }

    #[tokio::test]
    async fn both_loopbacks_have_the_same_port() {
        let listeners = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let addresses: Vec<_> = listeners
            .iter()
            .map(|one| one.local_addr().unwrap())
            .collect();
        assert_eq!(addresses[0].ip(), Ipv4Addr::LOCALHOST);
        // a machine without IPv6 does without
        for second in &addresses[1..] {
            assert_eq!(second.ip(), Ipv6Addr::LOCALHOST);
            assert_eq!(second.port(), addresses[0].port());
        }
    }

    #[tokio::test]
    async fn another_program_at_localhost_is_not_left_there() {
        let Ok(other) = TcpListener::bind("[::1]:0").await else {
            return; // a machine without IPv6 has no other program there
        };
        let taken = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port(&other).unwrap());
        let failure = bind(taken).await.err().unwrap();
        let message = &failure.findings[0].message;
        assert!(message.contains("belongs to another program"), "{message}");
    }
}

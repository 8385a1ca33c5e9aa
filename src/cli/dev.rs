//! `cedargate dev`: runs a gateway to try, which makes its own keys and data. It issues its own tokens,
//! so it listens on loopback only.

pub(super) mod data;
mod greeting;
pub(super) mod issuer;
mod listen;
mod page;
mod records;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};

use super::failure::Failure;
use super::gateway::{self, Listeners, Settings};
use super::log::{Console, Log};
use super::signals::Shutdown;
use super::streams::Streams;
use super::{block_on, now};
use crate::app::App;
use crate::app::policies::PolicyLocation;
use crate::authn::signing::SigningKey;
use crate::authn::step_up::StepUpIssuer;
use crate::event::Sink;
use crate::http::server::Handler;
use crate::mfa::backup_codes::{Pepper, Peppers};
use crate::streams::DecisionLog;
use crate::webauthn::{self, RelyingParties, Tenants};
use crate::{authn, mfa, store};
use cedargate_core::{Finding, MethodType, Timestamp};
use cedargate_policy::{PreparedRequest, Requirements};
use data::Data;
use greeting::Greeting;
use issuer::SignIn;
use listen::{bind, parse_listen, port};
use page::{Explain, Page};
use records::Records;

/// The data folder unless `--data` names another.
pub(super) const DEFAULT_DATA: &str = "./data";
const DEFAULT_POLICIES: &str = "./policies";
const DEFAULT_SCHEMA: &str = "./schema";

/// The id of the relying party: browsers run ceremonies without HTTPS only at this host.
const RP_ID: &str = "localhost";
/// The lifetime of the token in the greeting.
const GREETING_TTL: Duration = Duration::from_secs(4 * 60 * 60);
const ENROLLMENT_TTL: Duration = Duration::from_secs(5 * 60);

/// Run a trial gateway without any set-up, with a page for enrolling authenticators.
///
/// It keeps its data in a folder and issues its own tokens. It decides with the policies in ./policies
/// and the schema in ./schema, or with the shipped ones if neither folder exists. An edited policy is
/// reloaded a second later; if the policies do not load, the errors are printed and the previous
/// policies stay in force. It listens on loopback only.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate dev
  cedargate dev --policies ./my-policies --data ./try
  cedargate dev --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --json

With --json it prints one line of JSON when it is ready: {\"url\", \"admin_url\", \"issuer\", \"audience\",
\"tenant\", \"token\"}. Port 0 picks a free port.")]
pub(super) struct Arguments {
    /// The address of the API and the page.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = parse_listen)]
    listen: SocketAddr,
    /// The admin address: health, readiness, metrics and the policies in force.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9090", value_parser = parse_listen)]
    admin_listen: SocketAddr,
    /// The data folder; it is created if it does not exist.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// The policy folder [default: ./policies, or the shipped policies]
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    /// The schema folder [default: ./schema, or the shipped schema]
    #[arg(long, value_name = "FOLDER")]
    schema: Option<PathBuf>,
    /// Append each decision to this file, with its input, for `policy replay`.
    #[arg(long, value_name = "FILE")]
    decision_log: Option<PathBuf>,
    /// Print one line of JSON instead of sentences when it is ready.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (log, console) = Log::console()?;
    let decision_log = arguments.decision_log.clone().map(|file| DecisionLog {
        file,
        masks: Vec::new(),
    });
    let streams = Streams::open(decision_log, None)?;
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
    let settings = Settings {
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
    let gateway = settings.open(sinks, streams, console).await?;
    let greeting = Greeting {
        program: std::env::args().next().unwrap_or("cedargate".to_owned()),
        url: origin(port),
        admin_url: format!("http://{}", gateway::address(&listeners.admin)),
        token: greeting_token(&key)?,
        policy_count: gateway.app.gate.in_force().bundle().entries().len(),
        policies: folder,
        data: &arguments.data,
    };
    greeting.print(arguments.json)?;
    let dev = Dev {
        page: Page::new(key, records, explain(&gateway.app), port),
        app: Arc::clone(&gateway.app),
    };
    listeners.serve(Arc::new(dev), gateway, shutdown).await;
    Ok(())
}

/// Returns a function that explains a decision with the policies in force.
fn explain(app: &Arc<App>) -> Explain {
    let app = Arc::clone(app);
    Box::new(move |input| {
        let in_force = app.gate.in_force();
        let bundle = in_force.bundle();
        Ok(bundle.explain(&PreparedRequest::from_input(bundle, input)?))
    })
}

/// The page, in front of the gateway.
struct Dev {
    page: Page,
    app: Arc<App>,
}

impl Handler for Dev {
    /// Answers requests for the page, and passes every other request to the gateway.
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

/// Returns the folders if a flag names one or one of the default folders exists, otherwise the shipped
/// policies. The path, for the greeting, is that of the policy folder.
fn location(arguments: &Arguments) -> (PolicyLocation, Option<&Path>) {
    let named = arguments.policies.is_some() || arguments.schema.is_some();
    let policies = arguments.policies.as_deref();
    let policies = policies.unwrap_or(Path::new(DEFAULT_POLICIES));
    let schema = arguments.schema.as_deref();
    let schema = schema.unwrap_or(Path::new(DEFAULT_SCHEMA));
    if named || policies.exists() || schema.exists() {
        let folders = PolicyLocation::Folders {
            policies: policies.to_owned(),
            schema: schema.to_owned(),
            dev_links: true,
        };
        (folders, Some(policies))
    } else {
        (PolicyLocation::Shipped, None)
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
    RelyingParties::new(vec![localhost]).map_err(|mistakes| Failure {
        exit: super::failure::Exit::Usage,
        findings: mistakes
            .into_iter()
            .map(|mistake| Finding::error("relying_party", mistake.key, mistake.message))
            .collect(),
    })
}

fn greeting_token(key: &SigningKey) -> Result<String, Failure> {
    let sign_in = SignIn::with_password(issuer::USER, issuer::tenant(), GREETING_TTL);
    issuer::token(key, &sign_in, now())
        .map_err(|error| Failure::usage("token", format!("the token cannot be signed: {error}")))
}

/// Returns the web origin of the relying party.
fn origin(port: u16) -> String {
    format!("http://{RP_ID}:{port}")
}

/// Parses the time since an event: `-5m`, or `0s` for now.
pub(super) fn parse_age(text: &str) -> Result<Duration, String> {
    let example = "write how long ago the sign-in was, such as -5m or -10s, or 0s for now";
    let age = match text.strip_prefix('-') {
        Some(age) => humantime::parse_duration(age),
        None if text == "0s" || text == "0" => Ok(Duration::ZERO),
        None => return Err(example.to_owned()),
    };
    age.map_err(|error| format!("{error}: {example}"))
}

/// Returns the time of an event that is `age` old, in seconds since the epoch.
pub(super) fn seconds_before(now: Timestamp, age: Duration) -> i64 {
    let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    now.millis().saturating_sub(millis).max(0) / 1000
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::tests::NullSink;
    use crate::event::{RequestEvent, WideEvent};

    /// Returns the event of an undecided GET at nine o'clock.
    pub(in crate::cli) fn event(route: &'static str, status: Option<u16>) -> WideEvent {
        let nine = "2026-01-15T09:00:00Z".parse().unwrap();
        let event = RequestEvent::open(Arc::new(NullSink), nine, "r".into(), "GET".into());
        WideEvent {
            route,
            status,
            ..event.event().clone()
        }
    }

    #[test]
    fn time_before_the_epoch_becomes_the_epoch() {
        let now = Timestamp::from_millis(10_999);
        assert_eq!(seconds_before(now, Duration::from_secs(5)), 5);
        assert_eq!(seconds_before(now, Duration::MAX), 0);
        assert_eq!(parse_age("0s"), Ok(Duration::ZERO));
    }
}

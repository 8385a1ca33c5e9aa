//! `cedargate serve`: runs a gateway with a configuration file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;

use super::failure::Failure;
use super::gateway::{self, Listeners, Settings};
use super::log::{self, Log};
use super::signals::{self, Shutdown};
use super::streams::Streams;
use super::{block_on, init};
use crate::app::App;
use crate::app::policies::{CANARIES_OFF, Policies, PolicyLocation};
use crate::config::{self, Config};
use crate::event::Sink;
use cedargate_policy::{Bundle, DEV_LINKS};

/// The configuration file that commands read unless `--config` names another.
pub(super) const DEFAULT_CONFIG: &str = "cedargate.toml";

/// Run the gateway with a configuration file.
///
/// An environment variable can override each key: CEDARGATE_STORE__URL is url in [store]. The log
/// is JSON on stdout, one line a request; RUST_LOG adds other lines. The gateway reloads policies and
/// schema when one of their files changes, on SIGHUP, and on POST /policies/reload at the admin
/// address; if they do not load, the previous ones stay in force. On SIGHUP it also reopens the
/// decision log and the audit stream. SIGTERM and Ctrl-C stop it after the requests in flight.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate serve
  cedargate serve --config /etc/cedargate/cedargate.toml
  CEDARGATE_STORE__URL=redis://10.0.0.5:6379/0 cedargate serve --config prod.toml")]
pub(super) struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// The address of the API; overrides the configuration.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The admin address, for operators; overrides the configuration.
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<SocketAddr>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let flags = [
        ("listen", arguments.listen),
        ("admin_listen", arguments.admin_listen),
    ];
    let flags: Vec<_> = flags
        .into_iter()
        .filter_map(|(key, address)| Some((key, address?.to_string())))
        .collect();
    let mut config = configuration(&arguments.config, &flags)?;
    let (log, requests) = Log::json()?;
    if let Some(note) = init::placeholder_note(&config, &arguments.config) {
        tracing::warn!(file = note.file, line = note.line, "{}", note.message);
    }
    let streams = Streams::open(config.decision_log.take(), config.audit.take())?;
    let served = block_on(serve(config, &log, requests, &streams));
    streams.finish();
    log.finish();
    served
}

/// Loads the configuration. Flags override environment variables, which override the file.
pub(super) fn configuration(file: &Path, flags: &[(&str, String)]) -> Result<Config, Failure> {
    config::load(flags, std::env::vars_os(), file).map_err(Failure::configuration)
}

async fn serve(
    config: Config,
    log: &Log,
    requests: log::Requests,
    streams: &Streams,
) -> Result<(), Failure> {
    let shutdown = Shutdown::on_signals()?;
    streams.reopen_on_hangup()?;
    let hangups = signals::hangups()?;
    if config.policies.join(DEV_LINKS).exists() {
        tracing::info!(
            file = DEV_LINKS,
            "this file is not loaded: it is for `cedargate dev` only"
        );
    }
    let folders = PolicyLocation::Folders {
        policies: config.policies,
        schema: config.schema,
        dev_links: false,
    };
    if !config.requirements.canaries {
        tracing::warn!("{CANARIES_OFF}");
    }
    let policies = folders
        .load(config.requirements)
        .map_err(Failure::policies)?;
    let api = gateway::bind(config.listen, "--listen").await?;
    let admin = gateway::bind(config.admin_listen, "--admin-listen").await?;
    let settings = Settings {
        policies,
        store: config.store,
        authn: config.authn,
        mfa: config.mfa,
        trusted_proxies: config.trusted_proxies,
        cors_origins: config.cors_origins,
    };
    let sinks: Vec<Arc<dyn Sink>> = vec![Arc::new(requests)];
    let observer = Arc::new(log::PolicyNews);
    let gateway = settings.open(sinks, streams, observer).await?;
    let app = Arc::clone(&gateway.app);
    tokio::spawn(log.report_lost_lines());
    announce(&api, &admin, app.gate.in_force().bundle());
    tokio::spawn(warn_of_store(Arc::clone(&app)));
    tokio::spawn(reload_on(hangups, Arc::clone(&gateway.policies)));
    let listeners = Listeners {
        api: vec![api],
        admin,
        admin_hosts: config.admin_hosts,
        streams: streams.health(),
    };
    listeners.serve(app, gateway, shutdown).await;
    tracing::info!("all requests are finished: the gateway stops");
    Ok(())
}

async fn reload_on(mut hangups: Signal, policies: Arc<Policies>) {
    while hangups.recv().await.is_some() {
        policies.request_reload();
    }
}

/// Logs the faults and warnings of the store once, at the start. `/readyz` reports the current ones.
async fn warn_of_store(app: Arc<App>) {
    let health = app.store.health().await;
    for reason in health.faults.iter().chain(&health.warnings) {
        tracing::warn!(reason, "the store is not reliable as it is configured");
    }
}

/// Logs the addresses, so that the caller of the process learns the port that replaced port 0.
fn announce(api: &TcpListener, admin: &TcpListener, bundle: &Bundle) {
    tracing::info!(
        listen = gateway::address(api),
        admin_listen = gateway::address(admin),
        policies = bundle.entries().len(),
        revision = bundle.revision(),
        "listening"
    );
}

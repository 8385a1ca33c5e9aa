//! `cedargate serve`: a gateway as it is configured.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;

use super::failure::Failure;
use super::gateway::{self, Listeners, Parts};
use super::log::{self, Log};
use super::signals::{self, Shutdown};
use super::streams::Streams;
use super::{block_on, init};
use crate::app::App;
use crate::app::policies::{CANARIES_OFF, Location, Policies};
use crate::config::{self, Config};
use crate::policy::{Bundle, DEV_LINKS};
use crate::record::Sink;

/// The configuration file that is read unless another one is named.
pub(super) const DEFAULT_CONFIG: &str = "cedargate.toml";

/// Serve, as a configuration file says.
///
/// Each key of the file can be overridden by an environment variable: CEDARGATE_STORE__URL is
/// [store] url. The log is JSON on stdout, one line a request; RUST_LOG chooses what else is in it.
/// Policies and schema are loaded anew when a file of theirs changes, on SIGHUP, and on POST
/// /policies/reload at the admin address; what does not load changes nothing. SIGHUP also opens the
/// file of the decision log again. SIGTERM and Ctrl-C finish the requests in flight.
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
    /// Listen here, whatever the configuration says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Listen here for operators, whatever the configuration says.
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
    let log = Log::json()?;
    if let Some(note) = init::placeholder_note(&config, &arguments.config) {
        tracing::warn!(file = note.file, line = note.line, "{}", note.message);
    }
    let streams = Streams::open(config.decision_log.take(), config.audit.take())?;
    let served = block_on(serve(config, &log, &streams));
    streams.finish();
    log.finish();
    served
}

/// The configuration: these flags over the environment over the file.
pub(super) fn configuration(file: &Path, flags: &[(&str, String)]) -> Result<Config, Failure> {
    config::load(flags, std::env::vars_os(), file).map_err(Failure::configuration)
}

async fn serve(config: Config, log: &Log, streams: &Streams) -> Result<(), Failure> {
    let shutdown = Shutdown::on_signals()?;
    streams.reopen_on_hangup()?;
    let hangups = signals::hangups()?;
    if config.policies.join(DEV_LINKS).exists() {
        tracing::info!(
            file = DEV_LINKS,
            "left out of the policies: it is for `cedargate dev`"
        );
    }
    let folders = Location::Folders {
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
    let parts = Parts {
        policies,
        store: config.store,
        authn: config.authn,
        mfa: config.mfa,
        trusted_proxies: config.trusted_proxies,
        cors_origins: config.cors_origins,
    };
    let sinks: Vec<Arc<dyn Sink>> = vec![Arc::new(log::Requests)];
    let audience = Arc::new(log::PolicyNews);
    let open = parts.open(sinks, streams, audience).await?;
    let app = Arc::clone(&open.app);
    tokio::spawn(log.watch());
    announce(&api, &admin, app.gate.in_force().bundle());
    tokio::spawn(warn_of_store(Arc::clone(&app)));
    tokio::spawn(reload_on(hangups, Arc::clone(&open.policies)));
    let listeners = Listeners {
        api: vec![api],
        admin,
        admin_hosts: config.admin_hosts,
        streams: streams.health(),
    };
    listeners.serve(app, open, shutdown).await;
    tracing::info!("all requests are finished: ending");
    Ok(())
}

async fn reload_on(mut hangups: Signal, policies: Arc<Policies>) {
    while hangups.recv().await.is_some() {
        policies.request_reload();
    }
}

/// What keeps the store from being relied on is said once, at the start; `/readyz` says it always.
async fn warn_of_store(app: Arc<App>) {
    let health = app.store.health().await;
    for reason in health.faults.iter().chain(&health.warnings) {
        tracing::warn!(reason, "the store cannot be relied on as it is");
    }
}

/// Port 0 becomes a real one: who started the process reads it here.
fn announce(api: &TcpListener, admin: &TcpListener, bundle: &Bundle) {
    tracing::info!(
        listen = gateway::address(api),
        admin_listen = gateway::address(admin),
        policies = bundle.len(),
        revision = bundle.revision(),
        "listening"
    );
}

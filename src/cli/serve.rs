//! `cedargate serve`: a gateway as it is configured.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;

use super::block_on;
use super::failure::Failure;
use super::gateway::{self, Listeners, Parts};
use super::log::{self, Log};
use super::signals::Shutdown;
use crate::app::App;
use crate::config::{self, Config};
use crate::policy::{Bundle, Sources};

/// The configuration file that is read unless another one is named.
pub(super) const DEFAULT_CONFIG: &str = "cedargate.toml";

/// Serve, as a configuration file says.
///
/// Each key of the file can be overridden by an environment variable: CEDARGATE_STORE__URL is
/// [store] url. The log is JSON on stdout, one line a request; RUST_LOG chooses what else is in it.
/// SIGTERM and Ctrl-C finish the requests in flight.
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
    let config = configuration(&arguments.config, &flags)?;
    let log = Log::json()?;
    let served = block_on(serve(config, &log));
    log.finish();
    served
}

/// The configuration: these flags over the environment over the file.
pub(super) fn configuration(file: &Path, flags: &[(&str, String)]) -> Result<Config, Failure> {
    config::load(flags, std::env::vars_os(), file).map_err(Failure::configuration)
}

async fn serve(config: Config, log: &Log) -> Result<(), Failure> {
    let shutdown = Shutdown::on_signals()?;
    let sources = Sources::read(&config.policies, &config.schema).map_err(Failure::policies)?;
    let bundle = Bundle::load(&sources).map_err(Failure::policies)?;
    let api = gateway::bind(config.listen, "--listen").await?;
    let admin = gateway::bind(config.admin_listen, "--admin-listen").await?;
    let parts = Parts {
        bundle,
        store: config.store,
        enrollment_ttl: config.enrollment_ttl,
        authn: config.authn,
        step_up: config.step_up,
        parties: config.parties,
        peppers: config.peppers,
        trusted_proxies: config.trusted_proxies,
        cors_origins: config.cors_origins,
    };
    let (app, metrics) = parts.open(vec![Arc::new(log::Requests)]).await?;
    tokio::spawn(log.watch());
    announce(&api, &admin, app.gate.bundle());
    tokio::spawn(warn_of_store(Arc::clone(&app)));
    let listeners = Listeners {
        api: vec![api],
        admin,
    };
    listeners
        .serve(Arc::clone(&app), app, metrics, shutdown)
        .await;
    tracing::info!("all requests are finished: ending");
    Ok(())
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

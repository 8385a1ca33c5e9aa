//! A gateway is put together and listens: what `dev` and `serve` have in common.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::net::TcpListener;

use super::failure::Failure;
use super::now;
use super::signals::Shutdown;
use super::streams::Streams;
use crate::app::policies::{Audience, Loaded, Policies};
use crate::app::{self, App, Sinks, Times};
use crate::authn::{self, Authn};
use crate::error::with_causes;
use crate::gate::InForce;
use crate::http::admin::{Admin, Metrics};
use crate::http::server::{Handler, Limits, Server};
use crate::mfa;
use crate::model::Origin;
use crate::record::Sink;
use crate::store::{self, Store};
use crate::streams;

/// What a gateway is made of.
pub(super) struct Parts {
    pub(super) policies: Loaded,
    pub(super) store: store::Settings,
    pub(super) authn: authn::Settings,
    pub(super) mfa: mfa::Parts,
    pub(super) trusted_proxies: Vec<ipnet::IpNet>,
    /// The origins of the pages that may read answers.
    pub(super) cors_origins: Vec<Origin>,
}

/// A gateway that is put together.
pub(super) struct Open {
    pub(super) app: Arc<App>,
    pub(super) policies: Arc<Policies>,
    metrics: Arc<Metrics>,
}

impl Parts {
    /// Opens the store, puts everything together, and follows the policies. Records go to the
    /// metrics, to `streams` and to `sinks`, news of the policies to `audience` and the audit stream.
    pub(super) async fn open(
        self,
        mut sinks: Vec<Arc<dyn Sink>>,
        streams: &Streams,
        audience: Arc<dyn Audience>,
    ) -> Result<Open, Failure> {
        let store = Store::open(self.store)
            .await
            .map_err(|error| Failure::usage("store", with_causes(&error)))?;
        let authn = Authn::open(self.authn, self.mfa.step_up.as_deref())
            .map_err(|error| Failure::usage("keys", with_causes(&error)))?;
        let metrics = Arc::new(Metrics::default());
        sinks.push(metrics.clone());
        sinks.extend(streams.sinks());
        let Loaded { bundle, watched } = self.policies;
        let in_force = InForce::new(bundle, now());
        let audience = streams.also_told(&in_force, audience);
        let app = App::new(app::Parts {
            authn,
            in_force,
            store: Arc::new(store),
            mfa: self.mfa,
            trusted_proxies: self.trusted_proxies,
            cors_origins: self.cors_origins,
            times: Times::default(),
            sink: Arc::new(Sinks(sinks)),
        });
        let policies =
            Policies::follow(watched, Arc::clone(&app.gate), now, audience).map_err(|error| {
                let message = format!("there is no thread to load policies on: {error}");
                Failure::usage("system", message)
            })?;
        Ok(Open {
            app: Arc::new(app),
            policies: Arc::new(policies),
            metrics,
        })
    }
}

/// Takes an address; `flag` is how a person chooses another.
pub(super) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::usage(
            "listen",
            format!("{address} cannot be listened on: {error}"),
        )
        .help(format!("choose another address with {flag}"))
    })
}

/// Where a listener really listens.
pub(super) fn address(listener: &TcpListener) -> String {
    listener
        .local_addr()
        .map_or_else(|error| error.to_string(), |address| address.to_string())
}

/// Where a gateway listens.
pub(super) struct Listeners {
    /// For the API, one or more.
    pub(super) api: Vec<TcpListener>,
    /// For operators.
    pub(super) admin: TcpListener,
    /// The host names that operators call it by, besides IP addresses and `localhost`.
    pub(super) admin_hosts: Vec<String>,
    /// How the streams do, for operators.
    pub(super) streams: Vec<Arc<streams::Health>>,
}

impl Listeners {
    /// Serves until the process is asked to end and what is in flight is finished. `handler` answers
    /// the API.
    pub(super) async fn serve<H: Handler>(self, handler: Arc<H>, open: Open, shutdown: Shutdown) {
        let limits = Limits {
            proxies: open.app.trusted_proxies.clone(),
            ..Limits::default()
        };
        let server = Server::new(limits.clone());
        let admin = Admin::new(
            open.app,
            open.policies,
            open.metrics,
            server.connections(),
            self.streams,
            self.admin_hosts,
        );
        let admin =
            Server::new(limits).run(self.admin, Arc::new(admin), shutdown.clone().requested());
        let api = self.api.into_iter().map(|listener| {
            let shutdown = shutdown.clone().requested();
            server.clone().run(listener, Arc::clone(&handler), shutdown)
        });
        tokio::join!(join_all(api), admin);
    }
}

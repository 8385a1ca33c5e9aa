//! Builds a gateway and serves it: the steps that `dev` and `serve` share.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::net::TcpListener;

use super::failure::Failure;
use super::now;
use super::signals::Shutdown;
use super::streams::Streams;
use crate::app::policies::{Loaded, Observer, Policies};
use crate::app::{self, App, Sinks, Times};
use crate::authn::{self, Authn};
use crate::error::with_causes;
use crate::event::Sink;
use crate::gate::InForce;
use crate::http::admin::{Admin, Metrics};
use crate::http::server::{Handler, Limits, Server};
use crate::mfa;
use crate::store::{self, Store};
use crate::streams;
use cedargate_core::Origin;

/// The settings of a gateway, with its policies loaded.
pub(super) struct Settings {
    pub(super) policies: Loaded,
    pub(super) store: store::Settings,
    pub(super) authn: authn::Settings,
    pub(super) mfa: mfa::Parts,
    pub(super) trusted_proxies: Vec<ipnet::IpNet>,
    /// The web origins whose pages may read answers (CORS).
    pub(super) cors_origins: Vec<Origin>,
}

/// A gateway with its store open, ready to serve.
pub(super) struct Gateway {
    pub(super) app: Arc<App>,
    pub(super) policies: Arc<Policies>,
    metrics: Arc<Metrics>,
}

impl Settings {
    /// Opens the store, builds the gateway and follows the policy folders. Request events go to the
    /// metrics, to `streams` and to `sinks`. Changes of the policies go to `observer` and to the audit
    /// stream.
    ///
    /// # Errors
    /// The store does not open, the keys cannot be used, or the system cannot start a thread.
    pub(super) async fn open(
        self,
        mut sinks: Vec<Arc<dyn Sink>>,
        streams: &Streams,
        observer: Arc<dyn Observer>,
    ) -> Result<Gateway, Failure> {
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
        let observer = streams.audited(&in_force, observer);
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
            Policies::follow(watched, Arc::clone(&app.gate), now, observer).map_err(|error| {
                let message = format!("the thread that loads policies cannot be started: {error}");
                Failure::usage("system", message)
            })?;
        Ok(Gateway {
            app: Arc::new(app),
            policies: Arc::new(policies),
            metrics,
        })
    }
}

/// Listens on an address. The error advises to choose another address with `flag`.
pub(super) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::usage(
            "listen",
            format!("the gateway cannot listen on {address}: {error}"),
        )
        .help(format!("choose another address with {flag}"))
    })
}

/// Returns the address of a listener, with the port that the system chose in the place of port 0.
pub(super) fn address(listener: &TcpListener) -> String {
    listener
        .local_addr()
        .map_or_else(|error| error.to_string(), |address| address.to_string())
}

/// The listeners of a gateway, with the settings of its admin address.
pub(super) struct Listeners {
    pub(super) api: Vec<TcpListener>,
    pub(super) admin: TcpListener,
    /// The `Host` names that the admin address accepts besides IP addresses and `localhost`.
    pub(super) admin_hosts: Vec<String>,
    /// The health of the streams, which the admin address reports.
    pub(super) streams: Vec<Arc<streams::StreamHealth>>,
}

impl Listeners {
    /// Serves until a shutdown is requested and the requests in flight are finished. `handler` answers
    /// the API.
    pub(super) async fn serve<H: Handler>(
        self,
        handler: Arc<H>,
        gateway: Gateway,
        shutdown: Shutdown,
    ) {
        let limits = Limits {
            proxies: gateway.app.trusted_proxies.clone(),
            ..Limits::default()
        };
        let server = Server::new(limits.clone());
        let admin = Admin::new(
            gateway.app,
            gateway.policies,
            gateway.metrics,
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

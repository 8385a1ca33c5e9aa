//! The admin listener: liveness, readiness, metrics, the policies in force, and explanations of their
//! decisions. It decides no caller's request and shows no user's data. A request that is not an
//! operator's (see [`operator`]) gets only the status of the two probes, and 403 for everything else.

mod explain;
mod metrics;
mod operator;
mod policies;

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use crate::app::App;
use crate::app::policies::Policies;
use crate::authn;
use crate::store::Health;
use crate::streams;

pub use metrics::Metrics;
use metrics::Readings;

use super::respond::{JSON, json_bytes};
use super::server::{Connections, Handler};
use super::target;

/// The handler of the admin listener.
pub struct Admin {
    app: Arc<App>,
    policies: Arc<Policies>,
    metrics: Arc<Metrics>,
    connections: Arc<Connections>,
    streams: Vec<Arc<streams::StreamHealth>>,
    hosts: Vec<String>,
}

/// The paths of the admin listener, or why a request matches none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Endpoint {
    Live,
    Ready,
    Metrics,
    /// Lists the policies in force.
    Policies,
    /// Reloads the policies.
    Reload,
    /// Explains the decision on a request.
    Explain,
    /// The path exists, but only with this method.
    OtherMethod(&'static str),
    Nothing,
}

impl Admin {
    /// Makes the handler. `connections` are those of the public listener. `hosts` are the host names that
    /// operators use for the admin address, in lower case.
    pub fn new(
        app: Arc<App>,
        policies: Arc<Policies>,
        metrics: Arc<Metrics>,
        connections: Arc<Connections>,
        streams: Vec<Arc<streams::StreamHealth>>,
        hosts: Vec<String>,
    ) -> Self {
        Self {
            app,
            policies,
            metrics,
            connections,
            streams,
            hosts,
        }
    }

    async fn answer(&self, head: &Parts, body: Incoming) -> Response<Full<Bytes>> {
        if !target::is_http(&head.uri) {
            let refusal = Refusal {
                code: "invalid_request",
                message: "The target must be a path, or an http or https URL.",
            };
            return json(StatusCode::BAD_REQUEST, &refusal);
        }
        let endpoint = find(&head.method, head.uri.path());
        if operator::is_operator(head, &self.hosts) {
            return self.answer_operator(endpoint, body).await;
        }
        match endpoint {
            // A load balancer probes by a host name of its own and needs only the status.
            Endpoint::Live | Endpoint::Ready => {
                status_only(self.answer_operator(endpoint, body).await.status())
            }
            _ => json(StatusCode::FORBIDDEN, &operator::REFUSAL),
        }
    }

    async fn answer_operator(&self, endpoint: Endpoint, body: Incoming) -> Response<Full<Bytes>> {
        match endpoint {
            Endpoint::Live => json(StatusCode::OK, &Live { status: "ok" }),
            Endpoint::Ready => {
                let store = self.app.store.health().await;
                let stale = self.policies.status().reason();
                let streams = self.streams.iter().flat_map(|it| it.warnings());
                let warnings = self.policies.warning().into_iter().chain(streams);
                readiness(store, self.app.authn.health(), stale, warnings)
            }
            Endpoint::Metrics => {
                let text = self.metrics.text(&Readings {
                    store_errors: self.app.store.failures(),
                    failed_fetches: self.app.authn.failed_fetches(),
                    signature_checks: self.app.authn.signature_checks(),
                    connections: self.connections.total(),
                    reloads: self.policies.counts(),
                    stale: self.policies.status().failure.is_some(),
                    lost: self
                        .streams
                        .iter()
                        .map(|it| (it.name(), it.lost()))
                        .collect(),
                });
                answer(StatusCode::OK, metrics::CONTENT_TYPE, text.into())
            }
            Endpoint::Policies => policies::list(&self.policies.status()),
            Endpoint::Reload => policies::reload(&self.policies).await,
            Endpoint::Explain => explain::explain(&self.app, body).await,
            Endpoint::OtherMethod(allow) => method_not_allowed(allow),
            Endpoint::Nothing => json(
                StatusCode::NOT_FOUND,
                &Refusal {
                    code: "not_found",
                    message: "There is no such path. The paths are /healthz, /readyz, /metrics, /policies, \
                              /policies/reload and /policies/explain.",
                },
            ),
        }
    }
}

impl Handler for Admin {
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        _: IpAddr,
    ) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        self.answer(&head, body).await
    }
}

fn find(method: &Method, path: &str) -> Endpoint {
    let (allow, endpoint) = match path {
        "/healthz" => ("GET", Endpoint::Live),
        "/readyz" => ("GET", Endpoint::Ready),
        "/metrics" => ("GET", Endpoint::Metrics),
        "/policies" => ("GET", Endpoint::Policies),
        "/policies/reload" => ("POST", Endpoint::Reload),
        "/policies/explain" => ("POST", Endpoint::Explain),
        _ => return Endpoint::Nothing,
    };
    if method.as_str() == allow {
        endpoint
    } else {
        Endpoint::OtherMethod(allow)
    }
}

fn method_not_allowed(allow: &'static str) -> Response<Full<Bytes>> {
    let message = match allow {
        "POST" => "This path accepts only POST.",
        _ => "This path accepts only GET.",
    };
    let refusal = Refusal {
        code: "method_not_allowed",
        message,
    };
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, &refusal);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// Reports whether requests can be served, with the reasons and warnings for operators. Faults come first
/// and make it a 503.
fn readiness(
    store: Health,
    keys: authn::Health,
    stale: Option<String>,
    warnings: impl IntoIterator<Item = String>,
) -> Response<Full<Bytes>> {
    let mut faults = store.faults;
    faults.extend(keys.faults);
    let (status, word) = match (faults.is_empty(), &stale) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
        // A mistake in a policy must not take every gateway out of service: the last good bundle decides.
        (true, Some(_)) => (StatusCode::OK, "stale"),
        (true, None) => (StatusCode::OK, "ready"),
    };
    let mut reasons = faults;
    reasons.extend(stale);
    reasons.extend(store.warnings);
    reasons.extend(keys.warnings);
    reasons.extend(warnings);
    json(
        status,
        &Readiness {
            status: word,
            reasons,
        },
    )
}

#[derive(Serialize)]
struct Live {
    status: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    reasons: Vec<String>,
}

#[derive(Serialize)]
struct Refusal {
    code: &'static str,
    message: &'static str,
}

fn status_only(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    answer(status, JSON, json_bytes(body))
}

fn answer(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    async fn body(response: Response<Full<Bytes>>) -> Value {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn each_path_has_one_method() {
        for (method, path, endpoint) in [
            (Method::GET, "/healthz", Endpoint::Live),
            (Method::GET, "/readyz", Endpoint::Ready),
            (Method::GET, "/metrics", Endpoint::Metrics),
            (Method::GET, "/policies", Endpoint::Policies),
            (Method::POST, "/policies/reload", Endpoint::Reload),
            (Method::POST, "/policies/explain", Endpoint::Explain),
        ] {
            assert_eq!(find(&method, path), endpoint);
            for other in [Method::HEAD, Method::GET, Method::POST, Method::OPTIONS] {
                if other != method {
                    let found = find(&other, path);
                    let allow = method.as_str();
                    assert!(matches!(found, Endpoint::OtherMethod(it) if it == allow));
                }
            }
        }
        for path in ["/", "/metrics/", "/policies/", "/v1/users/me/mfa"] {
            assert_eq!(find(&Method::GET, path), Endpoint::Nothing, "{path}");
        }
        for allow in ["GET", "POST"] {
            let refusal = method_not_allowed(allow);
            assert_eq!(refusal.status(), 405);
            assert_eq!(refusal.headers()["allow"], allow);
            let body = body(refusal).await;
            assert_eq!(body["code"], "method_not_allowed");
            assert!(body["message"].as_str().unwrap().contains(allow));
        }
    }

    #[tokio::test]
    async fn readiness_lists_every_reason() {
        let ready = readiness(Health::default(), authn::Health::default(), None, []);
        assert_eq!(ready.status(), 200);
        assert_eq!(ready.headers()["cache-control"], "no-store");
        assert_eq!(body(ready).await, json!({"status": "ready", "reasons": []}));

        let store = || Health {
            faults: Vec::new(),
            warnings: vec!["store: may lose a second".to_owned()],
        };
        let keys = |faults: &[&str]| authn::Health {
            faults: faults.iter().map(|&it| it.to_owned()).collect(),
            warnings: vec!["keys: old".to_owned()],
        };
        let warned = readiness(store(), keys(&[]), None, ["decision log: full".to_owned()]);
        assert_eq!(warned.status(), 200);
        let reasons = json!([
            "store: may lose a second",
            "keys: old",
            "decision log: full"
        ]);
        assert_eq!(
            body(warned).await,
            json!({"status": "ready", "reasons": reasons})
        );

        let broken = || Some("policies: broken".to_owned());
        let stale = readiness(store(), keys(&[]), broken(), []);
        assert_eq!(stale.status(), 200);
        let reasons = json!(["policies: broken", "store: may lose a second", "keys: old"]);
        assert_eq!(
            body(stale).await,
            json!({"status": "stale", "reasons": reasons})
        );

        let mut store = store();
        store.faults.push("store: not reachable".to_owned());
        let not_ready = readiness(store, keys(&["keys: none"]), broken(), []);
        assert_eq!(not_ready.status(), 503);
        let reasons = json!([
            "store: not reachable",
            "keys: none",
            "policies: broken",
            "store: may lose a second",
            "keys: old",
        ]);
        assert_eq!(
            body(not_ready).await,
            json!({"status": "not_ready", "reasons": reasons})
        );
    }
}

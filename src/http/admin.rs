//! The admin listener: whether the process lives, whether it is of use, and what it has done. It
//! decides nothing and shows no user's data.

mod metrics;

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use crate::app::App;
use crate::store::Health;

pub use metrics::Metrics;

use super::respond::{JSON, json_bytes};
use super::server::{Connections, Handler};

/// Answers the admin listener.
pub struct Admin {
    app: Arc<App>,
    metrics: Arc<Metrics>,
    connections: Arc<Connections>,
}

/// What a request to the admin listener is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Endpoint {
    Live,
    Ready,
    Metrics,
    OtherMethod,
    Nothing,
}

impl Admin {
    /// Of this gateway, its sink of metrics, and the connections of its public listener.
    pub fn new(app: Arc<App>, metrics: Arc<Metrics>, connections: Arc<Connections>) -> Self {
        Self {
            app,
            metrics,
            connections,
        }
    }

    async fn answer(&self, endpoint: Endpoint) -> Response<Full<Bytes>> {
        match endpoint {
            Endpoint::Live => json(StatusCode::OK, &Live { status: "ok" }),
            Endpoint::Ready => {
                let health = self.app.store.health().await;
                readiness(health, self.app.gate.bundle().len())
            }
            Endpoint::Metrics => {
                let failures = self.app.store.failures();
                let text = self.metrics.text(failures, self.connections.total());
                answer(StatusCode::OK, metrics::CONTENT_TYPE, text.into())
            }
            Endpoint::OtherMethod => method_not_allowed(),
            Endpoint::Nothing => json(
                StatusCode::NOT_FOUND,
                &Refusal {
                    code: "not_found",
                    message: "There are /healthz, /readyz and /metrics.",
                },
            ),
        }
    }
}

impl Handler for Admin {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        _: IpAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send + 'static {
        let endpoint = find(request.method(), request.uri().path());
        async move { self.answer(endpoint).await }
    }
}

fn find(method: &Method, path: &str) -> Endpoint {
    match path {
        "/healthz" | "/readyz" | "/metrics" if method != Method::GET => Endpoint::OtherMethod,
        "/healthz" => Endpoint::Live,
        "/readyz" => Endpoint::Ready,
        "/metrics" => Endpoint::Metrics,
        _ => Endpoint::Nothing,
    }
}

fn method_not_allowed() -> Response<Full<Bytes>> {
    let refusal = Refusal {
        code: "method_not_allowed",
        message: "This path has GET only.",
    };
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, &refusal);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

/// Whether requests can be served, and what an operator should know even if they can.
fn readiness(health: Health, policies: usize) -> Response<Full<Bytes>> {
    let mut faults = health.faults;
    if policies == 0 {
        faults.push("policies: none is loaded, so every request is refused".to_owned());
    }
    let (status, word) = if faults.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let mut reasons = faults;
    reasons.extend(health.warnings);
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
    async fn there_are_three_paths_with_get_only() {
        for (path, endpoint) in [
            ("/healthz", Endpoint::Live),
            ("/readyz", Endpoint::Ready),
            ("/metrics", Endpoint::Metrics),
        ] {
            assert_eq!(find(&Method::GET, path), endpoint);
            for method in [Method::HEAD, Method::POST, Method::OPTIONS] {
                assert_eq!(find(&method, path), Endpoint::OtherMethod);
            }
        }
        for path in ["/", "/metrics/", "/v1/users/me/mfa"] {
            assert_eq!(find(&Method::GET, path), Endpoint::Nothing, "{path}");
        }
        let refusal = method_not_allowed();
        assert_eq!(refusal.status(), 405);
        assert_eq!(refusal.headers()["allow"], "GET");
        assert_eq!(body(refusal).await["code"], "method_not_allowed");
    }

    #[tokio::test]
    async fn readiness_tells_every_reason() {
        let ready = readiness(Health::default(), 1);
        assert_eq!(ready.status(), 200);
        assert_eq!(ready.headers()["cache-control"], "no-store");
        assert_eq!(body(ready).await, json!({"status": "ready", "reasons": []}));

        let health = || Health {
            faults: Vec::new(),
            warnings: vec!["store: may lose a second".to_owned()],
        };
        let warned = readiness(health(), 1);
        assert_eq!(warned.status(), 200);
        let reasons = json!(["store: may lose a second"]);
        assert_eq!(
            body(warned).await,
            json!({"status": "ready", "reasons": reasons})
        );

        let mut health = health();
        health.faults.push("store: not reachable".to_owned());
        let not_ready = readiness(health, 0);
        assert_eq!(not_ready.status(), 503);
        let reasons = json!([
            "store: not reachable",
            "policies: none is loaded, so every request is refused",
            "store: may lose a second",
        ]);
        assert_eq!(
            body(not_ready).await,
            json!({"status": "not_ready", "reasons": reasons})
        );
    }
}

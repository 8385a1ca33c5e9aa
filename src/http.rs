//! The HTTP API: checks a request in a fixed order and answers it. Only [`server`] needs a socket.

pub mod admin;
mod body;
mod cors;
mod endpoint;
mod error;
mod head;
mod openapi;
mod respond;
mod route;
mod schema;
pub mod server;
mod target;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use matchit::Params;
use tokio::time::timeout;

use crate::app::App;
use crate::authn;
use crate::error::Error as GatewayError;
use crate::event::{RequestEvent, Sink};
use cedargate_core::{Member, Timestamp, User, Visitor};

use body::BoxError;
use endpoint::Arguments;
pub use error::{Error, Framing};
pub use respond::{Reply, respond};
use route::{Access, Public, RelatedOrigins, RouteMatch};
use target::Target;

/// The JWKS of a gateway without a signing key.
const NO_KEYS: Bytes = Bytes::from_static(br#"{"keys":[]}"#);

/// The longest `X-Request-ID` that is echoed, in bytes.
const REQUEST_ID_BYTES: usize = 128;
/// The length in bytes to which a method is truncated in the request event. Every registered method is
/// shorter; an invented one could fill the log.
const METHOD_BYTES: usize = 32;

/// Reads the clock and opens the event of a request.
fn open_event<B>(sink: &Arc<dyn Sink>, request: &Request<B>) -> (Timestamp, RequestEvent) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where a request reads the clock"
    )]
    let now = Timestamp::from(std::time::SystemTime::now());
    let id = request_id(request.headers(), now);
    // A method is ASCII (RFC 9110 §9.1).
    let method = request.method().as_str();
    let method = method.get(..METHOD_BYTES).unwrap_or(method).to_owned();
    (now, RequestEvent::open(Arc::clone(sink), now, id, method))
}

/// Awaits `answer` and writes its outcome as a response. A panic becomes a 500, and an answer that takes
/// longer than `time` a 503.
///
/// The event is written when the future ends, or when it is dropped because the caller hung up.
async fn respond_in_time(
    mut event: RequestEvent,
    time: Duration,
    answer: impl AsyncFnOnce(&mut RequestEvent) -> Result<Reply, Error>,
) -> Response<Full<Bytes>> {
    let answer = timeout(time, answer(&mut event));
    let outcome = match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(timed_out(&event)),
        Err(_) => Err(Error::internal("the handler panicked")),
    };
    respond(outcome, &mut event)
}

impl server::Handler for App {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send {
        let (now, event) = open_event(&self.sink, &request);
        let origin = cors::RequestOrigin::of(request.headers(), &self.cors_origins);
        async move {
            let answer =
                async |event: &mut RequestEvent| answer(&self, request, peer, now, event).await;
            let mut response = respond_in_time(event, self.times.request, answer).await;
            origin.add_headers(&mut response);
            response
        }
    }
}

/// A permitted change may have been stored before the time was over. A GET changes nothing.
fn timed_out(event: &RequestEvent) -> Error {
    let event = event.event();
    Error::TimedOut {
        outcome_unknown: event.effect == Some("allow") && event.method != "GET",
    }
}

fn request_id(headers: &HeaderMap, now: Timestamp) -> String {
    let is_plain = |id: &&str| {
        (1..=REQUEST_ID_BYTES).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    headers
        .get(respond::REQUEST_ID)
        .and_then(head::text)
        .filter(is_plain)
        .map_or_else(|| now.uuid().to_string(), str::to_owned)
}

/// Answers one request. The API promises this order of checks: the head, the token, the tenant, the
/// body, the facts, the decision. The operation runs last.
///
/// # Errors
/// The first check that fails, or the failure of the operation.
pub async fn answer<B>(
    app: &App,
    request: Request<B>,
    peer: IpAddr,
    now: Timestamp,
    event: &mut RequestEvent,
) -> Result<Reply, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    event.address(peer.to_canonical());
    let (head, body) = request.into_parts();
    head::check(&head)?;
    let host = head::host(&head)?;
    let target = Target::parse(&head.uri)?;
    let address = head::client(peer, &head.headers, &app.trusted_proxies)?;
    event.address(address);
    let mut matched = route::find(&head.method, &target.path);
    if cors::is_preflight(&head.method, &head.headers) {
        matched = matched.preflight();
    }
    let route = matched.route();
    event.route(route);

    let user = authenticate(app, &head.headers, now, event).await?;
    let visitor = |user| Visitor {
        user,
        address,
        now,
        route,
    };
    match (access(matched), user) {
        (Ok((Access::Public(public), _)), user) => {
            app.gate
                .admit_visitor(&visitor(user), public.action(), event)?;
            serve_public(app, public, host)
        }
        (Ok((Access::Member(endpoint), parameters)), Some(user)) => {
            let tenant = head::tenant(&head.headers)?;
            event.tenant(tenant);
            let member = Member {
                user,
                tenant,
                address,
                now,
                route,
            };
            let arguments = Arguments {
                target: &target,
                parameters: &parameters,
                tenant,
                body: endpoint
                    .body
                    .read(&head.headers, body, app.times.body)
                    .await?,
            };
            (endpoint.serve)(app, member, arguments, event).await
        }
        (Ok((Access::Member(_), _)) | Err(_), None) => {
            app.gate.decide_unknown(&visitor(None), event);
            Err(GatewayError::from(authn::Error::MissingToken).into())
        }
        (Err(error), user) => {
            app.gate.decide_unknown(&visitor(user), event);
            Err(error)
        }
    }
}

async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    now: Timestamp,
    event: &mut RequestEvent,
) -> Result<Option<Arc<User>>, GatewayError> {
    let user = app.authn.user(head::authorization(headers), now).await?;
    match &user {
        Some(user) => event.principal(&user.id),
        None => event.principal("anonymous"),
    }
    Ok(user)
}

/// Returns the access and the path parameters of the matched row.
///
/// # Errors
/// No row has the path, or none has it with this method.
fn access(matched: RouteMatch<'_>) -> Result<(Access, Params<'static, '_>), Error> {
    match matched {
        RouteMatch::Row(row, parameters) => Ok((row.access, parameters)),
        RouteMatch::Preflight(_) => Ok((Access::Public(Public::Preflight), Params::new())),
        RouteMatch::OtherMethod(route) => Err(Error::MethodNotAllowed {
            allow: route.allow(),
        }),
        RouteMatch::Nothing => Err(Error::UnknownPath),
    }
}

fn serve_public(app: &App, public: Public, host: &str) -> Result<Reply, Error> {
    match public {
        Public::ApiDescription => Ok(Reply::public(openapi::description())),
        Public::Keys => {
            let keys = app.step_up.as_ref().map(|it| it.jwks().to_vec());
            Ok(Reply::public(keys.map_or(NO_KEYS, Bytes::from)))
        }
        Public::Preflight => Ok(Reply::no_content()),
        Public::RelatedOrigins => {
            // A host is case-insensitive (RFC 9110 §4.2.3), and the id of a relying party is lower case.
            let party = app.parties.by_host(&host.to_ascii_lowercase());
            match party.map(|it| it.related_origins()) {
                None | Some([]) => Err(Error::NoRelatedOrigins),
                Some(origins) => {
                    let origins = respond::json_bytes(&RelatedOrigins { origins });
                    Ok(Reply::public(origins))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{NullSink, entry};
    use cedargate_core::{Effect, GateAction};
    use hyper::header::HeaderValue;

    fn event_of(method: &str, effect: Option<Effect>) -> RequestEvent {
        let now = Timestamp::from_millis(0);
        let mut event = RequestEvent::open(Arc::new(NullSink), now, "id".into(), method.into());
        if let Some(effect) = effect {
            event.decided(entry(GateAction::Unknown, effect));
        }
        event
    }

    #[test]
    fn timeout_of_a_permitted_change_is_outcome_unknown() {
        let denied = || Some(Effect::Deny("forbidden".into()));
        for (method, effect, unknown) in [
            ("POST", Some(Effect::Allow), true),
            ("GET", Some(Effect::Allow), false),
            ("POST", denied(), false),
            ("POST", None, false),
        ] {
            let error = timed_out(&event_of(method, effect.clone()));
            let outcome_unknown = matches!(
                error,
                Error::TimedOut {
                    outcome_unknown: true
                }
            );
            assert_eq!(outcome_unknown, unknown, "{method} {effect:?}");
        }
    }

    #[test]
    fn plain_request_id_is_kept_and_any_other_is_replaced() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let of = |id: &[u8]| {
            let id = HeaderValue::from_bytes(id).unwrap();
            request_id(&HeaderMap::from_iter([(respond::REQUEST_ID, id)]), now)
        };
        let longest = "a".repeat(REQUEST_ID_BYTES);
        for plain in ["a", "A-9_.z", &longest] {
            assert_eq!(of(plain.as_bytes()), plain);
        }
        let long = "a".repeat(REQUEST_ID_BYTES + 1);
        for other in [&b""[..], b"a b", b"a\"b", b"\xff", long.as_bytes()] {
            let id: uuid::Uuid = of(other).parse().unwrap();
            assert_eq!(id.get_version_num(), 7, "{other:?}");
        }
        assert_eq!(request_id(&HeaderMap::new(), now).len(), 36);
    }
}

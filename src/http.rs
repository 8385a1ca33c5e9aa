//! The HTTP API: takes a request through the checks in their order, and answers it. Only [`server`]
//! needs a socket.

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

use body::Cause;
use endpoint::Arguments;
pub use error::{Error, Framing};
pub use respond::{Reply, respond};
use route::{Access, Found, Public, RelatedOrigins};
use target::Target;

/// The JWKS of a gateway that signs nothing.
const NO_KEYS: Bytes = Bytes::from_static(br#"{"keys":[]}"#);

/// The longest `X-Request-ID` that is echoed.
const REQUEST_ID_BYTES: usize = 128;
/// How much of a method is recorded. Methods that exist are shorter; one that a caller made up could
/// fill the log.
const METHOD_BYTES: usize = 32;

/// Reads the clock and opens the record of a request.
fn open<B>(sink: &Arc<dyn Sink>, request: &Request<B>) -> (Timestamp, RequestEvent) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    let now = Timestamp::from(std::time::SystemTime::now());
    let id = request_id(request.headers(), now);
    // A method is ASCII (RFC 9110 §9.1).
    let method = request.method().as_str();
    let method = method.get(..METHOD_BYTES).unwrap_or(method).to_owned();
    (now, RequestEvent::open(Arc::clone(sink), now, id, method))
}

/// Turns whatever becomes of `answer` into a response: a panic and a request that takes longer than
/// `time` too.
///
/// The record is written when the future ends, or when it is dropped because the caller hung up.
async fn observe(
    mut event: RequestEvent,
    time: Duration,
    answer: impl AsyncFnOnce(&mut RequestEvent) -> Result<Reply, Error>,
) -> Response<Full<Bytes>> {
    let answer = timeout(time, answer(&mut event));
    let outcome = AssertUnwindSafe(answer).catch_unwind().await;
    let outcome = match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(out_of_time(&event)),
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
        let (now, event) = open(&self.sink, &request);
        let sender = cors::Sender::of(request.headers(), &self.cors_origins);
        async move {
            let answer =
                async |event: &mut RequestEvent| answer(&self, request, peer, now, event).await;
            let mut response = observe(event, self.times.request, answer).await;
            sender.mark(&mut response);
            response
        }
    }
}

/// What was permitted may have been done when the time was over; a GET changes nothing.
fn out_of_time(event: &RequestEvent) -> Error {
    let event = event.event();
    Error::TimedOut {
        outcome_unknown: event.effect == Some("allow") && event.method != "GET",
    }
}

fn request_id(headers: &HeaderMap, now: Timestamp) -> String {
    let good = |id: &&str| {
        (1..=REQUEST_ID_BYTES).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    headers
        .get(respond::REQUEST_ID)
        .and_then(head::text)
        .filter(good)
        .map_or_else(|| now.uuid().to_string(), str::to_owned)
}

/// Answers one request, in the order of checks that the API promises: the head, the token, the
/// tenant, the body, the facts, the decision, and only then what was asked for.
///
/// # Errors
/// Whatever keeps it from being answered well.
pub async fn answer<B>(
    app: &App,
    request: Request<B>,
    peer: IpAddr,
    now: Timestamp,
    event: &mut RequestEvent,
) -> Result<Reply, Error>
where
    B: Body,
    B::Error: Into<Cause>,
{
    event.address(peer.to_canonical());
    let (head, body) = request.into_parts();
    head::check(&head)?;
    let host = head::host(&head)?;
    let target = Target::parse(&head.uri)?;
    let address = head::client(peer, &head.headers, &app.trusted_proxies)?;
    event.address(address);
    let mut found = route::find(&head.method, &target.path);
    if cors::is_preflight(&head.method, &head.headers) {
        found = found.preflight();
    }
    let route = found.route();
    event.route(route);

    let user = authenticate(app, &head.headers, now, event).await?;
    let visitor = |user| Visitor {
        user,
        address,
        now,
        route,
    };
    match (access(found), user) {
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
        (Err(answer), user) => {
            app.gate.decide_unknown(&visitor(user), event);
            Err(answer)
        }
    }
}

async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    now: Timestamp,
    event: &mut RequestEvent,
) -> Result<Option<User>, GatewayError> {
    let user = app.authn.user(head::authorization(headers), now).await?;
    match &user {
        Some(user) => event.principal(&user.id),
        None => event.principal("anonymous"),
    }
    Ok(user)
}

/// Returns what may answer the request, or the error where nothing does.
fn access(found: Found<'_>) -> Result<(Access, Params<'static, '_>), Error> {
    match found {
        Found::Row(row, parameters) => Ok((row.access, parameters)),
        Found::Preflight(_) => Ok((Access::Public(Public::Preflight), Params::new())),
        Found::OtherMethod(route) => Err(Error::MethodNotAllowed {
            allow: route.allow(),
        }),
        Found::Nothing => Err(Error::UnknownPath),
    }
}

fn serve_public(app: &App, public: Public, host: &str) -> Result<Reply, Error> {
    match public {
        Public::ApiDescription => Ok(Reply::public(openapi::description())),
        Public::Keys => {
            let keys = app.step_up.as_ref().map(|one| one.jwks().to_vec());
            Ok(Reply::public(keys.map_or(NO_KEYS, Bytes::from)))
        }
        Public::Preflight => Ok(Reply::nothing()),
        Public::RelatedOrigins => {
            // A host is compared without regard to case (RFC 9110 §4.2.3); a party's id is lower case.
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
    use crate::event::tests::entry;
    use cedargate_core::{Effect, GateAction};
    use hyper::header::HeaderValue;

    struct Nowhere;

    impl Sink for Nowhere {
        fn take(&self, _: &crate::event::WideEvent) {}
    }

    fn record_of(method: &str, effect: Option<Effect>) -> RequestEvent {
        let now = Timestamp::from_millis(0);
        let mut event = RequestEvent::open(Arc::new(Nowhere), now, "id".into(), method.into());
        if let Some(effect) = effect {
            event.decided(entry(GateAction::Unknown, effect));
        }
        event
    }

    #[test]
    fn only_what_was_permitted_and_changes_something_may_have_been_done() {
        let denied = || Some(Effect::Deny("forbidden".into()));
        for (method, effect, unknown) in [
            ("POST", Some(Effect::Allow), true),
            ("GET", Some(Effect::Allow), false),
            ("POST", denied(), false),
            ("POST", None, false),
        ] {
            let error = out_of_time(&record_of(method, effect.clone()));
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
    fn a_plain_request_id_is_kept_and_any_other_replaced() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let of = |id: &[u8]| {
            let id = HeaderValue::from_bytes(id).unwrap();
            request_id(&HeaderMap::from_iter([(respond::REQUEST_ID, id)]), now)
        };
        let longest = "a".repeat(REQUEST_ID_BYTES);
        for good in ["a", "A-9_.z", &longest] {
            assert_eq!(of(good.as_bytes()), good);
        }
        let long = "a".repeat(REQUEST_ID_BYTES + 1);
        for bad in [&b""[..], b"a b", b"a\"b", b"\xff", long.as_bytes()] {
            let id: uuid::Uuid = of(bad).parse().unwrap();
            assert_eq!(id.get_version_num(), 7, "{bad:?}");
        }
        assert_eq!(request_id(&HeaderMap::new(), now).len(), 36);
    }
}

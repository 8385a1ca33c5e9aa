use super::super::issuer;
use super::assets::ASSETS;
use super::*;
use crate::event::tests::entry;
use crate::event::{DecisionEntry, RequestEvent, Sink};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate_core::{Effect, GateAction, path};
use cedargate_policy::{AuthorizationRequest, Bundle, Caller, PreparedRequest, Resource, Sources};
use hyper::http::request::Builder;
use serde_json::json;

const NOW: i64 = 1_768_467_600_000;

/// Explains with the shipped policies.
fn explain() -> Explain {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    Box::new(move |input| Ok(bundle.explain(&PreparedRequest::from_input(&bundle, input)?)))
}

fn page() -> Page {
    let key = SigningKey::parse(&SigningKey::generate().unwrap())
        .ok()
        .unwrap();
    Page::new(Arc::new(key), Arc::new(Records::default()), explain(), 8080)
}

fn get(path: &str) -> Builder {
    Request::get(path).header("host", "localhost:8080")
}

fn post() -> Builder {
    Request::post("/dev/token")
        .header("host", "localhost:8080")
        .header("content-type", "application/json")
}

async fn send(page: &Page, request: Builder, body: impl ToString) -> (StatusCode, Value) {
    let request = request.body(Full::new(Bytes::from(body.to_string())));
    let answer = page
        .answer(request.unwrap(), Timestamp::from_millis(NOW))
        .await
        .expect("the page answers this path");
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn wanted() -> Value {
    json!({"user": "bob", "tenant": issuer::TENANT, "groups": ["a"], "acr": "phr", "auth_time": "-10s"})
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn page_gets_a_token_for_the_chosen_user() {
    let own = post()
        .header("origin", "http://localhost:8080")
        .header("sec-fetch-site", "same-origin");
    let (status, body) = send(&page(), own, wanted()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let claims = claims(&body["token"]);
    assert_eq!(claims["sub"], "bob");
    assert_eq!(claims["tenant_id"], issuer::TENANT);
    assert_eq!(claims["groups"], json!(["a"]));
    assert_eq!(claims["acr"], "phr");
    assert_eq!(claims["auth_time"], NOW / 1000 - 10);
}

#[tokio::test]
async fn token_has_only_the_requested_claims_and_auth_time_may_be_in_seconds() {
    let page = page();
    let least = json!({"user": "bob", "tenant": issuer::TENANT});
    let (_, body) = send(&page, post(), &least).await;
    let claimed = claims(&body["token"]);
    assert_eq!(
        (&claimed["acr"], &claimed["auth_time"]),
        (&Value::Null, &Value::Null)
    );
    let mut exact = least;
    exact["auth_time"] = 1234.into();
    let (_, body) = send(&page, post(), exact).await;
    assert_eq!(claims(&body["token"])["auth_time"], 1234);
}

#[tokio::test]
async fn requests_of_other_sites_are_refused_with_403() {
    let foreign = [
        ("origin", "https://evil.example"),
        ("origin", "http://localhost:3000"),
        ("origin", "https://localhost:8080"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for (name, value) in foreign {
        for request in [
            post(),
            get("/dev/records"),
            get("/dev/why?request_id=r&decision=0"),
        ] {
            let (status, body) = send(&page(), request.header(name, value), wanted()).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{name}: {value}");
            assert_eq!(
                body["message"],
                "Only the page of dev may send this request."
            );
        }
    }
}

#[tokio::test]
async fn foreign_host_is_refused_with_403() {
    for path in [
        "/",
        "/dev/page.js",
        "/dev/page.css",
        "/dev/records",
        "/dev/why",
    ] {
        for host in ["evil.example:8080", "localhost", "localhost:81", ""] {
            let request = Request::get(path).header("host", host);
            let (status, body) = send(&page(), request, "").await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{host}{path}");
            assert_eq!(
                body["message"],
                "The page of dev is at http://localhost:8080/ only."
            );
        }
    }
    let request = Request::post("http://evil.example:8080/dev/token")
        .header("host", "localhost:8080")
        .header("content-type", "application/json");
    let (status, _) = send(&page(), request, wanted()).await;
    assert_eq!(
        status,
        StatusCode::FORBIDDEN,
        "the authority of the target overrides the Host header"
    );
}

#[tokio::test]
async fn malformed_token_requests_are_refused_with_the_mistake() {
    let page = page();
    let tenant = issuer::TENANT;
    let cases = [
        ("{", "EOF"),
        ("{\"user\": \"a\"}", "missing field `tenant`"),
        (
            "{\"user\": \"a\", \"tenant\": \"acme\"}",
            "a tenant is a UUID",
        ),
        (
            &format!("{{\"user\": \"\", \"tenant\": \"{tenant}\"}}"),
            "The user is empty",
        ),
        (
            &format!("{{\"user\": \"a\", \"tenant\": \"{tenant}\", \"role\": 1}}"),
            "unknown field `role`",
        ),
        (
            &format!("{{\"user\": \"a\", \"tenant\": \"{tenant}\", \"auth_time\": \"5m\"}}"),
            "write how long ago",
        ),
    ];
    for (body, expected) in cases {
        let (status, answer) = send(&page, post(), body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(expected), "{body}: {message}");
    }
    let form = Request::post("/dev/token")
        .header("host", "localhost:8080")
        .header("content-type", "text/plain");
    let (status, _) = send(&page, form, wanted()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (status, _) = send(&page, post(), " ".repeat(BODY_LIMIT + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn request_events_are_listed() {
    let page = page();
    page.records
        .take(&super::super::tests::event("unknown", Some(401)));
    let (status, body) = send(&page, get("/dev/records"), "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["records"][0]["status"], 401);
}

#[tokio::test]
async fn page_at_another_own_name_redirects_to_localhost() {
    let request = Request::get("/")
        .header("host", "127.0.0.1:8080")
        .body(Full::<Bytes>::default());
    let answer = page()
        .answer(request.unwrap(), Timestamp::from_millis(NOW))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(answer.headers()["location"], "http://localhost:8080/");
}

#[tokio::test]
async fn page_loads_only_its_own_files() {
    let request = get("/").body(Full::<Bytes>::default());
    let answer = page()
        .answer(request.unwrap(), Timestamp::from_millis(NOW))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.headers()["content-security-policy"],
        CONTENT_SECURITY_POLICY
    );
    for Asset { path, text, .. } in &ASSETS {
        let foreign = text
            .match_indices("//")
            .filter(|(at, _)| text[..*at].ends_with(':'));
        for (at, _) in foreign {
            let named = &text[at + 2..];
            // The browser fetches neither: one is text for a person, the other an XML namespace.
            let known = ["localhost:$", "www.w3.org/2000/svg\""];
            assert!(known.iter().any(|start| named.starts_with(start)), "{path}");
        }
    }
    assert!(!PAGE.contains("//"));
    assert!(!PAGE.contains("<style") && !PAGE.contains("style="));
}

#[tokio::test]
async fn requests_for_other_paths_and_methods_are_passed_on() {
    for request in [
        get("/v1/users/me/mfa"),
        get("/dev/token"),
        get("/dev/"),
        get("/index.html"),
        Request::head("/"),
        Request::post("/dev/records"),
        Request::post("/dev/why"),
    ] {
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let answer = page().answer(request, Timestamp::from_millis(NOW)).await;
        assert!(answer.is_err());
    }
}

/// Decides a request for the API description, and stores its event.
fn decide(page: &Page, request_id: &str) {
    let bundle = Bundle::load(&Sources::shipped()).unwrap();
    let now = Timestamp::from_millis(NOW);
    let sink: Arc<dyn Sink> = page.records.clone();
    let mut event = RequestEvent::open(sink, now, request_id.to_owned(), "GET".to_owned());
    assert!(event.wants_input(), "the explanation needs the input");
    let request = AuthorizationRequest {
        caller: Caller::Visitor(None),
        action: GateAction::ReadApiDescription.into(),
        resource: Resource::Route(path::OPENAPI),
        address: [127, 0, 0, 1].into(),
        now,
    };
    let (decision, input) = bundle.decide_with_input(&request);
    event.decided(DecisionEntry {
        decision,
        input: Some(input),
        ..entry(GateAction::ReadApiDescription, Effect::Allow)
    });
}

#[tokio::test]
async fn decision_in_the_list_is_explained() {
    let page = page();
    decide(&page, "a b&c");
    let request = get("/dev/why?request_id=a%20b%26c&decision=0");
    let (status, body) = send(&page, request, "").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["decision"], "allow");
    assert_eq!(body["policies"][0]["id"], "public-documents");
    assert_eq!(
        body["request"]["resource"],
        "Gate::Route::\"/v1/openapi.json\""
    );
    for (query, status, expected) in [
        (
            "?request_id=a%20b%26c&decision=1",
            404,
            "send the request again",
        ),
        (
            "?request_id=other&decision=0",
            404,
            "send the request again",
        ),
        ("?request_id=other", 400, "?request_id=…&decision=0"),
        (
            "?request_id=other&decision=first",
            400,
            "?request_id=…&decision=0",
        ),
        ("", 400, "?request_id=…&decision=0"),
    ] {
        let (got, body) = send(&page, get(&format!("/dev/why{query}")), "").await;
        assert_eq!(got, status, "{query}");
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(expected), "{query}: {message}");
    }
}

#[tokio::test]
async fn input_that_does_not_fit_the_schema_is_refused_with_400() {
    let refusing: Explain = Box::new(|_| Err("a claim is of another type".into()));
    let page = Page {
        explain: refusing,
        ..page()
    };
    decide(&page, "r");
    let (status, body) = send(&page, get("/dev/why?request_id=r&decision=0"), "").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let message = body["message"].as_str().unwrap();
    assert!(
        message.ends_with("a claim is of another type."),
        "{message}"
    );
}

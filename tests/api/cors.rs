//! CORS: the answers to browsers with pages of other origins, and the policies that decide.

use http_body_util::Full;

use crate::support::client::{Answer, Client, METHODS, REGISTER};
use crate::support::deployment::{Deployment, TENANT};
use crate::support::gateway::Gateway;

const PAGE: &str = "https://app.example.com";
const OTHER: &str = "https://evil.example";

/// The headers of CORS.
const OF_ORIGINS: [&str; 7] = [
    "vary",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-max-age",
];

fn deployment() -> Deployment {
    Deployment::embedded().with_cors(&["http://localhost:3000", PAGE])
}

async fn send(client: &Client, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.request(method, target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request.body(Full::default()).unwrap()).await
}

/// Sends the preflight of a page of this origin that would POST to a path.
async fn preflight(client: &Client, target: &str, origin: &str, id: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,x-tenant-id",
        ),
        ("x-request-id", id),
    ];
    send(client, "OPTIONS", target, &headers).await
}

fn of_origins(answer: &Answer) -> Vec<(&'static str, &str)> {
    let headers = OF_ORIGINS.map(|name| (name, answer.header(name)));
    headers
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn leave(origin: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("vary", "Origin"),
        ("access-control-allow-origin", origin),
        ("access-control-allow-methods", "GET, POST, PATCH, DELETE"),
        (
            "access-control-allow-headers",
            "Authorization, Content-Type, X-Tenant-ID, X-Request-ID",
        ),
        (
            "access-control-expose-headers",
            "WWW-Authenticate, Retry-After, X-Request-ID",
        ),
        ("access-control-max-age", "600"),
    ]
}

fn readable() -> Vec<(&'static str, &'static str)> {
    vec![
        ("vary", "Origin"),
        ("access-control-allow-origin", PAGE),
        (
            "access-control-expose-headers",
            "WWW-Authenticate, Retry-After, X-Request-ID",
        ),
    ]
}

/// The action, effect, policies and resource of the decision on a request.
fn decision(gateway: &Gateway, id: &str) -> String {
    let event = gateway.event(id);
    format!(
        "{} {} {} {}",
        event["action"], event["effect"], event["policies"], event["resource"]
    )
    .replace('"', "")
}

#[tokio::test]
async fn preflight_from_a_configured_origin_is_permitted_by_policy() {
    let gateway = deployment().serve();
    let nobody = Client::new(&gateway.url);
    for (origin, id) in [(PAGE, "page"), ("http://localhost:3000", "local")] {
        let answer = preflight(&nobody, REGISTER, origin, id).await;
        assert_eq!(answer.status, 204);
        assert_eq!(of_origins(&answer), leave(origin));
        assert_eq!(answer.body, "");
        assert_eq!(answer.header("content-type"), "");
        assert_eq!(answer.header("x-request-id"), id);
        assert_eq!(
            decision(&gateway, id),
            format!("preflight allow [public-documents] Gate::Route::\\{REGISTER}\\")
        );
    }
    let public = preflight(&nobody, "/v1/openapi.json", PAGE, "public").await;
    assert_eq!((public.status, of_origins(&public)), (204, leave(PAGE)));
}

#[tokio::test]
async fn preflight_from_another_origin_gets_no_cors_headers() {
    let gateway = deployment().serve();
    let nobody = Client::new(&gateway.url);
    for origin in [OTHER, "null", "https://app.example.com:8443", "*"] {
        let answer = preflight(&nobody, METHODS, origin, "other").await;
        assert_eq!(answer.status, 204, "{origin}");
        assert_eq!(of_origins(&answer), [("vary", "Origin")], "{origin}");
    }
    let none = Deployment::embedded().serve();
    let answer = preflight(&Client::new(&none.url), METHODS, PAGE, "none").await;
    assert_eq!(
        (answer.status, of_origins(&answer)),
        (204, vec![("vary", "Origin")])
    );
}

#[tokio::test]
async fn options_request_that_is_no_preflight_is_unknown() {
    let deployment = deployment();
    let gateway = deployment.serve();
    let nobody = Client::new(&gateway.url);
    let alice = nobody.with(deployment.token("alice"), TENANT);

    let nowhere = preflight(&nobody, "/v1/nowhere", PAGE, "nowhere").await;
    assert_eq!(nowhere.says(), (401, "unauthenticated"));
    assert_eq!(
        decision(&gateway, "nowhere"),
        "unknown deny [] Gate::Route::\\unknown\\"
    );
    let nowhere = preflight(&alice, "/v1/nowhere", PAGE, "nowhere-alice").await;
    assert_eq!(nowhere.says(), (404, "not_found"));

    for headers in [
        &[("x-request-id", "plain")][..],
        &[("x-request-id", "origin"), ("origin", PAGE)],
        &[
            ("x-request-id", "method"),
            ("access-control-request-method", "GET"),
        ],
    ] {
        let id = headers[0].1;
        let answer = send(&alice, "OPTIONS", METHODS, headers).await;
        assert_eq!(answer.says(), (405, "method_not_allowed"), "{id}");
        assert_eq!(
            decision(&gateway, id),
            format!("unknown deny [] Gate::Route::\\{METHODS}\\")
        );
    }

    let bad = nobody.with("not-a-token", TENANT);
    let answer = preflight(&bad, METHODS, PAGE, "bad").await;
    assert_eq!(answer.says(), (401, "unauthenticated"));
    assert_eq!(gateway.event("bad")["undecided"], "unauthenticated");
}

#[tokio::test]
async fn preflight_is_refused_by_a_policy_that_forbids_it() {
    let policy = "@id(\"no-pages\")\n@code(\"no_pages\")\n@notice(\"Call from your servers.\")\n\
        forbid (principal, action == Gate::Action::\"preflight\", \
        resource == Gate::Route::\"/v1/users/me/mfa\");\n";
    let gateway = deployment().policy("50-no-pages.cedar", policy).serve();
    let nobody = Client::new(&gateway.url);
    let answer = preflight(&nobody, METHODS, PAGE, "refused").await;
    assert_eq!(answer.says(), (403, "no_pages"));
    assert_eq!(answer.body["notices"][0], "Call from your servers.");
    assert_eq!(of_origins(&answer), readable(), "no leave in it");
    let other_path = preflight(&nobody, REGISTER, PAGE, "other-path").await;
    assert_eq!(other_path.status, 204);

    let shut = deployment().without_policy("00-open-doors.cedar");
    let shut = shut
        .policy(
            "00-least.cedar",
            "@id(\"least\")\npermit (principal, action == Gate::Action::\"readApiDescription\", resource);\n",
        )
        .serve();
    let answer = preflight(&Client::new(&shut.url), METHODS, PAGE, "default").await;
    assert_eq!(answer.says(), (403, "forbidden"));
}

#[tokio::test]
async fn answers_and_errors_are_readable_by_configured_origins_only() {
    let deployment = deployment();
    let gateway = deployment.serve();
    let nobody = Client::new(&gateway.url);
    let alice = nobody.with(deployment.token("alice"), TENANT);
    let long = format!("{METHODS}?{}", "a".repeat(9000));
    for (client, method, target, status) in [
        (&alice, "GET", METHODS, 200),
        (&nobody, "GET", "/v1/openapi.json", 200),
        (&nobody, "GET", METHODS, 401),
        (&nobody.with("bad", TENANT), "GET", METHODS, 401),
        (&alice.tenant("acme"), "GET", METHODS, 400),
        (
            &alice.tenant(crate::support::deployment::OWN_PARTY),
            "GET",
            METHODS,
            403,
        ),
        (&alice, "GET", "/v1/nowhere", 404),
        (&alice, "DELETE", METHODS, 405),
        (&alice, "GET", &long, 414),
    ] {
        let at = format!("{method} {target:.40} {status}");
        let page = send(client, method, target, &[("origin", PAGE)]).await;
        assert_eq!(page.status, status, "{at}");
        assert_eq!(of_origins(&page), readable(), "{at}");
        for headers in [&[][..], &[("origin", OTHER)]] {
            let answer = send(client, method, target, headers).await;
            assert_eq!(answer.status, status, "{at}");
            assert_eq!(of_origins(&answer), [("vary", "Origin")], "{at}");
        }
    }
}

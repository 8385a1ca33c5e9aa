//! The head of a request: path, token, tenant header and request id.

use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::json;

use crate::support::client::{Answer, METHODS, PASSKEY, REGISTER};
use crate::support::deployment::{Deployment, OWN_PARTY, TENANT};
use crate::support::place::{Place, on_both, plain};

const OPENAPI: &str = "/v1/openapi.json";
const RELATED: &str = "/.well-known/webauthn";

type Header<'a> = (&'a str, &'a [u8]);
type Headers<'a> = &'a [Header<'a>];

async fn send(place: &Place, method: &str, target: &str, headers: Headers<'_>) -> Answer {
    let mut request = place.nobody.request(method, target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::default()).unwrap();
    place.nobody.send(request).await
}

#[tokio::test]
async fn tenant_header_that_is_not_one_uuid_is_refused() {
    insta::assert_snapshot!(on_both(plain, tenants).await);
}

async fn tenants(place: &Place) {
    let token = format!("Bearer {}", place.deployment.token("alice"));
    let token = ("authorization", token.as_bytes());
    let upper = TENANT.to_uppercase();
    let simple = TENANT.replace('-', "");
    let braced = format!("{{{TENANT}}}");
    let urn = format!("urn:uuid:{TENANT}");
    let two = format!("{TENANT}, {TENANT}");
    let cases: [(&str, Vec<&[u8]>); 12] = [
        ("none", vec![]),
        ("empty", vec![b""]),
        ("no UUID", vec![b"acme"]),
        ("a UUID without hyphens", vec![simple.as_bytes()]),
        ("a UUID in braces", vec![braced.as_bytes()]),
        ("a UUID as a URN", vec![urn.as_bytes()]),
        (
            "not ASCII",
            vec!["2489e9ad-2ee2-8e00-8ec9-32d5f69181c\u{e9}".as_bytes()],
        ),
        ("two in one", vec![two.as_bytes()]),
        ("the same twice", vec![TENANT.as_bytes(), TENANT.as_bytes()]),
        ("two", vec![TENANT.as_bytes(), OWN_PARTY.as_bytes()]),
        ("upper case", vec![upper.as_bytes()]),
        ("another's", vec![OWN_PARTY.as_bytes()]),
    ];
    for (name, values) in cases {
        let mut headers = vec![token];
        headers.extend(values.into_iter().map(|value| ("x-tenant-id", value)));
        let answer = send(place, "GET", METHODS, &headers).await;
        place.note(name, &answer);
        headers.push(("content-type", b"text/plain"));
        // The header is checked before the body and the query.
        let target = format!("{REGISTER}?method_type=totp");
        let again = send(place, "POST", &target, &headers).await;
        if answer.status == 400 {
            assert_eq!(again.body, answer.body, "{name}");
        } else {
            assert_eq!(again.body["details"]["fields"][0]["field"], "method_type");
        }
    }
}

#[tokio::test]
async fn bad_token_is_refused_with_its_reason() {
    insta::assert_snapshot!(on_both(plain, tokens).await);
}

async fn tokens(place: &Place) {
    let deployment = &place.deployment;
    let token = deployment.token("alice");
    let good = format!("Bearer {token}");
    let lower = format!("bEARER   {token}");
    let mut expired = deployment.claims("alice", TENANT);
    expired["exp"] = json!(expired["iat"].as_u64().unwrap() - 61);
    let expired = format!("Bearer {}", deployment.sign(&expired));
    let stranger = Deployment::embedded().token("alice");
    let forged = format!("Bearer {stranger}");
    let two = format!("Bearer {token} {token}");
    let mut not_ascii = b"Bearer \xff".to_vec();
    not_ascii.extend(token.as_bytes());
    let cases: [(&str, Vec<&[u8]>); 12] = [
        ("no token", vec![]),
        ("another scheme", vec![b"Basic YWxpY2U6c2VjcmV0"]),
        ("a scheme alone", vec![b"Bearer"]),
        ("empty", vec![b""]),
        ("two tokens in one", vec![two.as_bytes()]),
        ("no JWT", vec![b"Bearer opaque"]),
        ("not ASCII", vec![&not_ascii]),
        ("expired", vec![expired.as_bytes()]),
        ("signed by a stranger", vec![forged.as_bytes()]),
        ("sent twice", vec![good.as_bytes(), good.as_bytes()]),
        ("good", vec![good.as_bytes()]),
        ("good, the scheme in other letters", vec![lower.as_bytes()]),
    ];
    for (name, values) in cases {
        let mut headers = vec![("x-tenant-id", TENANT.as_bytes())];
        headers.extend(values.into_iter().map(|value| ("authorization", value)));
        place.note(name, &send(place, "GET", METHODS, &headers).await);
    }
    let in_query = format!("{METHODS}?access_token={token}");
    let tenant = [("x-tenant-id", TENANT.as_bytes())];
    place.note(
        "in the query",
        &send(place, "GET", &in_query, &tenant).await,
    );
    let bad = [("authorization", &b"Bearer opaque"[..])];
    for target in [OPENAPI, RELATED, "/nowhere"] {
        let answer = send(place, "GET", target, &bad).await;
        place.note(&format!("a bad one at {target}"), &answer);
    }
}

#[tokio::test]
async fn unknown_path_and_wrong_method_open_nothing() {
    insta::assert_snapshot!(on_both(plain, paths).await);
}

async fn paths(place: &Place) {
    let alice = format!("Bearer {}", place.deployment.token("alice"));
    let token: Headers<'_> = &[("authorization", alice.as_bytes())];
    let preflight: Headers<'_> = &[
        ("origin", b"https://app.example"),
        ("access-control-request-method", b"POST"),
    ];
    let cases: [(&str, &str, Headers<'_>); 22] = [
        ("GET", "/nowhere", &[]),
        ("GET", "/nowhere", token),
        ("GET", "/", token),
        ("GET", "/v1/users/me/mfa/", token),
        ("GET", "/V1/users/me/mfa", token),
        ("GET", "/.well-known/jwks", &[]),
        ("GET", "/.well-known/jwks", token),
        ("POST", "/dev/token", token),
        ("GET", "/dev/records", token),
        ("DELETE", METHODS, &[]),
        ("DELETE", METHODS, token),
        ("HEAD", METHODS, token),
        ("HEAD", OPENAPI, &[]),
        ("POST", OPENAPI, token),
        ("get", METHODS, token),
        ("OPTIONS", "/nowhere", preflight),
        ("OPTIONS", REGISTER, token),
        ("GET", "/v1//users/me/mfa", token),
        ("GET", "/v1/users/%2e%2e/openapi.json", token),
        ("GET", "/v1/users/me%2fmfa", token),
        ("GET", "/v1/users/me/mfa;v=1", token),
        ("GET", "/v1/users/me/%zz", token),
    ];
    for (method, target, headers) in cases {
        let caller = if headers == token { "alice" } else { "nobody" };
        let answer = send(place, method, target, headers).await;
        place.note(&format!("{caller}: {method} {target}"), &answer);
    }
}

#[tokio::test]
async fn ambiguous_head_is_refused_or_ignored() {
    insta::assert_snapshot!(on_both(plain, disguises).await);
}

async fn disguises(place: &Place) {
    let token = format!("Bearer {}", place.deployment.token("alice"));
    let own: Headers<'_> = &[
        ("authorization", token.as_bytes()),
        ("x-tenant-id", TENANT.as_bytes()),
    ];
    let with = |name, value| [own, &[(name, value)]].concat();
    let cases: [(&str, &str, Vec<Header<'_>>); 8] = [
        (
            "an override",
            METHODS,
            with("x-http-method-override", b"DELETE"),
        ),
        (
            "another path in a header",
            METHODS,
            with("x-original-url", b"/nowhere"),
        ),
        ("a path with escapes", "/v1/users/m%65/mfa", own.to_vec()),
        (
            "an address, not by a proxy",
            METHODS,
            with("x-forwarded-for", b"203.0.113.7"),
        ),
        ("the party's host", RELATED, vec![("host", b"LocalHost:1")]),
        (
            "a party without related origins",
            RELATED,
            vec![("host", b"own.example")],
        ),
        ("nobody's host", RELATED, vec![("host", b"nobody.example")]),
        ("no host name", RELATED, vec![("host", b"a/b")]),
    ];
    for (name, target, headers) in cases {
        place.note(name, &send(place, "GET", target, &headers).await);
    }
    let end = "Connection: close\r\n\r\n";
    for (name, head) in [
        ("no host", format!("GET {OPENAPI} HTTP/1.1\r\n")),
        (
            "two hosts",
            format!("GET {OPENAPI} HTTP/1.1\r\nHost: a\r\nHost: a\r\n"),
        ),
        (
            "an absolute target elsewhere",
            format!("GET http://b{OPENAPI} HTTP/1.1\r\nHost: a\r\n"),
        ),
        (
            "an absolute target",
            format!("GET http://a{OPENAPI}x HTTP/1.1\r\nHost: a\r\n"),
        ),
        (
            "an absolute target of HTTPS",
            format!("GET https://a{OPENAPI}x HTTP/1.1\r\nHost: a\r\n"),
        ),
        (
            "an absolute target of FTP",
            format!("GET ftp://a{OPENAPI} HTTP/1.1\r\nHost: a\r\n"),
        ),
        (
            "a transfer coding before chunked",
            format!(
                "POST {REGISTER} HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\
                 X-Tenant-ID: {TENANT}\r\nTransfer-Encoding: gzip, chunked\r\n"
            ),
        ),
        (
            "chunked twice",
            format!(
                "POST {REGISTER} HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\
                 X-Tenant-ID: {TENANT}\r\nTransfer-Encoding: chunked\r\n\
                 Transfer-Encoding: chunked\r\n"
            ),
        ),
        (
            "header names in other letters",
            format!(
                "GET {METHODS} HTTP/1.1\r\nhOST: a\r\nAUTHORIZATION: {token}\r\n\
                 X-TENANT-ID: {}\r\n",
                TENANT.to_uppercase()
            ),
        ),
    ] {
        place.note(name, &place.raw(format!("{head}{end}")).await);
    }
}

#[tokio::test]
async fn request_id_is_echoed_if_it_is_plain() {
    on_both(plain, request_ids).await;
}

async fn request_ids(place: &Place) {
    let longest = "a".repeat(128);
    for (id, target) in [("a", OPENAPI), ("A-9_.z", METHODS), (&longest, "/nowhere")] {
        let answer = send(place, "GET", target, &[("x-request-id", id.as_bytes())]).await;
        assert_eq!(answer.header("x-request-id"), id);
        assert_eq!(place.gateway.event(id)["request_id"], id);
    }
    let too_long = "a".repeat(129);
    for id in [
        &b""[..],
        b"a b",
        b"a\"b",
        "\u{e9}".as_bytes(),
        too_long.as_bytes(),
    ] {
        let answer = send(place, "GET", OPENAPI, &[("x-request-id", id)]).await;
        let new: uuid::Uuid = answer.header("x-request-id").parse().unwrap();
        assert_eq!(new.get_version_num(), 7, "{id:?}");
    }
}

#[tokio::test]
async fn answers_for_one_caller_are_not_cacheable() {
    on_both(plain, caching).await;
}

async fn caching(place: &Place) {
    let begun = place.begun(&place.user("alice"), PASSKEY).await;
    let begin = begun.caller.post(REGISTER, &json!({})).await;
    let complete = begun.complete().await;
    let list = begun.caller.get(METHODS).await;
    for answer in [begin, complete, list] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    }
}

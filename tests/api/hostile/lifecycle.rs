//! Requests to the routes that use and change enrolled authenticators.

use serde_json::{Value, json};

use super::{Sent, answers, exchange_patiently, request, still_serves};
use crate::support::client::{
    AUTHENTICATE, AUTHENTICATE_COMPLETE, BACKUP_CODES, BACKUP_CODES_VERIFY, METHODS,
};
use crate::support::gateway::Gateway;

const ADMIN: &str = "/v1/admin/users";
const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

/// A good request for each route. Its object does not exist, is not accessible, or the request
/// changes nothing.
pub(super) fn requests(token: &str, assertion: &Value) -> Vec<Sent> {
    let one = format!("{METHODS}/{NOBODYS}");
    let alice = format!("{ADMIN}/corp%7Calice/mfa");
    let assertion = json!({ "credential": assertion });
    [
        (
            "POST",
            AUTHENTICATE,
            json!({"method_type": "webauthn_fido"}),
        ),
        ("POST", AUTHENTICATE_COMPLETE, assertion),
        ("PATCH", &one, json!({"device_name": "Schlüssel"})),
        ("DELETE", &one, Value::Null),
        ("POST", BACKUP_CODES, json!({})),
        (
            "POST",
            BACKUP_CODES_VERIFY,
            json!({"code": "0000-0000-00000"}),
        ),
        ("GET", &alice, Value::Null),
        ("DELETE", &alice, Value::Null),
        ("DELETE", &format!("{alice}/{NOBODYS}"), Value::Null),
    ]
    .map(|(method, path, body)| {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        request(token, &format!("{method} {path} HTTP/1.1"), body)
    })
    .into()
}

/// Checks the answers to requests with one known error.
pub(super) fn one_thing_wrong(gateway: &Gateway, token: &str, good: &Sent) {
    let invalid = (400, "invalid_request");
    let wrong_code = (400, "invalid_credential");
    let not_found = (404, "not_found");
    let long = format!("{{\"code\":\"{}\"}}", "0".repeat(60_000));
    let deep = format!("{{\"credential\":{}", "[".repeat(60_000));
    let nul = r#"{"device_name":"\u0000"}"#;
    let name = r#"{"device_name":"x"}"#;
    let twice = r#"{"code":"0000-0000-00000","code":"0000-0000-00001"}"#;
    let one = format!("{METHODS}/{NOBODYS}");
    let at = |segment: &str| format!("{METHODS}/{segment}");
    let of = |user: &str| format!("{ADMIN}/{user}/mfa");
    let cases: Vec<(&str, String, &str, (u16, &str))> = vec![
        ("POST", AUTHENTICATE.into(), "[]", invalid),
        (
            "POST",
            AUTHENTICATE.into(),
            r#"{"method_type":"x"}"#,
            invalid,
        ),
        ("POST", AUTHENTICATE.into(), r#"{"method_type":7}"#, invalid),
        ("POST", AUTHENTICATE_COMPLETE.into(), "{}", invalid),
        ("POST", AUTHENTICATE_COMPLETE.into(), &deep, invalid),
        (
            "POST",
            AUTHENTICATE_COMPLETE.into(),
            r#"{"credential":{}}"#,
            invalid,
        ),
        ("POST", BACKUP_CODES.into(), r#"{"count":1}"#, invalid),
        (
            "POST",
            BACKUP_CODES_VERIFY.into(),
            r#"{"code":[]}"#,
            invalid,
        ),
        ("POST", BACKUP_CODES_VERIFY.into(), twice, invalid),
        ("POST", BACKUP_CODES_VERIFY.into(), &long, wrong_code),
        (
            "POST",
            BACKUP_CODES_VERIFY.into(),
            r#"{"code":"\ud83d\udd11"}"#,
            wrong_code,
        ),
        ("PATCH", one.clone(), nul, invalid),
        ("PATCH", one, r#"{"device_name":null}"#, invalid),
        ("PATCH", at("7"), name, not_found),
        ("PATCH", at(&"a".repeat(7000)), name, not_found),
        (
            "PATCH",
            at("%7B00000000-0000-4000-8000-000000000000%7D"),
            name,
            not_found,
        ),
        ("DELETE", at("%00"), "", invalid),
        ("DELETE", at("%2e%2e"), "", invalid),
        ("DELETE", at("%F0%9F%94%91"), "", not_found),
        ("GET", of("alice"), "", invalid),
        ("GET", of("corp%7C"), "", invalid),
        ("GET", of("%7C%7C"), "", invalid),
        ("GET", of("corp%7Ca%2Fb"), "", invalid),
        ("GET", of("corp%7C%FF"), "", invalid),
        (
            "GET",
            of("corp%7C%C2%85%22%5D"),
            "",
            (403, "untrusted_session"),
        ),
        (
            "DELETE",
            of(&format!("corp%7C{}", "a".repeat(7000))),
            "",
            (403, "untrusted_session"),
        ),
        (
            "DELETE",
            format!("{}/%7C", of("corp%7Calice")),
            "",
            (403, "untrusted_session"),
        ),
    ];
    for (method, path, body, (status, code)) in cases {
        let sent = request(token, &format!("{method} {path} HTTP/1.1"), body.to_owned());
        let said = exchange_patiently(gateway, &sent.bytes());
        let what: String = format!("{method} {path} {body}")
            .chars()
            .take(200)
            .collect();
        assert_eq!(answers(&said), [(status, code.to_owned())], "{what}");
        still_serves(gateway, good);
    }
}

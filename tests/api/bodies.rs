//! Invalid bodies and queries: the answer names the place, and the pending enrolment stays.

use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::support::client::{COMPLETE, FIDO, METHODS, PASSKEY, REGISTER};
use crate::support::place::{Place, methods, on_both, plain};

const JSON: &str = "application/json";

#[tokio::test]
async fn body_that_is_no_plain_json_object_is_refused() {
    insta::assert_snapshot!(on_both(plain, bodies).await);
}

async fn bodies(place: &Place) {
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    // The object is the first level of nesting.
    let nested = |good: &str, depth| good.replacen('{', &format!(r#"{{"x":{},"#, deep(depth)), 1);
    type Spoil<'a> = &'a dyn Fn(&str) -> Vec<u8>;
    let cases: [(&str, &[&str], Spoil<'_>); 18] = [
        ("none", &[JSON], &|_| vec![]),
        ("no JSON", &[JSON], &|_| b"device_name=x".to_vec()),
        ("no object", &[JSON], &|good| format!("[{good}]").into()),
        ("null", &[JSON], &|_| b"null".to_vec()),
        ("cut short", &[JSON], &|good| good[..good.len() - 1].into()),
        ("two objects", &[JSON], &|good| {
            format!("{good}{good}").into()
        }),
        ("not UTF-8", &[JSON], &|good| {
            good.replace("my key", "\u{1}")
                .bytes()
                .map(|b| if b == 1 { 0xff } else { b })
                .collect()
        }),
        ("too deep", &[JSON], &|good| nested(good, 32).into()),
        ("far too deep", &[JSON], &|good| nested(good, 5000).into()),
        ("a repeated member", &[JSON], &|good| {
            good.replacen('{', r#"{"device_name":"x","#, 1).into()
        }),
        ("a repeated member, escaped", &[JSON], &|good| {
            good.replacen('{', r#"{"device\u005fname":"x","#, 1).into()
        }),
        ("a repeated member within", &[JSON], &|good| {
            good.replacen(r#""rawId":"#, r#""rawId":"x","rawId":"#, 1)
                .into()
        }),
        ("a repeated member of no meaning", &[JSON], &|good| {
            good.replacen('{', r#"{"x":1,"x":1,"#, 1).into()
        }),
        ("of no media type", &[], &|good| good.into()),
        ("a form", &["application/x-www-form-urlencoded"], &|good| {
            good.into()
        }),
        (
            "a kind of JSON",
            &["application/json-patch+json"],
            &|good| good.into(),
        ),
        (
            "a media type that is not ASCII",
            &["application/json; x=\u{e9}"],
            &|good| good.into(),
        ),
        ("two media types", &[JSON, JSON], &|good| good.into()),
    ];
    for (name, media_types, spoil) in cases {
        let begun = place.begun(&place.user(name), PASSKEY).await;
        let mut request = begun.caller.request("POST", COMPLETE);
        for media_type in media_types {
            request = request.header("content-type", media_type.as_bytes());
        }
        let body = spoil(&begun.body().to_string());
        let request = request.body(Full::<Bytes>::from(body)).unwrap();
        place.note(name, &begun.caller.send(request).await);
        begun.stays_pending(0).await;
    }
    let encoded = place.begun(&place.user("encoded"), PASSKEY).await;
    let request = encoded.caller.request("POST", COMPLETE);
    let request = request
        .header("content-type", JSON)
        .header("content-encoding", "gzip");
    let body = Full::from(encoded.body().to_string());
    let answer = encoded.caller.send(request.body(body).unwrap()).await;
    place.note("a content coding", &answer);
    encoded.stays_pending(0).await;
}

#[tokio::test]
async fn unusual_media_type_and_unknown_members_are_accepted() {
    on_both(plain, unusual).await;
}

async fn unusual(place: &Place) {
    let deepest = format!("{}{}", "[".repeat(31), "]".repeat(31));
    let deepest: Value = serde_json::from_str(&deepest).unwrap();
    for media_type in [
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;x=\"y\"",
    ] {
        let begun = place.begun(&place.user(media_type), FIDO).await;
        let mut body = begun.body();
        body["unknown"] = deepest.clone();
        body["credential"]["unknown"] = json!({ "a": 1 });
        let request = begun
            .caller
            .request("POST", COMPLETE)
            .header("content-type", media_type);
        let body = Full::from(body.to_string());
        let answer = begun.caller.send(request.body(body).unwrap()).await;
        assert_eq!(answer.status, 200, "{media_type}: {answer:?}");
    }
}

#[tokio::test]
async fn invalid_field_is_refused_with_its_rule() {
    insta::assert_snapshot!(on_both(plain, fields).await);
}

async fn fields(place: &Place) {
    let credential = "/credential";
    let cases: [(&str, &str, Option<Value>); 25] = [
        ("no device_name", "/device_name", None),
        ("a device_name of null", "/device_name", Some(json!(null))),
        (
            "a device_name of 101 characters",
            "/device_name",
            Some(json!("x".repeat(101))),
        ),
        (
            "a device_name of 101 characters of four bytes",
            "/device_name",
            Some(json!("🔑".repeat(101))),
        ),
        (
            "a device_name with a line end",
            "/device_name",
            Some(json!("a\nb")),
        ),
        (
            "a device_name with a C1 control",
            "/device_name",
            Some(json!("a\u{85}b")),
        ),
        ("no method_type", "/method_type", None),
        (
            "an unknown method_type",
            "/method_type",
            Some(json!("totp")),
        ),
        (
            "a method_type in other letters",
            "/method_type",
            Some(json!("WebAuthn_Passkey")),
        ),
        (
            "a method_type of another kind",
            "/method_type",
            Some(json!(["webauthn_passkey"])),
        ),
        ("no credential", credential, None),
        ("an empty credential", credential, Some(json!({}))),
        ("a credential that is text", credential, Some(json!("{}"))),
        ("no id", "/credential/id", None),
        (
            "an id with padding",
            "/credential/id",
            Some(json!("AAAA==")),
        ),
        (
            "an id that is not rawId",
            "/credential/id",
            Some(json!("AAAA")),
        ),
        (
            "a rawId in base64",
            "/credential/rawId",
            Some(json!("a+/b")),
        ),
        ("another type", "/credential/type", Some(json!("password"))),
        ("no response", "/credential/response", None),
        (
            "clientDataJSON as text",
            "/credential/response/clientDataJSON",
            Some(json!("{}")),
        ),
        (
            "clientDataJSON without a challenge",
            "/credential/response/clientDataJSON",
            Some(json!("e30")),
        ),
        (
            "no clientDataJSON",
            "/credential/response/clientDataJSON",
            None,
        ),
        (
            "attestationObject with line ends",
            "/credential/response/attestationObject",
            Some(json!("AAAA\r\n")),
        ),
        (
            "attestationObject with stray bits",
            "/credential/response/attestationObject",
            Some(json!("AB")),
        ),
        (
            "transports of numbers",
            "/credential/response/transports",
            Some(json!([1])),
        ),
    ];
    for (name, pointer, value) in cases {
        let begun = place.begun(&place.user(name), PASSKEY).await;
        let mut body = begun.body();
        put(&mut body, pointer, value);
        place.note(name, &begun.caller.post(COMPLETE, &body).await);
        begun.stays_pending(0).await;
    }
    place.note(
        "all at once",
        &place.user("all").post(COMPLETE, &json!({})).await,
    );
}

/// Sets a member, or removes it.
fn put(body: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(member.to_owned(), value),
        None => parent.remove(member),
    };
}

#[tokio::test]
async fn device_name_is_stored_as_sent_and_a_blank_one_becomes_the_kind() {
    on_both(plain, names).await;
}

async fn names(place: &Place) {
    let longest = "🔑".repeat(100);
    for (number, (method_type, sent, stored)) in [
        (PASSKEY, longest.as_str(), longest.as_str()),
        (PASSKEY, "", "Passkey"),
        (FIDO, "", "Security key"),
        (FIDO, " \u{a0}\u{3000}", "Security key"),
        (FIDO, "\u{2028}\u{1680}", "Security key"),
        (PASSKEY, " Büro\u{200d} ", " Büro\u{200d} "),
        // Neither is White_Space, and neither is Cc.
        (PASSKEY, "\u{200b}", "\u{200b}"),
        (
            PASSKEY,
            "\u{feff}\u{202e}\u{ffff}",
            "\u{feff}\u{202e}\u{ffff}",
        ),
        (PASSKEY, "<b>\"'\\", "<b>\"'\\"),
    ]
    .into_iter()
    .enumerate()
    {
        let begun = place
            .begun(&place.user(&number.to_string()), method_type)
            .await;
        let credential = begun.right.credential();
        let answer = begun
            .caller
            .complete_as(method_type, &credential, sent)
            .await;
        assert_eq!(answer.status, 200, "{sent:?}: {answer:?}");
        let list = begun.caller.get(METHODS).await;
        assert_eq!(list.body["methods"][0]["device_name"], stored);
    }
}

#[tokio::test]
async fn start_takes_its_method_type_from_the_query_only() {
    insta::assert_snapshot!(on_both(plain, starts).await);
}

async fn starts(place: &Place) {
    let alice = place.user("alice");
    let json = Some(JSON);
    for (name, query, media_type, body) in [
        ("unknown", "?method_type=totp", None, ""),
        ("empty", "?method_type=", None, ""),
        ("in other letters", "?method_type=WEBAUTHN_FIDO", None, ""),
        (
            "repeated",
            "?method_type=webauthn_fido&method_type=webauthn_fido",
            None,
            "",
        ),
        (
            "repeated, escaped",
            "?method_type=webauthn_fido&method%5ftype=webauthn_passkey",
            None,
            "",
        ),
        (
            "in the body",
            "",
            json,
            r#"{"method_type":"webauthn_fido"}"#,
        ),
        ("a body that is no JSON", "", json, "x"),
        ("a body that is no object", "", json, "[]"),
        ("a body of another media type", "", Some("text/plain"), "{}"),
    ] {
        let mut request = alice.request("POST", &format!("{REGISTER}{query}"));
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        let request = request.body(Full::from(body)).unwrap();
        place.note(name, &alice.send(request).await);
    }
    let coded = alice
        .request("POST", REGISTER)
        .header("content-encoding", "gzip");
    let answer = alice.send(coded.body(Full::from("{}")).unwrap()).await;
    place.note("a content coding", &answer);
    assert_eq!(methods(&alice).await, 0);
    for (query, body, method_type) in [
        ("", "", PASSKEY),
        ("?other=1&other=2", "{}", PASSKEY),
        ("?method_type=webauthn_passkey", " { } ", PASSKEY),
        ("?a&method%5Ftype=webauthn%5Ffido", "", FIDO),
    ] {
        let answer = alice.post_text(&format!("{REGISTER}{query}"), body).await;
        assert_eq!(answer.status, 200, "{query} {body}: {answer:?}");
        assert_eq!(answer.body["method_type"], method_type);
    }
}

//! A request's body: read within a size and a time, and as strict JSON.

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use schemars::JsonSchema;
use serde_json::{Map, Value};
use tokio::time::timeout;

use cedargate_core::json;

use super::error::{Error, Framing};
use super::schema::{SchemaOf, schema};

/// The largest body that the API reads.
pub(super) const BODY_BYTES: usize = 64 * 1024;
/// How deep arrays and objects may be nested.
const JSON_DEPTH: usize = 32;

/// The body that a route expects.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// Anything: it is not read.
    Unread,
    /// Nothing, or an empty object.
    Nothing,
    /// An object of this schema. It may be left out.
    Optional(SchemaOf),
    /// An object of this schema.
    Object(SchemaOf),
}

impl Content {
    pub(super) const fn optional<T: JsonSchema>() -> Self {
        Self::Optional(schema::<T>)
    }

    pub(super) const fn object<T: JsonSchema>() -> Self {
        Self::Object(schema::<T>)
    }

    /// Whether the API description calls it required, and its schema. `None` where there is none.
    pub(super) fn described(self) -> Option<(bool, SchemaOf)> {
        match self {
            Content::Unread | Content::Nothing => None,
            Content::Optional(schema) => Some((false, schema)),
            Content::Object(schema) => Some((true, schema)),
        }
    }

    /// Reads the members of the body.
    ///
    /// # Errors
    /// As [`object`].
    pub(super) async fn read<B>(
        self,
        headers: &HeaderMap,
        body: B,
        time: Duration,
    ) -> Result<Map<String, Value>, Error>
    where
        B: Body,
        B::Error: Into<Cause>,
    {
        match self {
            Content::Unread => Ok(Map::new()),
            Content::Nothing => nothing(headers, body, time).await,
            Content::Optional(_) => optional(headers, body, time).await,
            Content::Object(_) => object(headers, body, time).await,
        }
    }
}

/// Reads a body that must be a JSON object.
///
/// # Errors
/// [`Framing`] for its media type, size and time. A malformed field if it is not an object, or not JSON
/// that every parser reads alike.
pub(super) async fn object<B>(
    headers: &HeaderMap,
    body: B,
    time: Duration,
) -> Result<Map<String, Value>, Error>
where
    B: Body,
    B::Error: Into<Cause>,
{
    if !is_json(headers)? {
        return Err(Error::Framing(Framing::MediaType));
    }
    parse(&read(body, time).await?)
}

/// Reads a body that may be left out, or be empty: then it has no members.
///
/// # Errors
/// As [`object`].
async fn optional<B>(
    headers: &HeaderMap,
    body: B,
    time: Duration,
) -> Result<Map<String, Value>, Error>
where
    B: Body,
    B::Error: Into<Cause>,
{
    let bytes = read(body, time).await?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    let says_what_it_is =
        headers.contains_key(CONTENT_TYPE) || headers.contains_key(CONTENT_ENCODING);
    if says_what_it_is && !is_json(headers)? {
        return Err(Error::Framing(Framing::MediaType));
    }
    parse(&bytes)
}

/// Reads a body where none is needed: it may be an empty object too. Members are refused, so that
/// nobody believes that they were heeded.
///
/// # Errors
/// As [`object`].
async fn nothing<B>(
    headers: &HeaderMap,
    body: B,
    time: Duration,
) -> Result<Map<String, Value>, Error>
where
    B: Body,
    B::Error: Into<Cause>,
{
    let members = optional(headers, body, time).await?;
    if members.is_empty() {
        return Ok(members);
    }
    Err(Error::field(
        "body",
        "must be empty or {}: all that is needed is in the path and the query",
    ))
}

/// Whether the body is said to be JSON, without a content coding (RFC 9110 §8.3, §8.4).
fn is_json(headers: &HeaderMap) -> Result<bool, Error> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Ok(false);
    }
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(false);
    };
    let Ok(value) = value.to_str() else {
        return Err(Error::field("Content-Type", "must be visible ASCII"));
    };
    let media_type = value.split(';').next().unwrap_or(value).trim();
    Ok(media_type.eq_ignore_ascii_case("application/json"))
}

async fn read<B>(body: B, time: Duration) -> Result<Bytes, Error>
where
    B: Body,
    B::Error: Into<Cause>,
{
    let read = read_limited(body, BODY_BYTES, time).await;
    read.map_err(|unread| match unread {
        Unread::Late => Error::Framing(Framing::BodyTimeout),
        Unread::TooLarge => Error::Framing(Framing::BodyTooLarge(BODY_BYTES)),
        Unread::Broken => Error::field("body", "must arrive whole"),
    })
}

/// The error of a body, of whatever type.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It did not arrive in time.
    Late,
    /// It is larger than the limit.
    TooLarge,
    /// The connection broke before its end.
    Broken,
}

/// Reads a body of at most `limit` bytes that arrives within `time`. Trailers are ignored.
pub(super) async fn read_limited<B>(body: B, limit: usize, time: Duration) -> Result<Bytes, Unread>
where
    B: Body,
    B::Error: Into<Cause>,
{
    match timeout(time, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Ok(Err(_)) => Err(Unread::Broken),
        Err(_) => Err(Unread::Late),
    }
}

/// Reads an object: UTF-8, nothing behind it, no member twice anywhere, not too deep.
fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    match json::parse(bytes, JSON_DEPTH) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Error::field("body", "must be a JSON object")),
        Err(error) => Err(Error::field(
            "body",
            format!("must be a JSON object: {error}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error as GatewayError;
    use http_body_util::{Empty, Full, StreamBody};
    use hyper::body::Frame;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    const TIME: Duration = Duration::from_secs(15);

    fn headers(media_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))])
    }

    fn rule(bytes: &[u8]) -> String {
        match parse(bytes) {
            Err(Error::Gateway(GatewayError::Invalid(fields))) => {
                assert_eq!(fields[0].field, "body");
                fields[0].rule.to_string()
            }
            other => panic!("{other:?}"),
        }
    }

    fn nested(depth: usize) -> Vec<u8> {
        let arrays = depth - 1;
        format!("{{\"a\":{}{}}}", "[".repeat(arrays), "]".repeat(arrays)).into_bytes()
    }

    #[test]
    fn json_is_read_as_it_is() {
        let text = r#" {"a": [1, -1, 1.5, "é\n", null, true], "b": {"a": {}}} "#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(parse(text.as_bytes()).unwrap()), value);
    }

    #[test]
    fn what_is_not_one_strict_object_is_refused_with_its_place() {
        assert_eq!(rule(b"[]"), "must be a JSON object");
        assert_eq!(rule(b"\"text\""), "must be a JSON object");
        assert_eq!(rule(b"null"), "must be a JSON object");
        let refused = |bytes: &[u8], why: &str| {
            assert_eq!(rule(bytes), format!("must be a JSON object: {why}"));
        };
        refused(b"", "EOF while parsing a value at line 1 column 0");
        refused(b"{} {}", "trailing characters at line 1 column 4");
        refused(b"{\"a\": nan}", "expected ident at line 1 column 8");
        refused(b"{\"a\":1,}", "trailing comma at line 1 column 8");
        refused(
            b"{\"a\":1,\n\"a\":2}",
            "\"a\" is repeated at line 2 column 3",
        );
        refused(
            b"{\"x\":[{\"a\":1,\"\\u0061\":2}]}",
            "\"a\" is repeated at line 1 column 21",
        );
        assert!(rule(b"{\"a\":\"\xff\"}").contains("invalid unicode code point"));
        assert!(rule(b"{\"a\":\"\\ud800\"}").contains("unexpected end of hex escape"));
        assert!(rule(b"{\"a\":1e999}").contains("number out of range"));
        assert!(rule(b"\xef\xbb\xbf{}").contains("expected value"));
    }

    #[test]
    fn thirty_two_levels_are_read_and_no_more() {
        assert!(parse(&nested(JSON_DEPTH)).is_ok());
        let why = "arrays and objects are nested more than 32 deep";
        assert!(rule(&nested(JSON_DEPTH + 1)).contains(why));
        assert!(rule(&nested(30_000)).contains(why));
    }

    #[test]
    fn the_media_type_is_json_with_any_parameters_and_no_coding() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;x=y",
        ] {
            assert_eq!(is_json(&headers(good)), Ok(true), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json, text/plain",
        ] {
            assert_eq!(is_json(&headers(bad)), Ok(false), "{bad}");
        }
        assert_eq!(is_json(&HeaderMap::new()), Ok(false));
        let mut coded = headers("application/json");
        coded.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(is_json(&coded), Ok(false));
        let mut bytes = HeaderMap::new();
        bytes.insert(CONTENT_TYPE, HeaderValue::from_bytes(b"\xff").unwrap());
        let wrong = Err(Error::field("Content-Type", "must be visible ASCII"));
        assert_eq!(is_json(&bytes), wrong);
    }

    #[tokio::test]
    async fn an_object_needs_its_media_type_and_fits_the_limit() {
        let json = headers("application/json");
        let of = |length: usize| {
            let text = format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
            object(&json, Full::new(Bytes::from(text)), TIME)
        };
        assert!(of(BODY_BYTES).await.is_ok());
        let too_large = Err(Error::Framing(Framing::BodyTooLarge(BODY_BYTES)));
        assert_eq!(of(BODY_BYTES + 1).await, too_large);
        let body = Full::new(Bytes::from_static(b"{}"));
        let missing = object(&HeaderMap::new(), body, TIME).await;
        assert_eq!(missing, Err(Error::Framing(Framing::MediaType)));
    }

    #[tokio::test]
    async fn where_no_body_is_needed_an_empty_object_will_do() {
        let none = HeaderMap::new();
        let form = headers("application/x-www-form-urlencoded");
        let body = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));
        let ok = Ok(Map::new());
        assert_eq!(nothing(&none, Empty::<Bytes>::new(), TIME).await, ok);
        assert_eq!(nothing(&form, body(""), TIME).await, ok);
        assert_eq!(nothing(&none, body("{}"), TIME).await, ok);
        let json = headers("application/json");
        assert_eq!(nothing(&json, body(" {} "), TIME).await, ok);
        let media_type = Err(Error::Framing(Framing::MediaType));
        assert_eq!(nothing(&form, body("{}"), TIME).await, media_type);
        let rule = "must be empty or {}: all that is needed is in the path and the query";
        let heeded = nothing(&json, body("{\"method_type\":1}"), TIME).await;
        assert_eq!(heeded, Err(Error::field("body", rule)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_arriving_is_given_up() {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data(
            Bytes::from_static(b"{"),
        ))]);
        let stalled = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        let answer = object(&headers("application/json"), StreamBody::new(stalled), TIME).await;
        assert_eq!(answer, Err(Error::Framing(Framing::BodyTimeout)));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_the_callers_fault() {
        let broken = futures_util::stream::iter([Err::<Frame<Bytes>, _>("reset")]);
        let answer = object(&headers("application/json"), StreamBody::new(broken), TIME).await;
        assert_eq!(answer, Err(Error::field("body", "must arrive whole")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes).map_err(|error| assert!(matches!(error, Error::Gateway(GatewayError::Invalid(_)))));
        }
    }
}

//! The request body: it is read within limits of size and time, and parsed as strict JSON.

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use schemars::JsonSchema;
use serde_json::{Map, Value};
use tokio::time::timeout;

use cedargate_core::json;

use super::error::{Error, Framing};
use super::schema::{SchemaFn, schema};

/// The largest body that the API reads, in bytes.
pub(super) const BODY_BYTES: usize = 64 * 1024;
/// The largest nesting depth of arrays and objects.
const JSON_DEPTH: usize = 32;

/// The body that a route expects.
#[derive(Clone, Copy)]
pub(super) enum ExpectedBody {
    /// Any body. It is not read.
    Unread,
    /// No body, or an empty object.
    Empty,
    /// An object of this schema, or no body.
    Optional(SchemaFn),
    /// An object of this schema.
    Object(SchemaFn),
}

impl ExpectedBody {
    pub(super) const fn optional<T: JsonSchema>() -> Self {
        Self::Optional(schema::<T>)
    }

    pub(super) const fn object<T: JsonSchema>() -> Self {
        Self::Object(schema::<T>)
    }

    /// Returns `required` and the schema for the API description. `None` if the route needs no body.
    pub(super) fn documented(self) -> Option<(bool, SchemaFn)> {
        match self {
            ExpectedBody::Unread | ExpectedBody::Empty => None,
            ExpectedBody::Optional(schema) => Some((false, schema)),
            ExpectedBody::Object(schema) => Some((true, schema)),
        }
    }

    /// Reads the body and returns its members.
    ///
    /// # Errors
    /// Those of [`object`], and a malformed field if a body that must be empty has members.
    pub(super) async fn read<B>(
        self,
        headers: &HeaderMap,
        body: B,
        time: Duration,
    ) -> Result<Map<String, Value>, Error>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        match self {
            ExpectedBody::Unread => Ok(Map::new()),
            ExpectedBody::Empty => empty(headers, body, time).await,
            ExpectedBody::Optional(_) => optional(headers, body, time).await,
            ExpectedBody::Object(_) => object(headers, body, time).await,
        }
    }
}

/// Reads a body that must be a JSON object.
///
/// # Errors
/// [`Framing`] for the body's media type, size and time. A malformed field if the body is not an object,
/// or not JSON that every parser reads alike.
pub(super) async fn object<B>(
    headers: &HeaderMap,
    body: B,
    time: Duration,
) -> Result<Map<String, Value>, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if !is_json(headers)? {
        return Err(Error::Framing(Framing::MediaType));
    }
    parse(&read(body, time).await?)
}

/// Reads a body that may be left out. A missing or empty body has no members.
///
/// # Errors
/// Those of [`object`].
async fn optional<B>(
    headers: &HeaderMap,
    body: B,
    time: Duration,
) -> Result<Map<String, Value>, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let bytes = read(body, time).await?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    let is_labelled = headers.contains_key(CONTENT_TYPE) || headers.contains_key(CONTENT_ENCODING);
    if is_labelled && !is_json(headers)? {
        return Err(Error::Framing(Framing::MediaType));
    }
    parse(&bytes)
}

/// Reads the body of a route that needs none, which may also be an empty object. Members are refused, so
/// that no client believes that they had an effect.
///
/// # Errors
/// Those of [`object`], and a malformed field if there are members.
async fn empty<B>(headers: &HeaderMap, body: B, time: Duration) -> Result<Map<String, Value>, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
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

/// Returns true if the headers announce JSON without a content coding (RFC 9110 §8.3, §8.4).
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
    B::Error: Into<BoxError>,
{
    let read = read_limited(body, BODY_BYTES, time).await;
    read.map_err(|error| match error {
        ReadError::Late => Error::Framing(Framing::BodyTimeout),
        ReadError::TooLarge => Error::Framing(Framing::BodyTooLarge(BODY_BYTES)),
        ReadError::Broken => Error::field("body", "must arrive whole"),
    })
}

/// The error of a body of any type.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The reason why a body could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The body did not arrive in time.
    Late,
    /// The body is larger than the limit.
    TooLarge,
    /// The connection broke before the end of the body.
    Broken,
}

/// Reads a body of at most `limit` bytes that arrives within `time`. Trailers are ignored.
///
/// # Errors
/// The body is late, too large or incomplete.
pub(super) async fn read_limited<B>(
    body: B,
    limit: usize,
    time: Duration,
) -> Result<Bytes, ReadError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    match timeout(time, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ReadError::TooLarge),
        Ok(Err(_)) => Err(ReadError::Broken),
        Err(_) => Err(ReadError::Late),
    }
}

/// Parses a JSON object in UTF-8. Refuses trailing characters, repeated members at any depth, and nesting
/// deeper than [`JSON_DEPTH`].
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
    fn json_object_is_parsed_unchanged() {
        let text = r#" {"a": [1, -1, 1.5, "é\n", null, true], "b": {"a": {}}} "#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(parse(text.as_bytes()).unwrap()), value);
    }

    #[test]
    fn body_that_is_not_one_strict_object_is_refused_with_its_position() {
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
    fn json_nested_deeper_than_32_levels_is_refused() {
        assert!(parse(&nested(JSON_DEPTH)).is_ok());
        let why = "arrays and objects are nested more than 32 deep";
        assert!(rule(&nested(JSON_DEPTH + 1)).contains(why));
        assert!(rule(&nested(30_000)).contains(why));
    }

    #[test]
    fn media_type_is_json_with_any_parameters_and_no_content_coding() {
        for json in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;x=y",
        ] {
            assert_eq!(is_json(&headers(json)), Ok(true), "{json}");
        }
        for other in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json, text/plain",
        ] {
            assert_eq!(is_json(&headers(other)), Ok(false), "{other}");
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
    async fn object_without_its_media_type_or_over_the_limit_is_refused() {
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
    async fn empty_object_is_accepted_where_no_body_is_needed() {
        let none = HeaderMap::new();
        let form = headers("application/x-www-form-urlencoded");
        let body = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));
        let ok = Ok(Map::new());
        assert_eq!(empty(&none, Empty::<Bytes>::new(), TIME).await, ok);
        assert_eq!(empty(&form, body(""), TIME).await, ok);
        assert_eq!(empty(&none, body("{}"), TIME).await, ok);
        let json = headers("application/json");
        assert_eq!(empty(&json, body(" {} "), TIME).await, ok);
        let media_type = Err(Error::Framing(Framing::MediaType));
        assert_eq!(empty(&form, body("{}"), TIME).await, media_type);
        let rule = "must be empty or {}: all that is needed is in the path and the query";
        let with_members = empty(&json, body("{\"method_type\":1}"), TIME).await;
        assert_eq!(with_members, Err(Error::field("body", rule)));
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_stops_arriving_is_refused_as_timed_out() {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data(
            Bytes::from_static(b"{"),
        ))]);
        let stalled = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        let answer = object(&headers("application/json"), StreamBody::new(stalled), TIME).await;
        assert_eq!(answer, Err(Error::Framing(Framing::BodyTimeout)));
    }

    #[tokio::test]
    async fn body_that_breaks_off_is_refused_as_invalid() {
        let broken = futures_util::stream::iter([Err::<Frame<Bytes>, _>("reset")]);
        let answer = object(&headers("application/json"), StreamBody::new(broken), TIME).await;
        assert_eq!(answer, Err(Error::field("body", "must arrive whole")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused_as_invalid(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Err(error) = parse(&bytes) {
                prop_assert!(matches!(error, Error::Gateway(GatewayError::Invalid(_))));
            }
        }
    }
}

//! The request target. It is parsed once, so policies, the route table and handlers see the same value.

use std::borrow::Cow;

use hyper::Uri;
use url::form_urlencoded;

use super::error::{Error, Framing};
use cedargate_core::MethodType;

/// The longest path and query that is read, in bytes as sent.
const TARGET_BYTES: usize = 8 * 1024;

/// A parsed target.
#[derive(Debug, PartialEq)]
pub(super) struct Target<'a> {
    /// The path, decoded once. It begins with `/` and has no ambiguous parts (see [`Target::parse`]).
    pub(super) path: Cow<'a, str>,
    query: &'a str,
}

impl<'a> Target<'a> {
    /// Parses a target in origin form or in absolute form (`head` compares its host). This server only
    /// serves `http` and `https` URLs (RFC 9110 §4.2).
    ///
    /// Parts that servers and proxies are known to read differently are refused, not normalised: empty
    /// and dot segments, encoded slashes, backslashes, NUL, path parameters, and percent-encoding that
    /// is malformed or not UTF-8 (RFC 3986 §2.1, §3.3, §6.2.2.3).
    ///
    /// # Errors
    /// [`Framing::TargetTooLong`], or a malformed target with the rule that it breaks.
    pub(super) fn parse(uri: &'a Uri) -> Result<Self, Error> {
        let length = uri.path_and_query().map_or(0, |it| it.as_str().len());
        if length > TARGET_BYTES {
            return Err(Error::Framing(Framing::TargetTooLong(TARGET_BYTES)));
        }
        if !is_http(uri) {
            return Err(Error::field("target", SCHEME_RULE));
        }
        Ok(Self {
            path: decode(uri.path()).map_err(|rule| Error::field("target", rule))?,
            query: uri.query().unwrap_or(""),
        })
    }

    /// Returns the `method_type` of the query, or a passkey if it is left out. Other members are ignored.
    ///
    /// # Errors
    /// The member is repeated, or names no method type.
    pub(super) fn method_type(&self) -> Result<MethodType, Error> {
        let mut values = form_urlencoded::parse(self.query.as_bytes())
            .filter(|(name, _)| name == "method_type")
            .map(|(_, value)| value);
        let Some(value) = values.next() else {
            return Ok(MethodType::Passkey);
        };
        if values.next().is_some() {
            return Err(Error::field("method_type", "must not be repeated"));
        }
        value
            .parse()
            .map_err(|_| Error::field("method_type", MethodType::RULE))
    }
}

/// The rule that a target breaks if it is not [`is_http`].
pub(super) const SCHEME_RULE: &str = "must be a path, or an http or https URL";

/// Returns true for a target without a scheme, or with `http` or `https`.
pub(super) fn is_http(uri: &Uri) -> bool {
    uri.scheme_str().is_none_or(|scheme| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}

fn decode(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    if !raw.starts_with('/') {
        return Err("must be a path that begins with /");
    }
    if raw.contains("//") {
        return Err("must not have an empty segment (//)");
    }
    if raw.contains(';') {
        return Err("must not have path parameters (;)");
    }
    if !raw.is_ascii() {
        return Err("must be ASCII: other characters are percent-encoded UTF-8");
    }
    let path = if raw.contains('%') {
        Cow::Owned(unescape(raw)?)
    } else {
        Cow::Borrowed(raw)
    };
    if path.contains('\\') {
        return Err("must not have backslashes");
    }
    if path.contains('\0') {
        return Err("must not have NUL");
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("must not have dot segments");
    }
    Ok(path)
}

fn unescape(raw: &str) -> Result<String, &'static str> {
    const INVALID: &str = "must not have % without two hexadecimal digits";
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    let digit = |byte: Option<u8>| byte.and_then(|it| char::from(it).to_digit(16));
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = digit(bytes.next()).ok_or(INVALID)?;
        let low = digit(bytes.next()).ok_or(INVALID)?;
        match u8::try_from(high * 16 + low).map_err(|_| INVALID)? {
            b'/' => return Err("must not have encoded slashes"),
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| "must be UTF-8 where it is percent-encoded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error as GatewayError;
    use proptest::prelude::*;

    fn rule(target: &str) -> String {
        let uri: Uri = target.parse().unwrap();
        match Target::parse(&uri) {
            Err(Error::Gateway(GatewayError::Invalid(fields))) => {
                assert_eq!(fields[0].field, "target", "{target}");
                fields[0].rule.to_string()
            }
            other => panic!("{target}: {other:?}"),
        }
    }

    #[test]
    fn ambiguous_target_is_refused_with_the_rule_it_breaks() {
        for (target, word) in [
            ("//v1", "empty segment"),
            ("/v1//users", "empty segment"),
            ("/v1/users//", "empty segment"),
            ("/v1/./users", "dot segments"),
            ("/v1/..", "dot segments"),
            ("/v1/%2e%2E/users", "dot segments"),
            ("/v1/.%2e", "dot segments"),
            ("/%2E", "dot segments"),
            ("/v1%2fusers", "encoded slashes"),
            ("/v1%2Fusers", "encoded slashes"),
            ("/v1\\users", "backslashes"),
            ("/v1%5cusers", "backslashes"),
            ("/v1/%00", "NUL"),
            ("/v1;a=b/users", "path parameters"),
            ("/v1/%", "hexadecimal"),
            ("/v1/%4", "hexadecimal"),
            ("/v1/%+1", "hexadecimal"),
            ("/v1/%zz", "hexadecimal"),
            ("/v1/%ff", "UTF-8"),
            ("/v1/%c0%af", "UTF-8"),
            ("*", "begins with /"),
            ("example.com:443", "begins with /"),
            ("ftp://example.com/v1", "http or https"),
            ("ws://example.com/v1", "http or https"),
            ("httpx://example.com/v1", "http or https"),
        ] {
            assert!(rule(target).contains(word), "{target}: {}", rule(target));
        }
    }

    #[test]
    fn path_is_decoded_exactly_once() {
        for (target, path) in [
            ("/v1/users/me/mfa", "/v1/users/me/mfa"),
            ("/v1/users/me/mf%61?x=//", "/v1/users/me/mfa"),
            ("/a/%252e%252e/b", "/a/%2e%2e/b"),
            ("/a/%E2%82%AC", "/a/€"),
            ("/a/...", "/a/..."),
            ("/a/%3b", "/a/;"),
            ("http://example.com", "/"),
            ("HTTPS://example.com/v1", "/v1"),
        ] {
            let uri: Uri = target.parse().unwrap();
            assert_eq!(Target::parse(&uri).unwrap().path, path, "{target}");
        }
    }

    #[test]
    fn target_longer_than_8_kib_is_refused() {
        let uri: Uri = format!("/{}?{}", "a".repeat(8000), "b".repeat(190))
            .parse()
            .unwrap();
        assert!(Target::parse(&uri).is_ok());
        let uri: Uri = format!("/{}?{}", "a".repeat(8000), "b".repeat(191))
            .parse()
            .unwrap();
        let too_long = Error::Framing(Framing::TargetTooLong(8192));
        assert_eq!(Target::parse(&uri), Err(too_long));
    }

    #[test]
    fn method_type_that_is_repeated_or_unknown_is_refused() {
        let of = |target: &str| {
            let uri: Uri = target.parse().unwrap();
            Target::parse(&uri).unwrap().method_type()
        };
        assert_eq!(of("/"), Ok(MethodType::Passkey));
        assert_eq!(of("/?other=1&other=2"), Ok(MethodType::Passkey));
        assert_eq!(of("/?method_type=webauthn_fido"), Ok(MethodType::Fido));
        assert_eq!(
            of("/?a&method%5Ftype=webauthn%5Ffido"),
            Ok(MethodType::Fido)
        );
        let twice = Error::field("method_type", "must not be repeated");
        assert_eq!(
            of("/?method_type=webauthn_fido&method_type=webauthn_fido"),
            Err(twice)
        );
        let rule = "must be \"webauthn_passkey\" or \"webauthn_fido\"";
        for target in [
            "/?method_type",
            "/?method_type=totp",
            "/?method_type=%ff",
            "/?method_type=Webauthn_fido",
        ] {
            let unknown = Error::field("method_type", rule);
            assert_eq!(of(target), Err(unknown), "{target}");
        }
    }

    proptest! {
        #[test]
        fn any_target_gives_an_unambiguous_path_or_an_error(target in "[ -~é]{0,40}") {
            let Ok(uri) = target.parse::<Uri>() else { return Ok(()) };
            if let Ok(target) = Target::parse(&uri) {
                prop_assert!(target.path.starts_with('/'));
                prop_assert!(!target.path.contains("//") && !target.path.contains(['\\', '\0']));
                prop_assert!(target.path.split('/').all(|it| it != "." && it != ".."));
                let _ = target.method_type();
            }
        }

        #[test]
        fn percent_encoded_path_decodes_to_the_original(path in "(/[a-z%.é;]{1,4}){1,4}") {
            let escaped: String = path
                .bytes()
                .map(|b| if b == b'/' { "/".to_owned() } else { format!("%{b:02x}") })
                .collect();
            let uri: Uri = escaped.parse().unwrap();
            match Target::parse(&uri) {
                Ok(target) => prop_assert_eq!(&*target.path, path.as_str()),
                Err(_) => prop_assert!(path.split('/').any(|it| it == "." || it == "..")),
            }
        }
    }
}

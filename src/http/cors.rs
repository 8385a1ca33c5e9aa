//! Pages of other origins: what their browsers are told (Fetch Standard, "CORS protocol"). The
//! policies decide on preflights as on anything else; here is only which pages may read answers.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Response, StatusCode};

use cedargate_core::Origin;

/// The methods that the API has, as a preflight hears them.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
/// The request headers that the API reads and that need leave.
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, Content-Type, X-Tenant-ID, X-Request-ID");
/// The headers of answers that a page needs and cannot read without leave.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("WWW-Authenticate, Retry-After, X-Request-ID");
/// How long a browser remembers the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Whether a browser asks for leave, rather than a page for an answer.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Who sent a request, as far as its answer depends on that.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Sender {
    /// A page whose origin is configured.
    Page(HeaderValue),
    /// Anybody else. Their answers say nothing of origins, so that their browsers keep them from
    /// pages.
    Other,
}

impl Sender {
    pub(super) fn of(headers: &HeaderMap, origins: &[Origin]) -> Self {
        let mut sent = headers.get_all(ORIGIN).iter();
        match (sent.next(), sent.next()) {
            (Some(one), None) if origins.iter().any(|it| one == it.as_str()) => {
                Sender::Page(one.clone())
            }
            _ => Sender::Other,
        }
    }

    /// Puts on an answer what the sender's browser has to know. Credentials are not allowed: the API
    /// reads no cookies.
    pub(super) fn mark<B>(self, response: &mut Response<B>) {
        // Only a permitted preflight is answered without content.
        let is_leave = response.status() == StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        // A cache must not give one origin's answer to another, nor one that says nothing.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Sender::Page(origin) = self else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if is_leave {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(origins: &[&[u8]]) -> Sender {
        let values = origins
            .iter()
            .map(|it| (ORIGIN, HeaderValue::from_bytes(it).unwrap()));
        let configured = ["https://app.example.com", "http://localhost:3000"];
        let configured = configured.map(|it| it.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        Sender::of(&headers, &configured)
    }

    #[test]
    fn origins_are_compared_byte_for_byte() {
        let page = Sender::Page(HeaderValue::from_static("https://app.example.com"));
        assert_eq!(sender(&[b"https://app.example.com"]), page);
        for other in [
            &b"https://app.example.com:443"[..],
            b"https://app.example.com/",
            b"https://APP.example.com",
            b"http://app.example.com",
            b"https://app.example.com.evil.example",
            b"https://evil-app.example.com",
            b"https://app.example.com, https://evil.example",
            b"null",
            b"*",
            b"",
            b"\xff",
        ] {
            assert_eq!(sender(&[other]), Sender::Other, "{other:?}");
        }
        assert_eq!(sender(&[]), Sender::Other);
        let twice: [&[u8]; 2] = [b"https://app.example.com", b"http://localhost:3000"];
        assert_eq!(sender(&twice), Sender::Other);
    }

    #[test]
    fn a_preflight_is_what_a_browser_sends_before_it_asks() {
        let of = |method: Method, names: &[hyper::header::HeaderName]| {
            let headers = names
                .iter()
                .map(|name| (name.clone(), HeaderValue::from_static("x")));
            is_preflight(&method, &headers.collect())
        };
        let both = [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD];
        assert!(of(Method::OPTIONS, &both));
        assert!(!of(Method::GET, &both));
        assert!(!of(Method::OPTIONS, &both[..1]));
        assert!(!of(Method::OPTIONS, &both[1..]));
    }
}

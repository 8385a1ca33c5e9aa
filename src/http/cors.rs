//! The headers for pages of other origins (Fetch Standard, "CORS protocol"). They say which pages may
//! read answers. Policies decide on preflights as on any other request.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Response, StatusCode};

use cedargate_core::Origin;

/// The methods of the API, for the answer to a preflight.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
/// The request headers that the API reads and that a preflight must allow.
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, Content-Type, X-Tenant-ID, X-Request-ID");
/// The response headers that a page needs and that the Fetch Standard hides unless they are exposed.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("WWW-Authenticate, Retry-After, X-Request-ID");
/// The time that a browser caches the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Returns true for a CORS preflight request.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The origin of a request, as far as its answer depends on it.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum RequestOrigin {
    /// The origin of a page, which is configured.
    Allowed(HeaderValue),
    /// Any other or no origin. Without CORS headers, the browser withholds the answer from the page.
    Other,
}

impl RequestOrigin {
    pub(super) fn of(headers: &HeaderMap, origins: &[Origin]) -> Self {
        let mut sent = headers.get_all(ORIGIN).iter();
        match (sent.next(), sent.next()) {
            (Some(origin), None) if origins.iter().any(|it| origin == it.as_str()) => {
                RequestOrigin::Allowed(origin.clone())
            }
            _ => RequestOrigin::Other,
        }
    }

    /// Adds the CORS headers to an answer. Credentials are not allowed because the API reads no cookies.
    pub(super) fn add_headers<B>(self, response: &mut Response<B>) {
        // Only a permitted preflight is answered without content.
        let is_preflight = response.status() == StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        // A cache must not reuse the answer to one origin, or to none, for another origin.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let RequestOrigin::Allowed(origin) = self else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if is_preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(origins: &[&[u8]]) -> RequestOrigin {
        let values = origins
            .iter()
            .map(|it| (ORIGIN, HeaderValue::from_bytes(it).unwrap()));
        let configured = ["https://app.example.com", "http://localhost:3000"];
        let configured = configured.map(|it| it.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        RequestOrigin::of(&headers, &configured)
    }

    #[test]
    fn origins_are_compared_byte_for_byte() {
        let page = RequestOrigin::Allowed(HeaderValue::from_static("https://app.example.com"));
        assert_eq!(origin(&[b"https://app.example.com"]), page);
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
            assert_eq!(origin(&[other]), RequestOrigin::Other, "{other:?}");
        }
        assert_eq!(origin(&[]), RequestOrigin::Other);
        let twice: [&[u8]; 2] = [b"https://app.example.com", b"http://localhost:3000"];
        assert_eq!(origin(&twice), RequestOrigin::Other);
    }

    #[test]
    fn preflight_is_options_with_origin_and_requested_method() {
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

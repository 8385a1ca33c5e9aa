//! Where an issuer publishes its keys.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use url::{Host, Url};

/// The URL of a JWKS: HTTPS, or HTTP on this machine. Whoever can change what is read from it can
/// sign as anybody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwksUrl {
    uri: Uri,
    /// Without its query, which may hold a key of its own.
    shown: String,
}

impl JwksUrl {
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}

impl FromStr for JwksUrl {
    /// A sentence about "it".
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "it is no URL, such as https://id.example.com/.well-known/jwks.json";
        let mut url = Url::parse(text).map_err(|_| wrong)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                return Err(
                    "it begins with https://, since whoever can change the keys on their \
                     way can sign in as anybody (http:// works for this machine only)",
                );
            }
            _ => return Err("it begins with https://, or is the path of a file"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a user or a password, which would not be sent: take them out");
        }
        url.set_fragment(None);
        let uri = url.as_str().parse().map_err(|_| wrong)?;
        url.set_query(None);
        Ok(Self {
            uri,
            shown: url.into(),
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// As it may be logged.
impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for (text, shown) in [
            ("https://id.example.com/jwks", "https://id.example.com/jwks"),
            ("HTTPS://ID.example.com", "https://id.example.com/"),
            ("https://a.example/k?key=hunter2#x", "https://a.example/k"),
            ("http://localhost:8080/jwks", "http://localhost:8080/jwks"),
            ("http://127.0.0.2/jwks", "http://127.0.0.2/jwks"),
            ("http://[::1]:1/jwks", "http://[::1]:1/jwks"),
        ] {
            let url: JwksUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.is_https(), shown.starts_with("https"));
        }
        let keyed: JwksUrl = "https://a.example/k?key=hunter2#x".parse().unwrap();
        assert_eq!(keyed.uri(), "https://a.example/k?key=hunter2");
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        for (text, word) in [
            ("http://id.example.com/jwks", "this machine only"),
            ("http://192.0.2.1/jwks", "this machine only"),
            ("http://localhost.example.com/", "this machine only"),
            ("http://localhost@id.example.com/", "this machine only"),
            ("ftp://localhost/jwks", "it begins with https://"),
            ("https://user@id.example.com/", "a user or a password"),
            ("https://:hunter2@id.example.com/", "a user or a password"),
            ("https://", "it is no URL"),
        ] {
            let error = text.parse::<JwksUrl>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}

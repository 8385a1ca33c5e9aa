//! The URL at which an issuer publishes its keys.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use url::{Host, Url};

/// The URL of a JWKS: HTTPS, or HTTP on this machine. An attacker who can change the document can sign
/// in as any user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwksUrl {
    uri: Uri,
    /// The URL without its query, which may hold a secret.
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
    /// A message in which "it" is the URL.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let not_a_url = "it is not a URL, such as https://id.example.com/.well-known/jwks.json";
        let mut url = Url::parse(text).map_err(|_| not_a_url)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                return Err(
                    "it must begin with https://, because an attacker who can change the keys in \
                     transit can sign in as any user (http:// is accepted for this machine only)",
                );
            }
            _ => return Err("it must begin with https://, or be the path of a file"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a user or a password, which would not be sent: remove them");
        }
        url.set_fragment(None);
        let uri = url.as_str().parse().map_err(|_| not_a_url)?;
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

/// Writes the URL without its query, so that it may be logged.
impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_url_and_http_url_of_this_machine_are_accepted() {
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
    fn other_url_is_refused_with_the_reason() {
        for (text, word) in [
            ("http://id.example.com/jwks", "this machine only"),
            ("http://192.0.2.1/jwks", "this machine only"),
            ("http://localhost.example.com/", "this machine only"),
            ("http://localhost@id.example.com/", "this machine only"),
            ("ftp://localhost/jwks", "it must begin with https://"),
            ("https://user@id.example.com/", "a user or a password"),
            ("https://:hunter2@id.example.com/", "a user or a password"),
            ("https://", "it is not a URL"),
        ] {
            let error = text.parse::<JwksUrl>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}

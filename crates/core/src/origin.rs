//! Web origins.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The origin of a web page, as browsers send it in the header `Origin` (HTML §7.1.1, "ASCII
/// serialization of an origin"): a scheme, a host, and the port unless it is the scheme's default.
/// Origins are compared byte for byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin(String);

impl Origin {
    /// Returns the origin as browsers send it, such as `https://app.example.com`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason why a text is no origin: a message that says what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct OriginError(String);

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        Self::parse(text).map_err(OriginError)
    }
}

impl Origin {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "null" {
            return Err(
                "`null` is the origin of every sandboxed page and local file: list the \
                        origins of your own pages"
                    .to_owned(),
            );
        }
        if text.contains('*') {
            return Err(format!(
                "`{text}` would open the API to pages that you do not know: list the origin of \
                 each page that calls it, such as `https://app.example.com`"
            ));
        }
        let url = Url::parse(text).map_err(|_| {
            format!(
                "`{text}` is not an origin: write a scheme, a host and, if needed, a port, such as \
                 `https://app.example.com`"
            )
        })?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(format!(
                "`{text}` must begin with `https://` (or `http://`)"
            ));
        }
        let serialized = url.origin().ascii_serialization();
        if serialized == text {
            Ok(Self(serialized))
        } else {
            Err(format!(
                "`{text}` must be written as browsers send it: `{serialized}`"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_as_browsers_send_it_is_accepted() {
        for text in [
            "https://app.example.com",
            "https://app.example.com:8443",
            "http://localhost:3000",
            "http://[::1]:3000",
            "https://xn--bcher-kva.example",
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn other_text_is_refused_with_what_to_write() {
        for (text, word) in [
            ("*", "pages that you do not know"),
            ("https://*.example.com", "pages that you do not know"),
            ("null", "every sandboxed page"),
            ("", "is not an origin"),
            ("app.example.com", "is not an origin"),
            ("file:///", "must begin with `https://`"),
            ("app://example", "must begin with `https://`"),
            (
                "https://app.example.com/",
                "send it: `https://app.example.com`",
            ),
            (
                "https://app.example.com/x",
                "send it: `https://app.example.com`",
            ),
            (
                "https://app.example.com:443",
                "send it: `https://app.example.com`",
            ),
            (
                "HTTPS://App.example.com",
                "send it: `https://app.example.com`",
            ),
            (
                "https://u@app.example.com",
                "send it: `https://app.example.com`",
            ),
            (
                "https://bücher.example",
                "send it: `https://xn--bcher-kva.example`",
            ),
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}

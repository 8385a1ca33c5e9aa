//! Tells requests of operators from those of web pages in an operator's browser.
//!
//! The admin address has no password: every client that can reach it may use it. A browser on such a
//! machine can reach it too, and runs the code of any page. Two headers keep pages out:
//!
//! - **`Origin`.** Browsers send it with every request of a page that could change something, forms
//!   included, and with every request whose answer a page of another origin could read. Tools do not
//!   send it.
//! - **`Host`.** An attacker can point the host name of a page at the admin address after the page was
//!   loaded (DNS rebinding). The page then has the same origin, so its GET has no `Origin` and it may
//!   read the answer, but its `Host` is the attacker's name. Only an IP address, `localhost` and the
//!   names in `admin_hosts` are accepted, because an attacker cannot redirect those.

use std::net::IpAddr;

use hyper::header::{HOST, ORIGIN};
use hyper::http::request::Parts;

use crate::http::head;

use super::Refusal;

/// The answer to requests that are not an operator's.
pub(super) const REFUSAL: Refusal = Refusal {
    code: "forbidden",
    message: "The admin listener does not answer web pages. Send the request without Origin, and with an \
              IP address, localhost or a name in `admin_hosts` of the configuration as Host.",
};

/// Returns true for a request that no web page can send. `hosts` are the configured `admin_hosts`, in
/// lower case.
pub(super) fn is_operator(head: &Parts, hosts: &[String]) -> bool {
    let one_host = head.headers.get_all(HOST).iter().nth(1).is_none();
    let is_known =
        |host: &str| is_fixed_name(host) || hosts.iter().any(|it| it.eq_ignore_ascii_case(host));
    let host = head::host(head);
    !head.headers.contains_key(ORIGIN) && one_host && host.is_ok_and(is_known)
}

/// Returns true for names that no DNS record can redirect.
fn is_fixed_name(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    address.unwrap_or(host).parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn is_operators(target: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::post(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let hosts = ["gateway.internal".to_owned()];
        is_operator(&request.body(()).unwrap().into_parts().0, &hosts)
    }

    #[test]
    fn request_by_address_localhost_or_configured_name_is_an_operators() {
        for host in [
            "127.0.0.1:9090",
            "127.0.0.1",
            "10.1.2.3:80",
            "[::1]:9090",
            "[2001:db8::1]",
            "localhost:9090",
            "LocalHost",
            "gateway.internal",
            "Gateway.Internal:9090",
        ] {
            assert!(is_operators("/policies", &[("host", host)]), "{host}");
        }
        assert!(
            is_operators("http://127.0.0.1:9090/policies", &[]),
            "over HTTP/2"
        );
    }

    #[test]
    fn request_that_a_page_can_send_is_not_an_operators() {
        for host in [
            "evil.example:9090",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "gateway.internal.evil.example",
            "evil.gateway.internal",
            "gateway.internal.",
            "gateway",
            "localhost.",
            "[::1].evil.example",
            "1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "",
            "a b",
        ] {
            assert!(!is_operators("/policies", &[("host", host)]), "{host}");
        }
        let host = ("host", "127.0.0.1:9090");
        for origin in ["https://evil.example", "http://127.0.0.1:9090", "null", ""] {
            assert!(
                !is_operators("/policies", &[host, ("origin", origin)]),
                "{origin}"
            );
        }
        assert!(!is_operators("/policies", &[]), "no Host");
        assert!(!is_operators(
            "/policies",
            &[host, ("host", "evil.example")]
        ));
        assert!(!is_operators("http://evil.example/policies", &[host]));
        let long = ("content-length", "1000000");
        assert!(
            is_operators("/policies", &[host, long]),
            "the length of the body does not matter here"
        );
    }
}

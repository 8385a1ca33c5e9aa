//! Whether a request comes from an operator, and not from a page in an operator's browser.
//!
//! The admin address has no password: who reaches it may use it. A browser reaches what its machine
//! does, and runs the code of every page. Two things keep such a page out:
//!
//! - **`Origin`.** Browsers send it with each request of a page that could change something, those of
//!   forms too, and with each whose answer a page of another origin could read. Tools do not.
//! - **`Host`.** A page whose own host name is pointed at the admin address after it was loaded (DNS
//!   rebinding) is of the same origin, so it may read, and its GET has no `Origin`. Its `Host` is that
//!   name. An IP address and `localhost` are taken, which nobody can point elsewhere, and the names in
//!   `admin_hosts`, which are the operator's own.

use std::net::IpAddr;

use hyper::header::{HOST, ORIGIN};
use hyper::http::request::Parts;

use crate::http::head;

use super::Refusal;

/// What everybody else is told.
pub(super) const REFUSAL: Refusal = Refusal {
    code: "forbidden",
    message: "This is not for web pages. Call it without Origin, and by an IP address, localhost or a \
              name in `admin_hosts` of the configuration as its Host.",
};

/// Returns true for a request that no web page sends. `hosts` are the names that operators call this
/// gateway by, in lower case.
pub(super) fn is_operator(head: &Parts, hosts: &[String]) -> bool {
    let one_host = head.headers.get_all(HOST).iter().nth(1).is_none();
    let is_known =
        |host: &str| names_a_machine(host) || hosts.iter().any(|it| it.eq_ignore_ascii_case(host));
    let host = head::host(head);
    !head.headers.contains_key(ORIGIN) && one_host && host.is_ok_and(is_known)
}

fn names_a_machine(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    address.unwrap_or(host).parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn may(target: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::post(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let hosts = ["gateway.internal".to_owned()];
        is_operator(&request.body(()).unwrap().into_parts().0, &hosts)
    }

    #[test]
    fn operator_calls_by_address_localhost_or_configured_name() {
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
            assert!(may("/policies", &[("host", host)]), "{host}");
        }
        assert!(may("http://127.0.0.1:9090/policies", &[]), "over HTTP/2");
    }

    #[test]
    fn a_page_does_not() {
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
            assert!(!may("/policies", &[("host", host)]), "{host}");
        }
        let host = ("host", "127.0.0.1:9090");
        for origin in ["https://evil.example", "http://127.0.0.1:9090", "null", ""] {
            assert!(!may("/policies", &[host, ("origin", origin)]), "{origin}");
        }
        assert!(!may("/policies", &[]), "no Host");
        assert!(!may("/policies", &[host, ("host", "evil.example")]));
        assert!(!may("http://evil.example/policies", &[host]));
        let long = ("content-length", "1000000");
        assert!(
            may("/policies", &[host, long]),
            "how long a body may be is another question"
        );
    }
}

//! Listens for `dev`: on the addresses that browsers find at `localhost`, and on no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::cli::failure::Failure;
use crate::cli::gateway;

/// The number of free ports that are tried if `--listen` names port 0.
const ATTEMPTS: usize = 16;

/// Listens on an address, and on the same port of the other IP version's loopback. Browsers may use
/// either for `localhost`, and must not reach another program there. A machine without that IP
/// version has one listener.
///
/// # Errors
/// The address cannot be used, or another program listens on the port of the other loopback.
pub(super) async fn bind(address: SocketAddr) -> Result<Vec<TcpListener>, Failure> {
    let mut attempts = if address.port() == 0 { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let listener = gateway::bind(address, "--listen").await?;
        let other = SocketAddr::new(other_loopback(address.ip()), port(&listener)?);
        match TcpListener::bind(other).await {
            Ok(second) => return Ok(vec![listener, second]),
            Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                return Ok(vec![listener]);
            }
            Err(_) if attempts > 0 => {}
            Err(_) => {
                let message = format!(
                    "{other} belongs to another program, which browsers would find at localhost"
                );
                return Err(
                    Failure::usage("listen", message).help("choose another port with --listen")
                );
            }
        }
    }
}

fn other_loopback(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv4Addr::LOCALHOST.into(),
    }
}

pub(super) fn port(listener: &TcpListener) -> Result<u16, Failure> {
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|error| Failure::usage("listen", format!("the port cannot be read: {error}")))
}

/// Parses an address that `localhost` resolves to. `dev` gives a token to every caller, so callers on
/// other machines must not reach it.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "write an address and a port, such as 127.0.0.1:8080".to_owned())?;
    if address.ip() == Ipv4Addr::LOCALHOST || address.ip() == Ipv6Addr::LOCALHOST {
        Ok(address)
    } else {
        Err(
            "dev gives a token to every caller, so it listens on loopback only, such as \
             127.0.0.1:8080; to serve other machines, configure `cedargate serve`"
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_other_than_loopback_is_refused() {
        for good in ["127.0.0.1:8080", "localhost:0", "[::1]:8080"] {
            assert!(parse_listen(good).unwrap().ip().is_loopback(), "{good}");
        }
        for open in [
            "0.0.0.0:8080",
            "[::]:8080",
            "192.0.2.1:8080",
            "[::ffff:127.0.0.1]:80",
            "127.0.0.2:80", // a loopback address, but browsers do not find it at localhost
        ] {
            let error = parse_listen(open).unwrap_err();
            assert!(error.contains("loopback only"), "{open}: {error}");
        }
        for wrong in ["8080", "localhost", "example.com:80"] {
            let error = parse_listen(wrong).unwrap_err();
            assert!(
                error.contains("write an address and a port"),
                "{wrong}: {error}"
            );
        }
    }

    #[tokio::test]
    async fn port_0_takes_the_same_port_on_both_loopbacks() {
        let listeners = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let addresses: Vec<_> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap())
            .collect();
        assert_eq!(addresses[0].ip(), Ipv4Addr::LOCALHOST);
        // A machine without IPv6 has one listener.
        for second in &addresses[1..] {
            assert_eq!(second.ip(), Ipv6Addr::LOCALHOST);
            assert_eq!(second.port(), addresses[0].port());
        }
    }

    #[tokio::test]
    async fn port_that_another_program_has_at_localhost_is_refused() {
        let Ok(other) = TcpListener::bind("[::1]:0").await else {
            return; // A machine without IPv6 has no other loopback.
        };
        let taken = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port(&other).unwrap());
        let failure = bind(taken).await.err().unwrap();
        let message = &failure.findings[0].message;
        assert!(message.contains("belongs to another program"), "{message}");
    }
}

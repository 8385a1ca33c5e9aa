//! Tests against a server on a real socket.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;

use super::*;

/// Longer than any test needs. A fetch that takes this long hangs.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// Answers one request with these bytes, closes the stream and returns the request.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    // The client may close the connection before the whole answer is sent.
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
    String::from_utf8(request).unwrap()
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Fetches from a server that sends this answer. Returns the outcome and the request.
async fn fetched(response: &[u8]) -> (Result<Document, FetchError>, String) {
    let (listener, address) = listener().await;
    let url = format!("http://{address}/jwks?a=b").parse().unwrap();
    let download = Download::new(&url).unwrap();
    let server = async { answer(listener.accept().await.unwrap().0, response).await };
    tokio::join!(download.fetch(), server)
}

#[tokio::test]
async fn document_is_fetched_with_its_max_age() {
    let (document, request) =
        fetched(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=7\r\nContent-Length: 2\r\n\r\n{}")
            .await;
    let document = document.unwrap();
    assert_eq!(document.body, "{}");
    assert_eq!(document.max_age, Some(Duration::from_secs(7)));
    assert!(
        request.starts_with("GET /jwks?a=b HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("host: 127.0.0.1:"), "{request}");
    assert!(
        request.contains("accept: application/jwk-set+json"),
        "{request}"
    );
}

#[tokio::test]
async fn answer_that_is_not_200_is_refused_with_the_reason() {
    for (head, reason) in [
        ("500 Oh No", "the answer is 500 Internal Server Error"),
        ("204 No Content", "the answer is 204 No Content"),
        (
            "302 Found\r\nLocation: /elsewhere",
            "the answer is 302 Found, and redirects are not followed: configure the URL they lead to",
        ),
    ] {
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
        let (document, _) = fetched(answer.as_bytes()).await;
        assert_eq!(document.unwrap_err().to_string(), reason);
    }
    let (document, _) = fetched(b"SSH-2.0-OpenSSH\r\n").await;
    assert_eq!(
        document.unwrap_err().to_string(),
        "invalid HTTP version parsed"
    );
}

#[tokio::test]
async fn body_over_256_kib_is_refused() {
    let too_large = "the answer is larger than 256 KiB";
    let mut body = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    body.resize(5 * 1024 * 1024, b' ');
    let (document, _) = fetched(&body).await;
    assert_eq!(
        document.unwrap_err().to_string(),
        too_large,
        "without a length"
    );
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n{";
    let (document, _) = fetched(announced).await;
    assert!(
        document.is_err(),
        "the announced length is too large: {document:?}"
    );
    let mut largest = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    largest.resize(largest.len() + MAX_BYTES, b' ');
    let (document, _) = fetched(&largest).await;
    assert_eq!(document.unwrap().body.len(), MAX_BYTES);
}

#[tokio::test]
async fn slow_answer_is_abandoned_at_the_timeout() {
    let (listener, address) = listener().await;
    let url = format!("http://{address}/").parse().unwrap();
    let mut download = Download::new(&url).unwrap();
    download.timeout = Duration::from_millis(50);
    let fetched = tokio::time::timeout(MAX_WAIT, download.fetch());
    assert_eq!(
        fetched.await.unwrap().unwrap_err().to_string(),
        "the answer was not complete within 50ms"
    );
    // Bytes that arrive slowly do not extend the timeout.
    let trickle = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let fetched = tokio::select! {
        fetched = download.fetch() => fetched,
        () = trickle => Err(FetchError::Connection("the client hung up".into())),
        () = tokio::time::sleep(MAX_WAIT) => panic!("the fetch hangs"),
    };
    assert!(fetched.is_err());
}

#[tokio::test]
async fn refused_connection_is_reported_by_its_first_cause() {
    // No other process can take a bound port, and no socket listens on it.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = bound.local_addr().unwrap();
    let url = format!("http://{address}/").parse().unwrap();
    let outcome = Download::new(&url).unwrap().fetch().await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "Connection refused (os error 111)"
    );
}

/// Fetches with a client that trusts `trusted` from a server with the certificate `served`.
async fn fetched_by_tls(
    served: &CertifiedKey<rcgen::KeyPair>,
    trusted: &CertifiedKey<rcgen::KeyPair>,
) -> Result<Document, FetchError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(served.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![served.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (listener, address) = listener().await;
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(stream) = TlsAcceptor::from(Arc::new(server)).accept(stream).await {
            answer(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
        }
    };
    let url = format!("https://localhost:{}/", address.port())
        .parse()
        .unwrap();
    let download = Download::with(&url, client, MAX_WAIT);
    tokio::join!(download.fetch(), server).0
}

#[tokio::test]
async fn https_server_without_a_trusted_certificate_is_refused() {
    let certificate = |name: &str| generate_simple_self_signed([name.to_owned()]).unwrap();
    let (good, other) = (certificate("localhost"), certificate("other.example"));
    let document = fetched_by_tls(&good, &good).await.unwrap();
    assert_eq!(document.body, "{}");
    let untrusted = fetched_by_tls(&good, &other).await.unwrap_err();
    let untrusted = untrusted.to_string();
    assert!(
        untrusted.starts_with("invalid peer certificate: "),
        "{untrusted}"
    );
    let wrong_name = fetched_by_tls(&other, &other).await.unwrap_err();
    let wrong_name = wrong_name.to_string();
    assert!(wrong_name.contains("not valid for name"), "{wrong_name}");
}

#[test]
fn max_age_is_read_by_rfc_9111() {
    let read = |values: &[&'static str]| {
        let values = values.iter().map(|value| {
            (
                CACHE_CONTROL,
                hyper::header::HeaderValue::from_static(value),
            )
        });
        max_age(&values.collect()).map(|age| age.as_secs())
    };
    assert_eq!(read(&[]), None);
    assert_eq!(read(&["public"]), None);
    assert_eq!(read(&["public, max-age=600, must-revalidate"]), Some(600));
    assert_eq!(read(&["Max-Age=\"600\""]), Some(600));
    assert_eq!(read(&["max-age=600, no-cache"]), Some(0));
    assert_eq!(read(&["no-store"]), Some(0));
    for wrong in [
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=x",
        "s-maxage=5",
    ] {
        assert_eq!(read(&[wrong]), None, "{wrong}");
    }
}

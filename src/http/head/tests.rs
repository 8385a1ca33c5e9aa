use super::*;
use crate::error::Error as GatewayError;
use hyper::Request;
use proptest::prelude::*;

fn head(target: &str, headers: &[(&str, &[u8])]) -> Parts {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn head_with_more_than_100_headers_is_refused() {
    let names: Vec<_> = (0..101).map(|n| format!("x-{n}")).collect();
    let headers: Vec<_> = names.iter().map(|it| (it.as_str(), &b"v"[..])).collect();
    assert_eq!(check(&head("/", &headers[..100])), Ok(()));
    let too_large = Err(Error::Framing(Framing::HeadersTooLarge));
    assert_eq!(check(&head("/", &headers)), too_large);
}

#[test]
fn head_larger_than_64_kib_is_refused() {
    let value = vec![b'v'; HEAD_BYTES - "GET".len() - "/".len() - "x".len() - HEADER_OVERHEAD];
    assert_eq!(check(&head("/", &[("x", &value)])), Ok(()));
    let too_large = Err(Error::Framing(Framing::HeadersTooLarge));
    assert_eq!(check(&head("/a", &[("x", &value)])), too_large);
}

#[test]
fn repeated_single_valued_header_is_refused() {
    for (name, spelling) in &SINGLE_VALUED {
        let head = head("/", &[(name.as_str(), b"1"), (name.as_str(), b"1")]);
        let repeated = Error::field(*spelling, "must not be repeated");
        assert_eq!(check(&head), Err(repeated));
    }
    let twice = head("/", &[("accept", b"a"), ("accept", b"b")]);
    assert_eq!(check(&twice), Ok(()));
}

#[test]
fn content_length_that_is_malformed_or_too_large_is_refused() {
    let of = |length: &[u8]| check(&head("/", &[("content-length", length)]));
    assert_eq!(of(b"65536"), Ok(()));
    let too_large = Err(Error::Framing(Framing::BodyTooLarge(65536)));
    assert_eq!(of(b"65537"), too_large);
    assert_eq!(of(b"99999999999999999999999999"), too_large);
    for length in [&b""[..], b"-1", b"+1", b"1, 1", b"0x1", b"\xff"] {
        let malformed = Error::field("Content-Length", "must be a number of bytes");
        assert_eq!(of(length), Err(malformed), "{length:?}");
    }
}

#[test]
fn transfer_coding_other_than_chunked_is_refused() {
    let of = |coding: &[u8]| check(&head("/", &[("transfer-encoding", coding)]));
    for chunked in [&b"chunked"[..], b"Chunked", b" chunked "] {
        assert_eq!(of(chunked), Ok(()), "{chunked:?}");
    }
    for coding in [
        &b""[..],
        b"gzip",
        b"gzip, chunked",
        b"chunked, chunked",
        b"chunked;a=b",
        b"identity",
        b"\xff",
    ] {
        let wrong = Error::field("Transfer-Encoding", "must be chunked");
        assert_eq!(of(coding), Err(wrong), "{coding:?}");
    }
}

#[test]
fn host_that_is_missing_malformed_or_not_the_targets_is_refused() {
    let of = |target: &str, host: &[u8]| {
        host_of(&head(target, &[("host", host)])).map_err(|rule| rule.to_string())
    };
    assert_eq!(of("/", b"example.com"), Ok("example.com".into()));
    assert_eq!(of("/", b"example.com:8080"), Ok("example.com".into()));
    assert_eq!(of("/", b"[::1]:8080"), Ok("[::1]".into()));
    let absolute = "http://Example.com:80/x";
    assert_eq!(of(absolute, b"example.com:80"), Ok("example.com".into()));
    let other = Err("must be the host of the target".to_owned());
    assert_eq!(of(absolute, b"example.com"), other);
    assert_eq!(of(absolute, b"evil.com:80"), other);
    assert_eq!(host_of(&head("/", &[])), Err("is required".into()));
    assert_eq!(
        host_of(&head("http://a.example/", &[])),
        Ok("a.example".into())
    );
    for host in [
        &b""[..],
        b"a b",
        b":80",
        b"a:b",
        b"u@a",
        b"a/b",
        b"[::1",
        b"[::1]x",
        b"a,b",
    ] {
        let malformed = Err("must be a host name with an optional port".to_owned());
        assert_eq!(of("/", host), malformed, "{host:?}");
    }
    assert_eq!(of("/", b"\xc3\xa9"), Err("must be visible ASCII".into()));
}

fn host_of(head: &Parts) -> Result<String, String> {
    host(head).map(str::to_owned).map_err(rule)
}

fn rule(error: Error) -> String {
    match error {
        Error::Gateway(GatewayError::Invalid(fields)) => fields[0].rule.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tenant_is_a_uuid_in_any_letter_case() {
    let of = |value: &[u8]| tenant(&head("/", &[("x-tenant-id", value)]).headers);
    let upper = of(b"2489E9AD-2EE2-8E00-8EC9-32D5F69181C0").unwrap();
    assert_eq!(upper.to_string(), "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0");
    for value in [
        &b""[..],
        b"acme",
        b"2489e9ad2ee28e008ec932d5f69181c0",
        b"\xff",
    ] {
        let wrong = Error::field("X-Tenant-ID", "must be a UUID with hyphens");
        assert_eq!(of(value), Err(wrong), "{value:?}");
    }
    let missing = Err(Error::field("X-Tenant-ID", "is required"));
    assert_eq!(tenant(&HeaderMap::new()), missing);
}

#[test]
fn client_is_the_rightmost_address_that_is_no_trusted_proxy() {
    let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let of = |peer: &str, values: &[&str]| {
        let values: Vec<_> = values
            .iter()
            .map(|it| ("x-forwarded-for", it.as_bytes()))
            .collect();
        client(peer.parse().unwrap(), &head("/", &values).headers, &trusted)
            .map(|it| it.to_string())
            .map_err(rule)
    };
    let ok = |address: &str| Ok(address.to_owned());
    assert_eq!(of("192.0.2.1", &[]), ok("192.0.2.1"));
    assert_eq!(of("::ffff:192.0.2.1", &[]), ok("192.0.2.1"));
    assert_eq!(of("10.0.0.1", &["192.0.2.9"]), ok("192.0.2.9"));
    assert_eq!(of("::ffff:10.0.0.1", &["192.0.2.9"]), ok("192.0.2.9"));
    assert_eq!(
        of("10.0.0.1", &["1.1.1.1, 192.0.2.9 ,fd00::1"]),
        ok("192.0.2.9")
    );
    assert_eq!(
        of("10.0.0.1", &["1.1.1.1, ::ffff:192.0.2.9"]),
        ok("192.0.2.9")
    );
    assert_eq!(
        of("10.0.0.1", &["1.1.1.1", "192.0.2.9", "10.2.2.2"]),
        ok("192.0.2.9")
    );
    assert_eq!(
        of("10.0.0.1", &["10.0.0.3, 10.0.0.2"]),
        ok("10.0.0.3"),
        "all are proxies"
    );
    let malformed = Err("must be a list of IP addresses".to_owned());
    for value in [
        "",
        "unknown",
        "192.0.2.9,",
        "192.0.2.9:80",
        "evil, 192.0.2.9",
    ] {
        assert_eq!(of("10.0.0.1", &[value]), malformed, "{value:?}");
    }
    let refused = Err("is read from trusted proxies only: do not send it".to_owned());
    assert_eq!(of("192.0.2.1", &["192.0.2.9"]), refused);
}

proptest! {
    #[test]
    fn any_header_bytes_are_accepted_or_refused_as_invalid(
        values in proptest::collection::vec((0_usize..6, proptest::collection::vec(32_u8..=255, 0..20)), 0..8)
    ) {
        let names = ["host", "authorization", "x-tenant-id", "content-length", "x-forwarded-for", "content-type"];
        let values: Vec<_> = values
            .iter()
            .filter(|(_, value)| !value.contains(&127))
            .map(|(name, value)| (names[*name], value.as_slice()))
            .collect();
        let head = head("/", &values);
        let refused = |error: Error| match error {
            Error::Gateway(GatewayError::Invalid(fields)) => assert!(!fields.is_empty()),
            Error::Framing(Framing::BodyTooLarge(_)) => {}
            other => panic!("{other:?}"),
        };
        let proxies = ["::/0".parse().unwrap(), "0.0.0.0/0".parse().unwrap()];
        let _ = check(&head).map_err(refused);
        let _ = host(&head).map_err(refused);
        let _ = tenant(&head.headers).map_err(refused);
        let _ = client("10.0.0.1".parse().unwrap(), &head.headers, &proxies).map_err(refused);
    }
}

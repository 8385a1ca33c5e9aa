//! The checks of a request's head that come before all others, and the headers that are read from it.

use std::net::IpAddr;

use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use hyper::http::request::Parts;
use ipnet::IpNet;

use cedargate_core::Tenant;

use super::body::BODY_BYTES;
use super::error::{Error, Framing};

/// The largest number of headers that is read.
const MAX_HEADERS: usize = 100;
/// The largest head that is read, in bytes: the request line and the headers.
const HEAD_BYTES: usize = 64 * 1024;
/// The bytes that HTTP/1.1 adds to each header: `: ` and CRLF.
const HEADER_OVERHEAD: usize = 4;

const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers that must not be repeated, because one reader could take the first and another the second.
/// Each has the spelling that errors use.
const SINGLE_VALUED: [(HeaderName, &str); 6] = [
    (AUTHORIZATION, "Authorization"),
    (CONTENT_LENGTH, "Content-Length"),
    (CONTENT_TYPE, "Content-Type"),
    (HOST, "Host"),
    (TRANSFER_ENCODING, "Transfer-Encoding"),
    (TENANT, "X-Tenant-ID"),
];

/// Checks the size of the head, repeated headers, and the announced coding and length of the body.
///
/// # Errors
/// [`Framing::HeadersTooLarge`], [`Framing::BodyTooLarge`], or the malformed header with its rule.
pub(super) fn check(head: &Parts) -> Result<(), Error> {
    let headers = &head.headers;
    if headers.len() > MAX_HEADERS || size(head) > HEAD_BYTES {
        return Err(Error::Framing(Framing::HeadersTooLarge));
    }
    for (name, spelling) in &SINGLE_VALUED {
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(Error::field(*spelling, "must not be repeated"));
        }
    }
    // hyper accepts other codings before `chunked`, but does not decode them (RFC 9112 §6.1).
    let is_chunked = |coding: &HeaderValue| {
        text(coding).is_some_and(|it| it.trim().eq_ignore_ascii_case("chunked"))
    };
    if !headers.get(TRANSFER_ENCODING).is_none_or(is_chunked) {
        return Err(Error::field("Transfer-Encoding", "must be chunked"));
    }
    let Some(length) = headers.get(CONTENT_LENGTH) else {
        return Ok(());
    };
    let digits = length.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Error::field("Content-Length", "must be a number of bytes"));
    }
    // A number that overflows is too large as well.
    match text(length).and_then(|it| it.parse::<usize>().ok()) {
        Some(length) if length <= BODY_BYTES => Ok(()),
        _ => Err(Error::Framing(Framing::BodyTooLarge(BODY_BYTES))),
    }
}

fn size(head: &Parts) -> usize {
    let target = head.uri.path_and_query().map_or(0, |it| it.as_str().len());
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + HEADER_OVERHEAD
    };
    head.method.as_str().len() + target + head.headers.iter().map(header).sum::<usize>()
}

/// Returns the host of the request without its port (RFC 9110 §7.2, RFC 9113 §8.3.1).
///
/// # Errors
/// The host is missing or malformed, or `Host` and the target (`:authority`, or the absolute form)
/// name different hosts.
pub(super) fn host(head: &Parts) -> Result<&str, Error> {
    let wrong = |rule| Error::field("Host", rule);
    let header = match head.headers.get(HOST) {
        Some(value) => Some(text(value).ok_or_else(|| wrong("must be visible ASCII"))?),
        None => None,
    };
    let authority = head.uri.authority().map(|it| it.as_str());
    let host = match (header, authority) {
        (Some(host), None) | (None, Some(host)) => host,
        (Some(host), Some(authority)) if host.eq_ignore_ascii_case(authority) => host,
        (Some(_), Some(_)) => return Err(wrong("must be the host of the target")),
        (None, None) => return Err(wrong("is required")),
    };
    without_port(host).ok_or_else(|| wrong("must be a host name with an optional port"))
}

fn without_port(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let port = port.strip_prefix(':').unwrap_or(port);
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]:".contains(&b);
    let is_valid = !name.is_empty()
        && name.bytes().all(is_allowed)
        && port.bytes().all(|b| b.is_ascii_digit());
    is_valid.then_some(name)
}

/// Returns the bytes of `Authorization` unchecked.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)
}

/// Returns the tenant that `X-Tenant-ID` names.
///
/// # Errors
/// The header is missing or not a UUID.
pub(super) fn tenant(headers: &HeaderMap) -> Result<Tenant, Error> {
    let wrong = |rule| Error::field("X-Tenant-ID", rule);
    let value = headers.get(TENANT).ok_or_else(|| wrong("is required"))?;
    text(value)
        .and_then(|it| it.parse().ok())
        .ok_or_else(|| wrong("must be a UUID with hyphens"))
}

/// Returns the client's address: the peer's, or behind trusted proxies the rightmost `X-Forwarded-For`
/// address that is not a trusted proxy's. An IPv4-mapped IPv6 address becomes IPv4.
///
/// # Errors
/// The header is malformed, or the peer that sent it is not a trusted proxy. The client's address is
/// then unknown.
pub(super) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Result<IpAddr, Error> {
    let wrong = |rule| Error::field("X-Forwarded-For", rule);
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer.to_canonical();
    let mut values = headers.get_all(FORWARDED_FOR).iter().rev().peekable();
    if values.peek().is_none() {
        return Ok(client);
    }
    if !is_trusted(client) {
        return Err(wrong("is read from trusted proxies only: do not send it"));
    }
    for value in values {
        let value = text(value).ok_or_else(|| wrong("must be visible ASCII"))?;
        for address in value.rsplit(',') {
            let address: IpAddr = address
                .trim()
                .parse()
                .map_err(|_| wrong("must be a list of IP addresses"))?;
            if is_trusted(client) {
                client = address.to_canonical();
            }
        }
    }
    Ok(client)
}

/// Returns the text of a header's value, or `None` if it has bytes other than visible ASCII, spaces and
/// tabs.
pub(super) fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

#[cfg(test)]
mod tests;

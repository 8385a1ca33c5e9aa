//! What must be right about a request's head before anything else is looked at, and the headers
//! that are read from it.

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

/// The most headers that are read.
const HEADERS: usize = 100;
/// The largest head that is read: request line and headers.
const HEAD_BYTES: usize = 64 * 1024;
/// `: ` and CRLF around each header, as HTTP/1.1 writes it.
const HEADER_OVERHEAD: usize = 4;

const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers of which a second one could be read by one reader and the first one by another, as
/// errors spell them.
const ONCE: [(HeaderName, &str); 6] = [
    (AUTHORIZATION, "Authorization"),
    (CONTENT_LENGTH, "Content-Length"),
    (CONTENT_TYPE, "Content-Type"),
    (HOST, "Host"),
    (TRANSFER_ENCODING, "Transfer-Encoding"),
    (TENANT, "X-Tenant-ID"),
];

/// Checks size, repetitions, and the announced coding and length of the body.
///
/// # Errors
/// [`Framing::HeadersTooLarge`], [`Framing::BodyTooLarge`], or the header that is wrong.
pub(super) fn check(head: &Parts) -> Result<(), Error> {
    let headers = &head.headers;
    if headers.len() > HEADERS || size(head) > HEAD_BYTES {
        return Err(Error::Framing(Framing::HeadersTooLarge));
    }
    for (name, spelling) in &ONCE {
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(Error::field(*spelling, "must not be repeated"));
        }
    }
    // hyper lets anything stand before `chunked` and decodes nothing of it (RFC 9112 §6.1).
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
    // A number that does not fit is too large as well.
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

/// The host that the request is for, without its port (RFC 9110 §7.2, RFC 9113 §8.3.1).
///
/// # Errors
/// There is none, it is malformed, or `Host` and the target (`:authority`, or the absolute form) name
/// different ones.
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
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]:".contains(&b);
    let good =
        !name.is_empty() && name.bytes().all(plain) && port.bytes().all(|b| b.is_ascii_digit());
    good.then_some(name)
}

/// The bytes of `Authorization`, good or bad.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)
}

/// The tenant that `X-Tenant-ID` names.
///
/// # Errors
/// It is missing, or not a UUID.
pub(super) fn tenant(headers: &HeaderMap) -> Result<Tenant, Error> {
    let wrong = |rule| Error::field("X-Tenant-ID", rule);
    let value = headers.get(TENANT).ok_or_else(|| wrong("is required"))?;
    text(value)
        .and_then(|it| it.parse().ok())
        .ok_or_else(|| wrong("must be a UUID with hyphens"))
}

/// The client's address, seen through proxies that are trusted: the rightmost `X-Forwarded-For`
/// address that is none of theirs. IPv4-mapped IPv6 becomes IPv4.
///
/// # Errors
/// Anybody else sends the header, or it is malformed: then nobody can say whose request this is.
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

/// The text of a header's value, if it is visible ASCII with spaces and tabs.
pub(super) fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

#[cfg(test)]
mod tests;

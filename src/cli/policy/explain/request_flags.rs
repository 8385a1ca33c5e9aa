//! The flags that describe a request, which is built like the request of an HTTP call.

mod request;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cedargate_core::{
    Confirmer, Factors, GateAction, MethodType, Tenant, Timestamp, UnknownMethodType, UserId,
    nearest, path,
};
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::token::parse_claim;

#[derive(Args, Debug)]
#[command(next_help_heading = "The request by flags")]
pub(super) struct RequestFlags {
    /// The action, such as beginWebauthnRegistration.
    #[arg(long, value_name = "ACTION", value_parser = parse_action)]
    action: Option<GateAction>,
    /// The caller [default: anonymous, for public actions only]
    #[arg(long, value_name = "ISSUER|TENANT|SUB", requires = "action")]
    user: Option<UserId>,
    /// The tenant in X-Tenant-ID [default: the tenant of the user]
    #[arg(long, value_name = "UUID", requires = "user")]
    tenant: Option<Tenant>,
    /// The method type of the enrolment or of the authenticator [default: webauthn_passkey]
    #[arg(long, value_name = "TYPE", requires = "user", value_parser = str::parse::<MethodType>)]
    method_type: Option<MethodType>,
    /// The groups in the token, separated by commas.
    #[arg(long, value_name = "GROUPS", value_delimiter = ',', requires = "user")]
    groups: Vec<String>,
    /// A claim of the token with its value in JSON; repeatable.
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = parse_claim, requires = "user")]
    claims: Vec<(String, Value)>,
    /// The acr of the token: the strength of the sign-in.
    #[arg(long, requires = "user")]
    acr: Option<String>,
    /// The amr of the token, separated by commas: the methods of the sign-in (RFC 8176).
    #[arg(long, value_delimiter = ',', requires = "user")]
    amr: Vec<String>,
    /// The time since the user signed in [default: not in the token]. Used only if the acr is phr or one
    /// of --strong-acr.
    #[arg(long, value_name = "DURATION", requires = "user", value_parser = humantime::parse_duration)]
    auth_age: Option<Duration>,
    /// The time since a backup code was used [default: never]
    #[arg(long, value_name = "DURATION", requires = "user", value_parser = humantime::parse_duration)]
    backup_code_age: Option<Duration>,
    /// The time since a recovery code was used [default: never]
    #[arg(long, value_name = "DURATION", requires = "user", conflicts_with = "backup_code_age", value_parser = humantime::parse_duration)]
    recovery_code_age: Option<Duration>,
    /// The session was confirmed by more than a password [default: only if the acr is one of --strong-acr]
    #[arg(long, requires = "user")]
    trusted: bool,
    /// The time since the authenticator that confirmed the session was enrolled [default: 0s, or 36500d if
    /// the acr is one of --strong-acr]
    #[arg(long, value_name = "DURATION", requires = "user", value_parser = humantime::parse_duration)]
    authenticator_age: Option<Duration>,
    /// The acr values of the issuer's strong_acr, separated by commas.
    #[arg(long, value_name = "ACR", value_delimiter = ',', requires = "user")]
    strong_acr: Vec<String>,
    /// The number of the user's authenticators, and their types.
    #[arg(long, value_name = "N:TYPES", default_value = "0", value_parser = parse_factors, requires = "user")]
    factors: Factors,
    /// An administrator reset the user's account, and no authenticator has been enrolled since.
    #[arg(long, requires = "user")]
    reset: bool,
    /// The authenticators that can confirm the session here, or none [default: one of each type of --factors,
    /// not trusted and enrolled just now]
    #[arg(long, value_name = "TYPE[:trusted][:AGE],…", requires = "user", value_delimiter = ',', value_parser = parse_usable)]
    usable: Option<Vec<Usable>>,
    /// The user whose authenticators an administrator manages.
    #[arg(long, value_name = "ISSUER|TENANT|SUB", requires = "user")]
    account: Option<UserId>,
    /// The model of the authenticator that attestation proved.
    #[arg(long, value_name = "AAGUID", requires = "user")]
    proven_model: Option<Uuid>,
    /// The authenticator may be synced.
    #[arg(long, requires = "user")]
    backup_eligible: bool,
    /// The authenticator is synced.
    #[arg(long, requires = "backup_eligible")]
    backed_up: bool,
    /// The authenticator did not verify the user.
    #[arg(long, requires = "user")]
    user_not_verified: bool,
    /// The path pattern of a public action [default: the usual path of the action]
    #[arg(long, value_name = "PATTERN", requires = "action", value_parser = parse_route)]
    route: Option<&'static str>,
    /// The client's address.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), requires = "action")]
    address: IpAddr,
    /// The time of the request, such as 2026-01-15T09:00:00Z [default: now]
    #[arg(long = "now", value_name = "TIME", requires = "action")]
    moment: Option<Timestamp>,
}

fn parse_action(text: &str) -> Result<GateAction, String> {
    let mut all = GateAction::ALL.iter().copied();
    all.find(|action| action.as_str() == text).ok_or_else(|| {
        let names: Vec<_> = GateAction::ALL.iter().map(|one| one.as_str()).collect();
        match nearest(text, names.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("it must be one of {}", names.join(", ")),
        }
    })
}

fn parse_route(text: &str) -> Result<&'static str, String> {
    let mut all = path::ALL.into_iter();
    all.find(|pattern| *pattern == text)
        .ok_or_else(|| match nearest(text, path::ALL) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("it must be one of {}", path::ALL.join(", ")),
        })
}

fn parse_factors(text: &str) -> Result<Factors, String> {
    let example = "write their number and their types, such as 0, 1:webauthn_passkey or \
                   2:webauthn_passkey,webauthn_fido";
    let (count, types) = text.split_once(':').unwrap_or((text, ""));
    let count: usize = count.parse().map_err(|_| example)?;
    let types = types.split(',').filter(|one| !one.is_empty());
    let mut method_types: Vec<MethodType> = types
        .map(|one| {
            one.parse()
                .map_err(|why: UnknownMethodType| format!("{one:?}: {why}"))
        })
        .collect::<Result<_, _>>()?;
    method_types.sort_unstable();
    method_types.dedup();
    if method_types.len() > count || (count > 0 && method_types.is_empty()) {
        return Err(format!(
            "{count} authenticators cannot have {} types: {example}",
            method_types.len()
        ));
    }
    Ok(Factors {
        count,
        method_types,
        reset: false,
    })
}

/// An authenticator that can confirm the session, or `None` for the word "none".
#[derive(Clone, Copy, Debug)]
struct Usable(Option<Confirmer>);

fn parse_usable(text: &str) -> Result<Usable, String> {
    if text == "none" {
        return Ok(Usable(None));
    }
    let mut parts = text.split(':').peekable();
    let method_type = parts.next().unwrap_or_default().parse();
    let method_type = method_type.map_err(|why: UnknownMethodType| why.to_string())?;
    let trusted = parts.next_if_eq(&"trusted").is_some();
    let age = parts.next().map(humantime::parse_duration).transpose();
    let age = age.map_err(|error| error.to_string())?.unwrap_or_default();
    match parts.next() {
        Some(_) => Err("write it as webauthn_passkey:trusted:30d".to_owned()),
        None => Ok(Usable(Some(Confirmer {
            method_type,
            trusted,
            age: age.as_secs(),
        }))),
    }
}

#[cfg(test)]
mod tests;

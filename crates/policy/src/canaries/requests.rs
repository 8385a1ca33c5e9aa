//! The canary requests of one caller.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::{AuthorizationRequest, Caller, Resource};
use cedargate_core::{
    Authenticator, Bytes, Confirmation, Factors, GateAction, Means, MethodType, STEP_UP_ACR,
    Session, Target, Tenant, Timestamp, User, UserId,
};

use super::callers::{CanaryCaller, OTHER_TENANT};

/// The rule by which a canary request must be refused.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Rule {
    /// `X-Tenant-ID` is not the caller's tenant. The code must be `tenant_mismatch`.
    OtherTenant,
    /// The account was reset, and the caller's proof goes back to a password alone: they signed in with it,
    /// or confirmed an authenticator that it enrolled.
    Reset,
    /// The caller administers other users, and their proof goes back to a password alone.
    Administration,
}

/// A request that must be refused.
pub(super) struct Canary<'a> {
    pub(super) rule: Rule,
    caller: &'a CanaryCaller,
    action: GateAction,
    header: Tenant,
    strong: bool,
    /// True if the session was confirmed by an authenticator that was enrolled with a password alone.
    self_enrolled: bool,
    factors: Factors,
    method_type: MethodType,
    /// The account of the resource.
    account: UserId,
}

/// The fixed time of all requests, 2026-01-15T09:00:00Z, because this crate reads no clock.
fn now() -> Timestamp {
    Timestamp::from_millis(1_768_467_600_000)
}

/// Calls `ask` with each canary request of a caller.
pub(super) fn all(caller: &CanaryCaller, ask: &mut impl FnMut(&Canary<'_>)) {
    let own = caller.id.tenant;
    let headers: BTreeSet<_> = caller.tenants.iter().chain([&*OTHER_TENANT]).collect();
    let others = headers.into_iter().filter(|header| Some(**header) != own);
    for header in others.copied().collect::<Vec<_>>() {
        other_tenant(caller, header, ask);
    }
    if let Some(own) = own {
        after_reset(caller, own, ask);
        administration(caller, own, ask);
    }
}

fn other_tenant(caller: &CanaryCaller, header: Tenant, ask: &mut impl FnMut(&Canary<'_>)) {
    for action in GateAction::ALL.iter().copied() {
        let target = action.target();
        if target == Target::Route {
            continue;
        }
        for account in accounts(caller, target, header) {
            for &(strong, enrolled) in states(caller) {
                ask(&Canary {
                    rule: Rule::OtherTenant,
                    caller,
                    action,
                    header,
                    strong,
                    self_enrolled: false,
                    factors: factors(enrolled),
                    method_type: MethodType::Passkey,
                    account: account.clone(),
                });
            }
        }
        if caller.is_unknown() && action.enrols() {
            ask(&Canary {
                rule: Rule::OtherTenant,
                caller,
                action,
                header,
                strong: false,
                self_enrolled: false,
                factors: factors(false),
                method_type: MethodType::Fido,
                account: caller.id.clone(),
            });
        }
    }
}

/// Returns the states of a caller: whether the sign-in is strong, and whether authenticators are enrolled.
/// Only the two extremes are tried for callers whom policies name, since there can be thousands of them.
fn states(caller: &CanaryCaller) -> &'static [(bool, bool)] {
    const ALL: [(bool, bool); 4] = [(false, false), (true, true), (false, true), (true, false)];
    if caller.is_unknown() { &ALL } else { &ALL[..2] }
}

fn after_reset(caller: &CanaryCaller, own: Tenant, ask: &mut impl FnMut(&Canary<'_>)) {
    for action in GateAction::ALL
        .iter()
        .copied()
        .filter(|action| action.enrols())
    {
        for method_type in MethodType::ALL {
            ask(&Canary {
                rule: Rule::Reset,
                caller,
                action,
                header: own,
                strong: false,
                self_enrolled: false,
                factors: Factors {
                    reset: true,
                    ..Factors::default()
                },
                method_type,
                account: caller.id.clone(),
            });
        }
    }
}

fn administration(caller: &CanaryCaller, own: Tenant, ask: &mut impl FnMut(&Canary<'_>)) {
    let administering = |action: &GateAction| action.target() == Target::OthersAccount;
    for action in GateAction::ALL.iter().copied().filter(administering) {
        for account in accounts(caller, Target::OthersAccount, own) {
            for (enrolled, self_enrolled) in [(false, false), (true, false), (true, true)] {
                ask(&Canary {
                    rule: Rule::Administration,
                    caller,
                    action,
                    header: own,
                    strong: false,
                    self_enrolled,
                    factors: factors(enrolled),
                    method_type: MethodType::Passkey,
                    account: account.clone(),
                });
            }
        }
    }
}

/// Returns the accounts of a request: the caller's own or, for administration, one of each issuer and
/// tenant that policies name together with the caller.
fn accounts(caller: &CanaryCaller, target: Target, header: Tenant) -> Vec<UserId> {
    if target != Target::OthersAccount {
        return vec![caller.id.clone()];
    }
    let issuers = caller.issuers.iter().chain([&caller.id.issuer]);
    let issuers: BTreeSet<_> = issuers.collect();
    let tenants = caller.tenants.iter().chain([&header]);
    let tenants: BTreeSet<_> = tenants.chain(caller.id.tenant.as_ref()).collect();
    let each = issuers.into_iter().flat_map(|issuer| {
        tenants.iter().map(|tenant| UserId {
            issuer: issuer.clone(),
            tenant: Some(**tenant),
            subject: "canary-account".to_owned(),
        })
    });
    each.collect()
}

fn factors(enrolled: bool) -> Factors {
    match enrolled {
        false => Factors::default(),
        true => Factors {
            count: 2,
            method_types: MethodType::ALL.to_vec(),
            reset: false,
        },
    }
}

impl Canary<'_> {
    /// Calls `ask` with the authorization request.
    pub(super) fn with_request<T>(&self, ask: impl FnOnce(&AuthorizationRequest<'_>) -> T) -> T {
        let user = User {
            id: self.caller.id.clone(),
            groups: self.caller.groups.clone(),
            claims: Arc::default(),
            session: self.session(),
            strong_acr: Arc::default(),
            name: String::new(),
            display_name: String::new(),
        };
        let user = Arc::new(user);
        let authenticator = authenticator(self.method_type);
        let resource = match self.action.target() {
            Target::OwnAuthenticator => Resource::Authenticator(&user.id, &authenticator),
            _ => Resource::Account(&self.account),
        };
        ask(&AuthorizationRequest {
            caller: Caller::Member {
                user: &user,
                tenant: self.header,
                factors: &self.factors,
                means: &Means::default(),
                method_type: self.action.enrols().then_some(self.method_type),
            },
            action: self.action.into(),
            resource,
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            now: now(),
        })
    }

    fn session(&self) -> Session {
        if self.self_enrolled {
            return Session {
                amr: vec!["pop".to_owned(), "user".to_owned(), "swk".to_owned()],
                acr: STEP_UP_ACR.to_owned(),
                signed_in_at: Some(now()),
                strong_at: Some(now()),
                confirmation: Confirmation::Authenticator {
                    enrolled_at: now(),
                    trusted: false,
                },
                ..Session::default()
            };
        }
        if !self.strong {
            return Session {
                amr: vec!["pwd".to_owned()],
                ..Session::default()
            };
        }
        Session {
            acr: STEP_UP_ACR.to_owned(),
            signed_in_at: Some(now()),
            strong_at: Some(now()),
            confirmation: Confirmation::SignIn,
            ..Session::default()
        }
    }
}

fn authenticator(method_type: MethodType) -> Authenticator {
    Authenticator {
        id: Uuid::from_u128(0x0ca9_a410),
        method_type,
        device_name: String::new(),
        rp_id: String::new(),
        credential_id: Bytes(Vec::new()),
        proven_model: None,
        claimed_model: None,
        claimed_transports: Vec::new(),
        user_verified: true,
        backup_eligible: false,
        backed_up: false,
        sign_count: 0,
        created_at: now(),
        last_used_at: None,
        trusted: false,
        credential: Value::Null,
    }
}

/// Formats the request for findings.
impl fmt::Display for Canary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CanaryCaller { id, groups, .. } = self.caller;
        let any = if self.caller.is_unknown() {
            "any user such as "
        } else {
            ""
        };
        write!(f, "{any}Gate::User::\"{id}\"")?;
        if !groups.is_empty() {
            write!(f, " of the groups {}", groups.join(", "))?;
        }
        write!(f, ", with X-Tenant-ID {}, ", self.header)?;
        f.write_str(match (self.strong, self.self_enrolled) {
            (true, _) => "after a strong sign-in, ",
            (_, true) => "confirmed by an authenticator that a password enrolled, ",
            _ => "after a sign-in by password, ",
        })?;
        f.write_str(match (self.factors.count, self.factors.reset) {
            (_, true) => "with an account that was reset, ",
            (0, false) => "without authenticators, ",
            _ => "with authenticators, ",
        })?;
        write!(f, "asks for Gate::Action::\"{}\"", self.action)?;
        match self.action.target() {
            Target::OthersAccount => write!(f, " of Gate::Account::\"{}\"", self.account),
            _ => Ok(()),
        }
    }
}

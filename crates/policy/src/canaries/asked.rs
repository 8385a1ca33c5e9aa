//! The requests of one caller.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::{Asker, Question, Resource};
use cedargate_core::{
    Action, Authenticator, Bytes, Confirmation, Factors, Means, MethodType, Session, Tenant,
    Timestamp, User, UserId,
};

use super::callers::{Caller, OTHER_TENANT};

/// Why a canary request must be refused.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Rule {
    /// `X-Tenant-ID` is not the caller's tenant: with `tenant_mismatch`.
    OtherTenant,
    /// The account was reset, and the caller proves no more than a password.
    Reset,
    /// The caller proves no more than a password.
    Administration,
}

/// A request that must be refused.
pub(super) struct Canary<'a> {
    pub(super) rule: Rule,
    caller: &'a Caller,
    action: Action,
    header: Tenant,
    strong: bool,
    /// Whether an authenticator confirmed the session that a password had enrolled.
    self_enrolled: bool,
    factors: Factors,
    method_type: MethodType,
    /// Whose account it is about.
    account: UserId,
}

/// 2026-01-15T09:00:00Z: this part reads no clock.
fn now() -> Timestamp {
    Timestamp::from_millis(1_768_467_600_000)
}

const ENROLLING: [Action; 3] = [
    Action::BeginWebauthnRegistration,
    Action::CompleteWebauthnRegistration,
    Action::TrustAuthenticator,
];

/// What an action of `mfa` acts on; `None` for public actions.
#[derive(Clone, Copy, Eq, PartialEq)]
enum On {
    OwnAccount,
    OwnAuthenticator,
    OthersAccount,
}

fn on(action: Action) -> Option<On> {
    match action {
        Action::ReadApiDescription
        | Action::ReadKeys
        | Action::ReadRelatedOrigins
        | Action::Preflight
        | Action::Unknown => None,
        Action::TrustAuthenticator
        | Action::CompleteWebauthnAuthentication
        | Action::RenameMfaMethod
        | Action::DeleteMfaMethod => Some(On::OwnAuthenticator),
        Action::AdminListMfaMethods | Action::AdminDeleteMfaMethod | Action::AdminResetMfa => {
            Some(On::OthersAccount)
        }
        Action::BeginWebauthnRegistration
        | Action::CompleteWebauthnRegistration
        | Action::BeginWebauthnAuthentication
        | Action::ListMfaMethods
        | Action::RegenerateBackupCodes
        | Action::VerifyBackupCode => Some(On::OwnAccount),
    }
}

/// Makes every canary request of a caller.
pub(super) fn all(caller: &Caller, ask: &mut impl FnMut(&Canary<'_>)) {
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

fn other_tenant(caller: &Caller, header: Tenant, ask: &mut impl FnMut(&Canary<'_>)) {
    for action in Action::ALL {
        let Some(on) = on(action) else { continue };
        for account in accounts(caller, on, header) {
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
        if caller.is_unknown() && ENROLLING.contains(&action) {
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

/// The states of a caller, each strong or not and with authenticators or without. Callers whom policies
/// name are tried in the two extremes only, since there can be thousands of them.
fn states(caller: &Caller) -> &'static [(bool, bool)] {
    const ALL: [(bool, bool); 4] = [(false, false), (true, true), (false, true), (true, false)];
    if caller.is_unknown() { &ALL } else { &ALL[..2] }
}

fn after_reset(caller: &Caller, own: Tenant, ask: &mut impl FnMut(&Canary<'_>)) {
    for action in ENROLLING {
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

fn administration(caller: &Caller, own: Tenant, ask: &mut impl FnMut(&Canary<'_>)) {
    let administering = |action: &Action| on(*action) == Some(On::OthersAccount);
    for action in Action::ALL.into_iter().filter(administering) {
        for account in accounts(caller, On::OthersAccount, own) {
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

/// The accounts to ask for: the caller's own or, where they administer, one of each issuer and tenant
/// that has to do with them.
fn accounts(caller: &Caller, on: On, header: Tenant) -> Vec<UserId> {
    if on != On::OthersAccount {
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
    /// Makes the question of it.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&Question<'_>) -> T) -> T {
        let user = User {
            id: self.caller.id.clone(),
            groups: self.caller.groups.clone(),
            claims: Arc::default(),
            session: self.session(),
            strong_acr: Arc::default(),
            name: String::new(),
            display_name: String::new(),
        };
        let authenticator = authenticator(self.method_type);
        let resource = match on(self.action) {
            Some(On::OwnAuthenticator) => Resource::Authenticator(&user.id, &authenticator),
            _ => Resource::Account(&self.account),
        };
        ask(&Question {
            asker: Asker::Member {
                user: &user,
                tenant: self.header,
                factors: &self.factors,
                means: &Means::default(),
                method_type: ENROLLING.contains(&self.action).then_some(self.method_type),
            },
            action: self.action,
            resource,
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            now: now(),
        })
    }

    fn session(&self) -> Session {
        if self.self_enrolled {
            return Session {
                amr: vec!["pop".to_owned(), "user".to_owned(), "swk".to_owned()],
                acr: "phr".to_owned(),
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
            acr: "phr".to_owned(),
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

/// For whoever reads why policies do not load.
impl fmt::Display for Canary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Caller { id, groups, .. } = self.caller;
        let is_nobody = self.caller.is_unknown();
        let whom = if is_nobody { "any user such as " } else { "" };
        write!(f, "{whom}Gate::User::\"{id}\"")?;
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
        match on(self.action) {
            Some(On::OthersAccount) => write!(f, " of Gate::Account::\"{}\"", self.account),
            _ => Ok(()),
        }
    }
}

//! Builds the request that the flags describe.

use std::sync::Arc;
use std::time::Duration;

use cedargate_core::{
    Authenticator, Bytes, CodeKind, CodeSetId, CodeUse, Confirmation, Factors, GateAction, Means,
    MethodType, STEP_UP_ACR, Session, Target, Timestamp, User, UserId, nearest, path,
};
use cedargate_policy::{
    AuthorizationRequest, Bundle, Caller, PreparedRequest, Resource, assumed_means,
};
use serde_json::Value;

use super::RequestFlags;

/// Returns the path that a public action is usually about.
fn usual_route(action: GateAction) -> &'static str {
    match action {
        GateAction::ReadApiDescription => path::OPENAPI,
        GateAction::ReadKeys => path::KEYS,
        GateAction::ReadRelatedOrigins => path::RELATED_ORIGINS,
        GateAction::Preflight => path::METHODS,
        _ => path::UNKNOWN,
    }
}

impl RequestFlags {
    /// Builds the request for a bundle.
    ///
    /// # Errors
    /// The flags contradict each other, or the request does not fit the schema. The message gives the reason.
    pub(in super::super) fn prepared(
        &self,
        bundle: &Bundle,
        now: Timestamp,
    ) -> Result<PreparedRequest, String> {
        let action = self.action.ok_or("name an action with --action")?;
        let now = self.moment.unwrap_or(now);
        let target = action.target();
        if let Some(flag) = self.misplaced(action, target) {
            return Err(format!("{action} has no {flag}: leave it out"));
        }
        if let Some(unknown) = self.undeclared(bundle) {
            return Err(unknown);
        }
        let user = self.user.as_ref().map(|id| Arc::new(self.user(id, now)));
        let mut request = AuthorizationRequest {
            caller: Caller::Visitor(user.as_ref()),
            action: action.into(),
            resource: Resource::Route(path::UNKNOWN),
            address: self.address.to_canonical(),
            now,
        };
        if target == Target::Route {
            request.resource = Resource::Route(self.route.unwrap_or(usual_route(action)));
            return prepare(bundle, &request);
        }
        let user = user.as_ref().ok_or_else(|| {
            format!("{action} needs a user: name one with --user 'issuer|tenant|sub'")
        })?;
        let header = self.tenant.or(user.id.tenant);
        let method_type = self.method_type.unwrap_or(MethodType::Passkey);
        let authenticator = self.authenticator(method_type, now);
        let factors = self.factors()?;
        let means = self.means(&factors);
        request.caller = Caller::Member {
            user,
            tenant: header
                .ok_or("this user has no tenant: name the tenant of X-Tenant-ID with --tenant")?,
            factors: &factors,
            means: &means,
            method_type: action.enrols().then_some(method_type),
        };
        request.resource = match target {
            Target::OwnAuthenticator => Resource::Authenticator(&user.id, &authenticator),
            Target::OthersAccount => Resource::Account(self.account.as_ref().ok_or_else(|| {
                format!(
                    "{action} acts on another user: name the user with --account 'issuer|tenant|sub'"
                )
            })?),
            Target::Route | Target::OwnAccount => Resource::Account(&user.id),
        };
        prepare(bundle, &request)
    }

    fn factors(&self) -> Result<Factors, String> {
        if self.reset && self.factors.count > 0 {
            let why =
                "an account that was reset has no authenticator: leave --factors or --reset out";
            return Err(why.to_owned());
        }
        Ok(Factors {
            reset: self.reset,
            ..self.factors.clone()
        })
    }

    fn means(&self, factors: &Factors) -> Means {
        let means = assumed_means(factors);
        match &self.usable {
            None => means,
            Some(usable) => Means {
                authenticators: usable.iter().filter_map(|one| one.0).collect(),
                ..means
            },
        }
    }

    /// Returns a message about a claim that the schema does not declare, if there is one.
    fn undeclared(&self, bundle: &Bundle) -> Option<String> {
        let declared: Vec<&str> = bundle.declared_claims().collect();
        let mut names = self.claims.iter().map(|(name, _)| name.as_str());
        let name = names.find(|name| !declared.contains(name))?;
        let help = nearest(name, declared)
            .map(|known| format!(": did you mean {known:?}?"))
            .unwrap_or_default();
        Some(format!(
            "schema/site.cedarschema declares no claim {name:?}, so no policy sees it{help}"
        ))
    }

    /// Returns a flag that does not apply to the action, if there is one.
    fn misplaced(&self, action: GateAction, target: Target) -> Option<&'static str> {
        let public = matches!(target, Target::Route);
        let typed = action.enrols() || target == Target::OwnAuthenticator;
        let authenticator = target == Target::OwnAuthenticator;
        let flags = [
            ("--route", self.route.is_some() && !public),
            ("--tenant", self.tenant.is_some() && public),
            ("--factors", self.factors.count > 0 && public),
            ("--reset", self.reset && public),
            ("--usable", self.usable.is_some() && public),
            ("--method-type", self.method_type.is_some() && !typed),
            (
                "--account",
                self.account.is_some() && target != Target::OthersAccount,
            ),
            (
                "--proven-model",
                self.proven_model.is_some() && !authenticator,
            ),
            ("--backup-eligible", self.backup_eligible && !authenticator),
            (
                "--user-not-verified",
                self.user_not_verified && !authenticator,
            ),
        ];
        flags
            .into_iter()
            .find_map(|(flag, wrong)| wrong.then_some(flag))
    }

    fn user(&self, id: &UserId, now: Timestamp) -> User {
        let ago = |age: Duration| {
            let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            Timestamp::from_millis(now.millis().saturating_sub(millis))
        };
        let acr = self.acr.clone().unwrap_or_default();
        let strong_at_issuer = !acr.is_empty() && self.strong_acr.contains(&acr);
        let strong = acr == STEP_UP_ACR || strong_at_issuer;
        let signed_in_at = self.auth_age.map(ago);
        let code = |age: Option<Duration>, kind| {
            let set = CodeSetId::named("");
            age.map(ago).map(|at| CodeUse { at, set, kind })
        };
        let backup_code = code(self.backup_code_age, CodeKind::Backup);
        User {
            id: id.clone(),
            groups: self.groups.clone(),
            claims: Arc::new(self.claims.iter().cloned().collect()),
            session: Session {
                signed_in_at,
                amr: self.amr.clone(),
                acr,
                strong_at: signed_in_at.filter(|_| strong),
                confirmation: match self.authenticator_age {
                    None if strong_at_issuer => Confirmation::SignIn,
                    None if !self.trusted => Confirmation::Nothing,
                    age => Confirmation::Authenticator {
                        enrolled_at: ago(age.unwrap_or_default()),
                        trusted: self.trusted,
                    },
                },
                code: backup_code.or_else(|| code(self.recovery_code_age, CodeKind::Recovery)),
                ..Session::default()
            },
            strong_acr: self.strong_acr.clone().into(),
            name: id.subject.clone(),
            display_name: id.subject.clone(),
        }
    }

    /// Builds the authenticator. Policies see neither its names nor its key, so these are empty.
    fn authenticator(&self, method_type: MethodType, now: Timestamp) -> Authenticator {
        Authenticator {
            id: now.uuid(),
            method_type,
            device_name: String::new(),
            rp_id: String::new(),
            credential_id: Bytes(Vec::new()),
            proven_model: self.proven_model,
            claimed_model: self.proven_model,
            claimed_transports: Vec::new(),
            user_verified: !self.user_not_verified,
            backup_eligible: self.backup_eligible,
            backed_up: self.backed_up,
            sign_count: 0,
            created_at: now,
            last_used_at: None,
            trusted: false,
            credential: Value::Null,
        }
    }
}

fn prepare(bundle: &Bundle, request: &AuthorizationRequest<'_>) -> Result<PreparedRequest, String> {
    PreparedRequest::new(bundle, request).map_err(|error| error.to_string())
}

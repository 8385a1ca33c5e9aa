//! WebAuthn relying parties: ceremonies are started and finished here, with what webauthn-rs leaves
//! to its caller. Pure: nothing is stored, and time is not read (the library itself reads it for the
//! dates of attestation certificates).
//!
//! Section numbers are those of WebAuthn Level 3.

mod assertion;
mod authentication;
mod authenticator_data;
mod checks;
mod client_data;
mod error;
#[cfg(test)]
mod forge;
mod models;
mod options;
mod response;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticatorAttachment, Credential, ParsedAttestation, PasskeyRegistration,
    RegisterPublicKeyCredential, SecurityKeyRegistration, Webauthn, WebauthnBuilder, WebauthnError,
};

pub use assertion::Assertion;
pub use authentication::{Asserted, AssertionRequest, counter_back};
use cedargate_core::{Authenticator, Bytes, MethodType, Tenant};
pub use error::{CredentialFault, Error, MalformedMember, Reason, SettingsProblem};
use models::ProvableModel;
pub use response::Response;
pub use settings::{Model, Settings, Tenants};

/// All relying parties.
#[derive(Debug)]
pub struct RelyingParties {
    parties: Vec<RelyingParty>,
    named: HashMap<Tenant, usize>,
    any: Option<usize>,
}

impl RelyingParties {
    /// Checks and takes the settings.
    ///
    /// # Errors
    /// All settings that cannot be used, in the order of the parties.
    pub fn new(settings: Vec<Settings>) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = settings::conflicts(&settings);
        let (named, any) = served(&settings);
        let mut parties = Vec::with_capacity(settings.len());
        for (index, one) in settings.into_iter().enumerate() {
            match RelyingParty::new(one) {
                Ok(party) => parties.push(party),
                Err(found) => {
                    let of_party = found.into_iter().map(|(key, message)| SettingsProblem {
                        party: index,
                        key,
                        message,
                    });
                    problems.extend(of_party);
                }
            }
        }
        if problems.is_empty() {
            Ok(Self {
                parties,
                named,
                any,
            })
        } else {
            problems.sort_by_key(|one| one.party);
            Err(problems)
        }
    }

    /// The party that serves a tenant: one that names it, else the one for all others.
    pub fn of(&self, tenant: Option<Tenant>) -> Option<&RelyingParty> {
        let named = tenant.and_then(|tenant| self.named.get(&tenant));
        named
            .copied()
            .or(self.any)
            .and_then(|at| self.parties.get(at))
    }

    /// A party whose id is this host name (no port), in any letter case. Parties that share an id
    /// share its related origins.
    pub fn by_host(&self, host: &str) -> Option<&RelyingParty> {
        self.parties
            .iter()
            .find(|party| party.id.eq_ignore_ascii_case(host))
    }
}

fn served(settings: &[Settings]) -> (HashMap<Tenant, usize>, Option<usize>) {
    let mut named = HashMap::new();
    let mut any = None;
    for (index, one) in settings.iter().enumerate() {
        match &one.tenants {
            Tenants::Any => any = Some(index),
            Tenants::These(tenants) => {
                named.extend(tenants.iter().map(|tenant| (*tenant, index)));
            }
        }
    }
    (named, any)
}

/// One relying party.
#[derive(Debug)]
pub struct RelyingParty {
    id: String,
    origins: Vec<String>,
    related_origins: Vec<String>,
    method_types: Vec<MethodType>,
    models: Vec<ProvableModel>,
    library: Webauthn,
}

/// Who enrols.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// The stable, random user handle.
    pub handle: Uuid,
    /// `user.name`. Not empty.
    pub name: &'a str,
    /// `user.displayName`. Not empty.
    pub display_name: &'a str,
}

/// A ceremony that was started.
#[derive(Clone)]
pub struct Started {
    /// `PublicKeyCredentialCreationOptionsJSON` (§5.1.8), or the request options (§5.1.9).
    pub options: Value,
    /// The challenge in them. The library's own state also holds what the method type decides; that
    /// is made again when the ceremony is finished, so that a ceremony that is begun before an update
    /// of the library can be finished after it.
    pub challenge: Bytes,
}

/// The facts of a verified credential.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The credential id: 16 to 1023 bytes, the one that authenticator data names.
    pub credential_id: Bytes,
    /// The AAGUID, if attestation proved it.
    pub proven_model: Option<Uuid>,
    /// The AAGUID in authenticator data, unless it is zero.
    pub claimed_model: Option<Uuid>,
    /// `response.transports`.
    pub claimed_transports: Vec<String>,
    /// UV.
    pub user_verified: bool,
    /// BE.
    pub backup_eligible: bool,
    /// BS.
    pub backed_up: bool,
    /// The signature counter.
    pub sign_count: u32,
    /// What an assertion will need, in the library's form.
    pub credential: Value,
}

impl RelyingParty {
    fn new(settings: Settings) -> Result<Self, Vec<(&'static str, String)>> {
        let mut problems = settings::problems(&settings);
        let models = models::load(settings.models, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let library = library(
            &settings.id,
            &settings.name,
            &settings.origins,
            &settings.related_origins,
        )
        .map_err(|_| {
            let what = format!(
                "`{}` cannot be used with these origins: the first must lie under it",
                settings.id
            );
            vec![("origins", what)]
        })?;
        Ok(Self {
            id: settings.id,
            origins: settings.origins,
            related_origins: settings.related_origins,
            method_types: settings.method_types,
            models,
            library,
        })
    }

    /// The RP ID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its related origins.
    pub fn related_origins(&self) -> &[String] {
        &self.related_origins
    }

    /// Returns true if this authenticator can answer here: it was enrolled at this relying party.
    pub fn can_use(&self, authenticator: &Authenticator) -> bool {
        authenticator.rp_id == self.id
    }

    /// Whether the method type is set up.
    pub fn offers(&self, method_type: MethodType) -> bool {
        self.method_types.contains(&method_type)
    }

    /// The configured name of a model.
    pub fn model_name(&self, aaguid: Uuid) -> Option<&str> {
        self.model(aaguid).map(|model| model.name.as_str())
    }

    /// Starts a registration. `enrolled` are the user's authenticators of both types; `timeout`
    /// becomes the options' `timeout`, which is advice to the browser.
    ///
    /// # Errors
    /// [`Error::NotStarted`].
    pub fn start(
        &self,
        method_type: MethodType,
        person: &Person<'_>,
        enrolled: &[Authenticator],
        timeout: Duration,
    ) -> Result<Started, Error> {
        let made = match method_type {
            MethodType::Passkey => self
                .library
                .start_passkey_registration(person.handle, person.name, person.display_name, None)
                .map(|(made, _)| made),
            MethodType::Fido => self
                .library
                .start_securitykey_registration(
                    person.handle,
                    person.name,
                    person.display_name,
                    None,
                    None,
                    Some(AuthenticatorAttachment::CrossPlatform),
                )
                .map(|(made, _)| made),
        }
        .map_err(|source| Error::NotStarted {
            ceremony: "a registration",
            source,
        })?;
        let challenge = Bytes(made.public_key.challenge.clone());
        let request = options::Request {
            method_type,
            enrolled,
            timeout,
            attestation: !self.models.is_empty(),
        };
        Ok(Started {
            options: options::creation(&made, &request),
            challenge,
        })
    }

    /// Finishes a registration that was started with this challenge (§7.1): everything inside the
    /// response is verified.
    ///
    /// # Errors
    /// The response does not verify.
    pub fn finish(
        &self,
        method_type: MethodType,
        challenge: &Bytes,
        response: &Response,
    ) -> Result<Verified, CredentialFault> {
        let facts = checks::registration(
            &checks::Expected {
                challenge,
                rp_id: &self.id,
                origins: [&self.origins, &self.related_origins],
                user_verification: method_type == MethodType::Passkey,
            },
            response,
        )?;
        let mut credential = self
            .verify(method_type, challenge, response)
            .map_err(|error| checks::fault_of(&error))?;
        let proven_model = self
            .model(facts.aaguid)
            .filter(|model| model.is_proven_by(&credential))
            .map(|model| model.aaguid);
        // No assertion needs the statement, which is large and was chosen by the caller.
        credential.attestation = ParsedAttestation::default();
        Ok(Verified {
            credential_id: response.credential_id().clone(),
            proven_model,
            claimed_model: Some(facts.aaguid).filter(|aaguid| !aaguid.is_nil()),
            claimed_transports: response.transports().to_vec(),
            user_verified: facts.user_verified,
            backup_eligible: facts.backup_eligible,
            backed_up: facts.backed_up,
            sign_count: facts.sign_count,
            credential: json!(credential),
        })
    }

    fn verify(
        &self,
        method_type: MethodType,
        challenge: &Bytes,
        response: &Response,
    ) -> Result<Credential, WebauthnError> {
        let registration = library_state(challenge, method_type);
        let response: RegisterPublicKeyCredential = serde_json::from_value(response.for_library())
            .map_err(WebauthnError::ParseJSONFailure)?;
        match method_type {
            MethodType::Passkey => {
                let state: PasskeyRegistration = serde_json::from_value(registration)
                    .map_err(WebauthnError::ParseJSONFailure)?;
                self.library
                    .finish_passkey_registration(&response, &state)
                    .map(Credential::from)
            }
            MethodType::Fido => {
                let state: SecurityKeyRegistration = serde_json::from_value(registration)
                    .map_err(WebauthnError::ParseJSONFailure)?;
                self.library
                    .finish_securitykey_registration(&response, &state)
                    .map(Credential::from)
            }
        }
    }

    fn model(&self, aaguid: Uuid) -> Option<&ProvableModel> {
        self.models.iter().find(|model| model.aaguid == aaguid)
    }
}

fn library(
    id: &str,
    name: &str,
    origins: &[String],
    related: &[String],
) -> Result<Webauthn, WebauthnError> {
    let urls: Vec<_> = origins
        .iter()
        .chain(related)
        .filter_map(|origin| url::Url::parse(origin).ok())
        .collect();
    let (first, others) = urls.split_first().ok_or(WebauthnError::Configuration)?;
    let builder = WebauthnBuilder::new(id, first)?.rp_name(name);
    others
        .iter()
        .fold(builder, WebauthnBuilder::append_allowed_origin)
        .build()
}

/// The library's state of a registration, as JSON: its fields are private to it.
///
/// Two things are left out on purpose. Excluded credentials: the caller compares ids before, and the
/// library's error for one is the same as for an algorithm that was not offered. Roots: without a
/// statement the ceremony would then be an error, where it is a policy's decision.
fn library_state(challenge: &Bytes, method_type: MethodType) -> Value {
    let user_verification = match method_type {
        MethodType::Passkey => "required",
        MethodType::Fido => "preferred",
    };
    json!({
        "rs": {
            "policy": user_verification,
            "exclude_credentials": [],
            "challenge": challenge,
            "credential_algorithms": ["ES256", "ES384", "RS256"],
            "require_resident_key": false,
            "authenticator_attachment": null,
            "extensions": {},
            "allow_synchronised_authenticators": true,
        },
        "ca_list": null,
    })
}

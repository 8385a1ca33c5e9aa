//! WebAuthn relying parties, which start and finish ceremonies. This module makes the checks that
//! webauthn-rs ("the library") leaves to its caller. It stores nothing and reads no clock; the library
//! reads the clock for the validity of attestation certificates.
//!
//! Section and step numbers are those of WebAuthn Level 3.

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
pub use response::RegistrationResponse;
pub use settings::{Model, Settings, Tenants};

/// The configured relying parties.
#[derive(Debug)]
pub struct RelyingParties {
    parties: Vec<RelyingParty>,
    /// The index of the party for each tenant that a party names.
    by_tenant: HashMap<Tenant, usize>,
    /// The index of the party for all other tenants.
    default: Option<usize>,
}

impl RelyingParties {
    /// Builds the parties from their settings.
    ///
    /// # Errors
    /// Returns all invalid settings, in the order of the parties.
    pub fn new(settings: Vec<Settings>) -> Result<Self, Vec<SettingsProblem>> {
        let mut problems = settings::conflicts(&settings);
        let (by_tenant, default) = index_tenants(&settings);
        let mut parties = Vec::with_capacity(settings.len());
        for (index, party) in settings.into_iter().enumerate() {
            match RelyingParty::new(party) {
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
                by_tenant,
                default,
            })
        } else {
            problems.sort_by_key(|problem| problem.party);
            Err(problems)
        }
    }

    /// Returns the party that names this tenant, else the party for all other tenants.
    pub fn for_tenant(&self, tenant: Option<Tenant>) -> Option<&RelyingParty> {
        let named = tenant.and_then(|tenant| self.by_tenant.get(&tenant));
        named
            .copied()
            .or(self.default)
            .and_then(|index| self.parties.get(index))
    }

    /// Returns a party whose id is this host name (without port), in any letter case. Parties that
    /// share an id have the same related origins.
    pub fn by_host(&self, host: &str) -> Option<&RelyingParty> {
        self.parties
            .iter()
            .find(|party| party.id.eq_ignore_ascii_case(host))
    }
}

fn index_tenants(settings: &[Settings]) -> (HashMap<Tenant, usize>, Option<usize>) {
    let mut by_tenant = HashMap::new();
    let mut default = None;
    for (index, party) in settings.iter().enumerate() {
        match &party.tenants {
            Tenants::Any => default = Some(index),
            Tenants::These(tenants) => {
                by_tenant.extend(tenants.iter().map(|tenant| (*tenant, index)));
            }
        }
    }
    (by_tenant, default)
}

#[derive(Debug)]
pub struct RelyingParty {
    id: String,
    origins: Vec<String>,
    related_origins: Vec<String>,
    method_types: Vec<MethodType>,
    models: Vec<ProvableModel>,
    library: Webauthn,
}

/// The user who enrols an authenticator.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// `user.id`, the user handle: random, and the same for all enrolments of the user.
    pub handle: Uuid,
    /// `user.name`, which must not be empty.
    pub name: &'a str,
    /// `user.displayName`, which must not be empty.
    pub display_name: &'a str,
}

/// A ceremony that was started.
#[derive(Clone)]
pub struct Started {
    /// `PublicKeyCredentialCreationOptionsJSON` (§5.1.8), or the request options (§5.1.9).
    pub options: Value,
    /// The challenge in the options. It is all that must be stored: the library's state is built again
    /// when the ceremony is finished, so that an update of the library does not end pending
    /// ceremonies.
    pub challenge: Bytes,
}

/// The facts of a verified credential.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The credential id in the authenticator data, of 16 to 1023 bytes.
    pub credential_id: Bytes,
    /// The AAGUID, if the attestation statement proved it.
    pub proven_model: Option<Uuid>,
    /// The AAGUID in the authenticator data, unless it is zero. An authenticator can claim any.
    pub claimed_model: Option<Uuid>,
    /// `response.transports`, which is not signed.
    pub claimed_transports: Vec<String>,
    /// The flag UV.
    pub user_verified: bool,
    /// The flag BE.
    pub backup_eligible: bool,
    /// The flag BS.
    pub backed_up: bool,
    /// The signature counter.
    pub sign_count: u32,
    /// The library's credential, as JSON, which verifies assertions.
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
            let message = format!(
                "the first origin must be on the RP ID `{}` or a subdomain of it",
                settings.id
            );
            vec![("origins", message)]
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

    /// Returns the RP ID.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn related_origins(&self) -> &[String] {
        &self.related_origins
    }

    /// Returns true if this authenticator was enrolled at this relying party's RP ID.
    pub fn can_use(&self, authenticator: &Authenticator) -> bool {
        authenticator.rp_id == self.id
    }

    /// Returns true if this method type is configured.
    pub fn offers(&self, method_type: MethodType) -> bool {
        self.method_types.contains(&method_type)
    }

    /// Returns the configured name of a model.
    pub fn model_name(&self, aaguid: Uuid) -> Option<&str> {
        self.model(aaguid).map(|model| model.name.as_str())
    }

    /// Starts a registration. `enrolled` holds the user's authenticators of both types. `timeout` is
    /// a hint to the browser.
    ///
    /// # Errors
    /// Returns [`Error::NotStarted`] if the library refuses the user's names.
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
        let request = options::RegistrationOptions {
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

    /// Finishes the registration that was started with this challenge (§7.1).
    ///
    /// # Errors
    /// Returns the first fault of the response.
    pub fn finish(
        &self,
        method_type: MethodType,
        challenge: &Bytes,
        response: &RegistrationResponse,
    ) -> Result<Verified, CredentialFault> {
        let unverified = checks::registration(
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
            .map_err(|error| checks::library_fault(&error))?;
        let proven_model = self
            .model(unverified.aaguid)
            .filter(|model| model.is_proven_by(&credential))
            .map(|model| model.aaguid);
        // Drops the statement: it may be large, the client chose it, and no assertion needs it.
        credential.attestation = ParsedAttestation::default();
        Ok(Verified {
            credential_id: response.credential_id().clone(),
            proven_model,
            claimed_model: Some(unverified.aaguid).filter(|aaguid| !aaguid.is_nil()),
            claimed_transports: response.transports().to_vec(),
            user_verified: unverified.user_verified,
            backup_eligible: unverified.backup_eligible,
            backed_up: unverified.backed_up,
            sign_count: unverified.sign_count,
            credential: json!(credential),
        })
    }

    fn verify(
        &self,
        method_type: MethodType,
        challenge: &Bytes,
        response: &RegistrationResponse,
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

/// Builds the library's state of a registration as JSON, because its fields are private.
///
/// Excluded credentials are left out: the caller compares ids, and the library's error for them is the
/// same as that for an algorithm that was not offered. Roots are left out: with them, the library would
/// refuse a response without a statement, which policies decide about.
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

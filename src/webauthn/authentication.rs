//! Using an authenticator: an assertion is asked for, and verified (WebAuthn Level 3 §7.2).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{
    Credential, DiscoverableAuthentication, PublicKeyCredential, WebauthnError,
};

use super::{Assertion, CredentialFault, Error, Reason, RelyingParty, Started, checks, options};
use cedargate_core::{Authenticator, Bytes, MethodType};

/// What an assertion proved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asserted {
    /// UV.
    pub user_verified: bool,
    /// BS.
    pub backed_up: bool,
    /// The signature counter. It has grown since the authenticator was read; only the store can
    /// tell whether it has since it was last used.
    pub sign_count: u32,
}

/// The parts of the options that the assertion must obey (§7.2, steps 5 and 17). Whether the user must
/// be verified is not among them: the options require it if all allowed authenticators are passkeys,
/// and [`RelyingParty::finish_authentication`] requires it of every passkey.
#[derive(Clone, Copy, Debug)]
pub struct AssertionRequest<'a> {
    /// The challenge.
    pub challenge: &'a Bytes,
    /// The [`Authenticator::id`]s of `allowCredentials`. They are shorter than credential ids, and
    /// an authenticator that is removed and enrolled again gets a new one.
    pub allowed: &'a [Uuid],
}

/// The fault of an assertion whose counter the store has seen already.
pub fn counter_back() -> CredentialFault {
    checks::counter_back()
}

impl RelyingParty {
    /// Starts an authentication with one of these authenticators, all of this party; `timeout` is as
    /// for [`RelyingParty::start`].
    ///
    /// # Errors
    /// [`Error::NotStarted`].
    pub fn start_authentication(
        &self,
        allowed: &[&Authenticator],
        timeout: Duration,
    ) -> Result<Started, Error> {
        let (made, _) = self
            .library
            .start_discoverable_authentication()
            .map_err(|source| Error::NotStarted {
                ceremony: "an authentication",
                source,
            })?;
        let challenge = Bytes(made.public_key.challenge);
        let options = options::request(&options::Assertion {
            rp_id: &self.id,
            challenge: &challenge,
            allowed,
            // A security key may have no way to verify its user, so one of them among the allowed
            // authenticators rules the requirement out.
            user_verification: allowed
                .iter()
                .all(|one| one.method_type == MethodType::Passkey),
            timeout,
        });
        Ok(Started { options, challenge })
    }

    /// Finishes an authentication by this authenticator, as it is stored now. `handle` is the user
    /// handle of its owner.
    ///
    /// # Errors
    /// What is wrong with the assertion.
    pub fn finish_authentication(
        &self,
        request: AssertionRequest<'_>,
        assertion: &Assertion,
        by: &Authenticator,
        handle: Option<Uuid>,
    ) -> Result<Asserted, CredentialFault> {
        let expected = checks::Expected {
            challenge: request.challenge,
            rp_id: &self.id,
            origins: [&self.origins, &self.related_origins],
            // An authenticator that verified its user at enrolment must do so at each use.
            user_verification: by.user_verified || by.method_type == MethodType::Passkey,
        };
        if !request.allowed.contains(&by.id) || *assertion.credential_id() != by.credential_id {
            return Err(checks::not_allowed());
        }
        let said = checks::assertion(&expected, assertion, by, handle)?;
        self.verify_assertion(request.challenge, assertion, by)?;
        checks::counter(said.sign_count, by.sign_count)?;
        Ok(Asserted {
            user_verified: said.user_verified,
            backed_up: said.backed_up,
            sign_count: said.sign_count,
        })
    }

    fn verify_assertion(
        &self,
        challenge: &Bytes,
        assertion: &Assertion,
        by: &Authenticator,
    ) -> Result<(), CredentialFault> {
        let unreadable = |_| CredentialFault {
            reason: Reason::PublicKey,
            message: "The stored key of this authenticator cannot be read: enrol it anew.".into(),
        };
        let mut credential: Credential =
            serde_json::from_value(by.credential.clone()).map_err(unreadable)?;
        // It is compared by `checks::counter`, after the signature, for its own reason.
        credential.counter = 0;
        if assertion.client_data().has_mark() {
            return verify_signature(&credential, assertion);
        }
        let state: DiscoverableAuthentication =
            serde_json::from_value(library_state(challenge)).map_err(unreadable)?;
        let response: PublicKeyCredential =
            serde_json::from_value(assertion.for_library()).map_err(unreadable)?;
        self.library
            .finish_discoverable_authentication_v2(&response, state, &credential)
            .map(|_| ())
            .map_err(|error| checks::fault_of(&error))
    }
}

/// Verifies the signature over the client data as it was sent (§7.2, steps 20 and 21). The library
/// does not parse client data with a byte-order mark; all that it checks before the signature,
/// [`checks::assertion`] has checked.
fn verify_signature(credential: &Credential, assertion: &Assertion) -> Result<(), CredentialFault> {
    let hash = digest(&SHA256, &assertion.client_data().sent.0);
    let signed = [assertion.authenticator_data(), hash.as_ref()].concat();
    match credential
        .cred
        .verify_signature(assertion.signature(), &signed)
    {
        Ok(true) => Ok(()),
        Ok(false) => Err(checks::fault_of(&WebauthnError::AuthenticationFailure)),
        Err(error) => Err(checks::fault_of(&error)),
    }
}

/// The library's state of an authentication, as JSON: its fields are private to it. User verification
/// is checked in [`RelyingParty::finish_authentication`].
fn library_state(challenge: &Bytes) -> Value {
    json!({
        "ast": {
            "credentials": [],
            "policy": "preferred",
            "challenge": challenge,
            "appid": null,
            "allow_backup_eligible_upgrade": false,
        },
    })
}

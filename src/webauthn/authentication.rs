//! Authentications: requesting an assertion, and verifying it (WebAuthn Level 3 §7.2).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{
    Credential, DiscoverableAuthentication, PublicKeyCredential, WebauthnError,
};

use super::{Assertion, CredentialFault, Error, Reason, RelyingParty, Started, checks, options};
use cedargate_core::{Authenticator, Bytes, MethodType};

/// The values of a verified assertion.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asserted {
    /// The flag UV.
    pub user_verified: bool,
    /// The flag BS.
    pub backed_up: bool,
    /// The signature counter. It is greater than that of the authenticator that was passed in (or both
    /// are zero). The store compares it again with the one that is stored by then.
    pub sign_count: u32,
}

/// The parts of the options that the assertion must match (§7.2, steps 5 and 11). User verification
/// (step 17) is not among them: the options require it if all allowed authenticators are passkeys, and
/// [`RelyingParty::finish_authentication`] requires it of every passkey.
#[derive(Clone, Copy, Debug)]
pub struct AssertionRequest<'a> {
    pub challenge: &'a Bytes,
    /// The [`Authenticator::id`]s of `allowCredentials`. They are shorter than credential ids, and an
    /// authenticator that is removed and enrolled again gets another id.
    pub allowed: &'a [Uuid],
}

/// Returns the fault of an assertion whose counter is not above the stored one.
pub fn counter_back() -> CredentialFault {
    checks::counter_back()
}

impl RelyingParty {
    /// Starts an authentication with one of these authenticators, which must be enrolled at this
    /// party. `timeout` is a hint to the browser.
    ///
    /// # Errors
    /// Returns [`Error::NotStarted`] if the library fails.
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
        let options = options::request(&options::AssertionOptions {
            rp_id: &self.id,
            challenge: &challenge,
            allowed,
            // A security key may be unable to verify its user, so verification is required only if all
            // allowed authenticators are passkeys.
            user_verification: allowed
                .iter()
                .all(|authenticator| authenticator.method_type == MethodType::Passkey),
            timeout,
        });
        Ok(Started { options, challenge })
    }

    /// Finishes an authentication with this authenticator, as it is stored now. `handle` is the user
    /// handle of its owner.
    ///
    /// # Errors
    /// Returns the first fault of the assertion.
    pub fn finish_authentication(
        &self,
        request: AssertionRequest<'_>,
        assertion: &Assertion,
        authenticator: &Authenticator,
        handle: Option<Uuid>,
    ) -> Result<Asserted, CredentialFault> {
        let expected = checks::Expected {
            challenge: request.challenge,
            rp_id: &self.id,
            origins: [&self.origins, &self.related_origins],
            // An authenticator that verified its user at enrolment must do so at each use, whatever the
            // options require.
            user_verification: authenticator.user_verified
                || authenticator.method_type == MethodType::Passkey,
        };
        if !request.allowed.contains(&authenticator.id)
            || *assertion.credential_id() != authenticator.credential_id
        {
            return Err(checks::not_allowed());
        }
        let unverified = checks::assertion(&expected, assertion, authenticator, handle)?;
        self.verify_assertion(request.challenge, assertion, authenticator)?;
        checks::counter(unverified.sign_count, authenticator.sign_count)?;
        Ok(Asserted {
            user_verified: unverified.user_verified,
            backed_up: unverified.backed_up,
            sign_count: unverified.sign_count,
        })
    }

    fn verify_assertion(
        &self,
        challenge: &Bytes,
        assertion: &Assertion,
        authenticator: &Authenticator,
    ) -> Result<(), CredentialFault> {
        let unreadable = |_| {
            CredentialFault {
            reason: Reason::PublicKey,
            message: "The stored key of this authenticator cannot be read: enrol the authenticator again.".into(),
        }
        };
        let mut credential: Credential =
            serde_json::from_value(authenticator.credential.clone()).map_err(unreadable)?;
        // Disables the library's comparison: `checks::counter` compares after the signature is verified,
        // with its own reason.
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
            .map_err(|error| checks::library_fault(&error))
    }
}

/// Verifies the signature over the client data as it was sent (§7.2, steps 20 and 21). It stands in for
/// the library, which does not parse client data with a byte-order mark. [`checks::assertion`] has made
/// the checks that the library makes before the signature.
fn verify_signature(credential: &Credential, assertion: &Assertion) -> Result<(), CredentialFault> {
    let hash = digest(&SHA256, &assertion.client_data().sent.0);
    let signed = [assertion.authenticator_data(), hash.as_ref()].concat();
    match credential
        .cred
        .verify_signature(assertion.signature(), &signed)
    {
        Ok(true) => Ok(()),
        Ok(false) => Err(checks::library_fault(&WebauthnError::AuthenticationFailure)),
        Err(error) => Err(checks::library_fault(&error)),
    }
}

/// Builds the library's state of an authentication as JSON, because its fields are private.
/// [`RelyingParty::finish_authentication`] checks user verification.
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

//! Using an authenticator: an assertion is asked for, and verified (WebAuthn Level 3 §7.2).

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{Credential, DiscoverableAuthentication, PublicKeyCredential};

use super::{Assertion, Pending, RelyingParty, Started, checks, options, state_for};
use crate::error::{CredentialFault, Error, Reason};
use crate::model::{Authenticator, Bytes, MethodType};

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

/// The fault of an assertion whose counter the store has seen already.
pub fn counter_back() -> CredentialFault {
    checks::counter_back()
}

impl RelyingParty {
    /// Starts an authentication with one of these authenticators, all of this party; `timeout` is as
    /// for [`RelyingParty::start`].
    ///
    /// # Errors
    /// [`Error::Internal`] when the library does not start it.
    pub fn start_authentication(
        &self,
        allowed: &[&Authenticator],
        timeout: Duration,
    ) -> Result<Started, Error> {
        let (made, _) = self
            .library
            .start_discoverable_authentication()
            .map_err(|error| {
                Error::Internal(format!("an authentication does not start: {error:?}"))
            })?;
        let challenge = Bytes(made.public_key.challenge);
        Ok(Started {
            options: options::request(&self.id, &challenge, allowed, timeout),
            state: state_for(&challenge),
            challenge,
        })
    }

    /// Finishes an authentication by this authenticator, as it is stored now. `handle` is the user
    /// handle of its owner.
    ///
    /// # Errors
    /// What is wrong with the assertion.
    pub fn finish_authentication(
        &self,
        state: &Value,
        assertion: &Assertion,
        by: &Authenticator,
        handle: Option<Uuid>,
    ) -> Result<Asserted, CredentialFault> {
        let pending = Pending::deserialize(state).map_err(|_| CredentialFault {
            reason: Reason::Challenge,
            message: "This was begun by another version of the gateway: begin anew.".into(),
        })?;
        let expected = checks::Expected {
            challenge: &pending.challenge,
            rp_id: &self.id,
            origins: [&self.origins, &self.related_origins],
            // Who was verified when it was enrolled is verified each time.
            user_verification: by.user_verified || by.method_type == MethodType::Passkey,
        };
        let said = checks::assertion(&expected, assertion, by, handle)?;
        self.verify_assertion(&pending.challenge, assertion, by)?;
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

/// The library's state of an authentication, as JSON: its fields are private to it. User verification
/// is checked by us, as what is stored of the authenticator says.
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

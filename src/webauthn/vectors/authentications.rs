//! Published authentications. Each authenticator is enrolled first, without attestation, by a forged
//! registration with the published key.

use super::*;
use crate::webauthn::forge::{AT, BE, BS, Forge, UP, UV};
use crate::webauthn::{Assertion, AssertionRequest};
use cedargate_core::{Authenticator, Timestamp};

impl Case {
    /// Enrols the authenticator. Returns it, or the reason of the refusal.
    fn enrol(&self, parties: &RelyingParties) -> Result<Authenticator, String> {
        let stored = self.stored.as_ref().unwrap();
        let flags = self.flags.as_ref().unwrap();
        let backup_eligible = stored.backup_eligible.unwrap_or(flags.be);
        let method_type = self.method_type();
        let verified = method_type == MethodType::Passkey;
        let mut forge = Forge::new(&self.challenge);
        forge.client(json!({ "origin": self.origin }));
        forge.rp_id.clone_from(&self.rp_id);
        forge.credential_id.clone_from(&stored.credential_id.0);
        forge.key.clone_from(&stored.public_key_cose.0);
        forge.flags = UP | AT;
        forge.flags |= if verified { UV } else { 0 };
        forge.flags |= if backup_eligible { BE } else { 0 };
        forge.flags |= if backup_eligible && flags.bs { BS } else { 0 };
        let party = parties.for_tenant(None).unwrap();
        let response = forge.response();
        let verified = party.finish(method_type, &self.challenge, &response);
        let verified = verified.map_err(|fault| word(&fault))?;
        Ok(Authenticator {
            id: Uuid::nil(),
            method_type,
            device_name: self.name.clone(),
            rp_id: self.rp_id.clone(),
            credential_id: verified.credential_id,
            proven_model: None,
            claimed_model: None,
            claimed_transports: vec![],
            user_verified: verified.user_verified,
            backup_eligible,
            backed_up: verified.backed_up,
            sign_count: stored.sign_count,
            created_at: Timestamp::from_millis(0),
            last_used_at: None,
            trusted: false,
            credential: verified.credential,
        })
    }

    /// Verifies the assertion. The published user handle is not that of the test's account, and is not
    /// signed, so it is left out unless `with_handle` is set.
    fn assert(&self, with_handle: bool) -> Result<(), String> {
        let parties = self.parties(vec![]);
        let authenticator = self.enrol(&parties)?;
        let mut credential = self.credential.clone();
        if !with_handle {
            credential["response"]
                .as_object_mut()
                .unwrap()
                .remove("userHandle");
        }
        let assertion = Assertion::parse(&credential).map_err(|_| "shape".to_owned())?;
        let handle = Some(Uuid::from_u128(1));
        let request = AssertionRequest {
            challenge: &self.challenge,
            allowed: &[authenticator.id],
        };
        let asserted = parties
            .for_tenant(None)
            .unwrap()
            .finish_authentication(request, &assertion, &authenticator, handle)
            .map_err(|fault| word(&fault))?;
        let flags = self.flags.as_ref().unwrap();
        let (got, expected) = (
            (asserted.user_verified, asserted.backed_up),
            (flags.uv, flags.bs),
        );
        assert_eq!(got, expected, "{}", self.id());
        assert_eq!(Some(asserted.sign_count), self.sign_count, "{}", self.id());
        Ok(())
    }
}

#[test]
fn published_authentication_verifies_if_the_library_supports_it() {
    let cases = cases("positive_authentication.json", "authentication");
    let mut counts = BTreeMap::new();
    for case in &cases {
        let supported = matches!(case.cose_alg, Some(-7 | -35 | -257));
        let expected = match case.id() {
            // An RSA key of 3488 bits. The library accepts 2048 bits only.
            "PA-007" => "public_key",
            _ if supported => "verified",
            _ => "algorithm",
        };
        let outcome = case.assert(false);
        let got = outcome.as_ref().err().map_or("verified", String::as_str);
        assert_eq!(got, expected, "{} {}", case.id(), case.name);
        let has_handle = case.credential["response"]["userHandle"].is_string();
        if has_handle && expected == "verified" {
            let with_handle = case.assert(true);
            assert_eq!(with_handle, Err("user_handle".to_owned()), "{}", case.id());
        }
        *counts.entry(expected).or_insert(0) += 1;
    }
    let expected = BTreeMap::from([("algorithm", 16), ("public_key", 1), ("verified", 30)]);
    assert!(cases.is_empty() || counts == expected, "{counts:?}");
}

#[test]
fn bad_published_authentication_is_refused_with_its_reason() {
    let expected = [
        ("NU-009", "signature"),
        ("NU-010", "user_verification"),
        ("NU-020", "signature"),
        ("NU-021", "signature"),
        ("NU-022", "signature"),
        ("NU-023", "counter"),
        ("NU-024", "counter"),
        ("NU-025", "counter"),
        ("PP-003", "cross_origin"),
        ("PP-004", "cross_origin"),
    ];
    let negative = cases("negative_upstream.json", "authentication");
    let cases: Vec<_> = negative
        .into_iter()
        .chain(cases("policy_dependent.json", "authentication"))
        .collect();
    let outcomes: Vec<_> = cases.iter().map(|case| case.assert(false)).collect();
    let got: Vec<_> = cases
        .iter()
        .zip(&outcomes)
        .map(|(case, outcome)| {
            let reason = outcome.as_ref().err().map(String::as_str);
            (case.id(), reason.unwrap_or("verified"))
        })
        .collect();
    assert!(cases.is_empty() || got == expected, "{got:#?}");
}

/// Changes single bits of the signed data and the signature.
#[test]
fn changed_bit_of_a_published_authentication_is_refused() {
    for mut case in cases("positive_authentication.json", "authentication") {
        for member in ["authenticatorData", "signature", "clientDataJSON"] {
            let text = case.credential["response"][member].as_str().unwrap();
            let whole: Bytes = text.parse().unwrap();
            for at in (0..whole.0.len()).step_by(13) {
                let mut changed = whole.clone();
                changed.0[at] ^= 1 << (at % 8);
                case.credential["response"][member] = json!(changed);
                let outcome = case.assert(false);
                assert!(outcome.is_err(), "{} {member} {at}", case.id());
            }
            case.credential["response"][member] = json!(whole);
        }
    }
}

//! Assertions, most of them with one fault.

use super::*;
use crate::webauthn::forge::{EMPTY_MAP, ForgedAssertion};

/// Returns the user handle of the owner of the authenticators.
pub(super) fn handle() -> Uuid {
    person().handle
}

/// Returns the authenticator that is stored for the credential of a forge.
pub(super) fn enrol(forge: &Forge, method_type: MethodType) -> Authenticator {
    let verified = finish(method_type, &forge.response()).unwrap();
    Authenticator {
        id: Uuid::from_u128(1),
        method_type,
        device_name: "key".into(),
        rp_id: RP_ID.into(),
        credential_id: verified.credential_id,
        proven_model: None,
        claimed_model: verified.claimed_model,
        claimed_transports: verified.claimed_transports,
        user_verified: verified.user_verified,
        backup_eligible: verified.backup_eligible,
        backed_up: verified.backed_up,
        sign_count: verified.sign_count,
        created_at: Timestamp::from_millis(0),
        last_used_at: None,
        trusted: false,
        credential: verified.credential,
    }
}

pub(super) fn asserted(
    authenticator: &Authenticator,
    assertion: &Assertion,
) -> Result<Asserted, CredentialFault> {
    finish_assertion(&[authenticator], assertion, authenticator, Some(handle()))
}

/// Finishes an authentication for which these authenticators were allowed.
fn finish_assertion(
    allowed: &[&Authenticator],
    assertion: &Assertion,
    authenticator: &Authenticator,
    handle: Option<Uuid>,
) -> Result<Asserted, CredentialFault> {
    let allowed: Vec<_> = allowed
        .iter()
        .map(|authenticator| authenticator.id)
        .collect();
    let request = AssertionRequest {
        challenge: &Bytes(CHALLENGE.to_vec()),
        allowed: &allowed,
    };
    let parties = parties_with(vec![]);
    let party = parties.for_tenant(None).unwrap();
    party.finish_authentication(request, assertion, authenticator, handle)
}

/// A change that makes an assertion wrong.
type Change<'a> = &'a dyn Fn(&mut ForgedAssertion);

/// An enrolled authenticator.
struct Enrolled {
    forge: Forge,
    stored: Authenticator,
}

impl Enrolled {
    fn new(method_type: MethodType, flags: u8) -> Self {
        let mut forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
        forge.flags = flags | AT;
        let stored = enrol(&forge, method_type);
        Self { forge, stored }
    }

    fn passkey() -> Self {
        Self::new(MethodType::Passkey, UP | UV)
    }

    fn outcome(
        &self,
        change: impl FnOnce(&mut ForgedAssertion),
    ) -> Result<Asserted, CredentialFault> {
        let mut assertion = self.forge.assertion(&Bytes(CHALLENGE.to_vec()));
        change(&mut assertion);
        asserted(&self.stored, &assertion.response())
    }

    fn refused(&self, change: impl FnOnce(&mut ForgedAssertion)) -> Reason {
        self.outcome(change).unwrap_err().reason
    }
}

#[test]
fn good_assertion_verifies_with_its_values() {
    let mut passkey = Enrolled::passkey();
    let good = passkey.outcome(|_| {}).unwrap();
    let expected = Asserted {
        user_verified: true,
        backed_up: false,
        sign_count: 2,
    };
    assert_eq!(good, expected);
    let own = Bytes(handle().as_bytes().to_vec());
    let with_handle = passkey.outcome(|forged| forged.user_handle = Some(own));
    assert_eq!(with_handle, Ok(expected));
    // Extensions that the authenticator adds on its own are ignored.
    let extended = passkey.outcome(|forged| {
        forged.flags |= ED;
        forged.after_counter = b"\xa1kcredProtect\x02".to_vec();
    });
    assert_eq!(extended, Ok(expected));
    // The device name and the transports do not matter.
    passkey.stored.device_name.clear();
    passkey.stored.claimed_transports.clear();
    assert!(passkey.outcome(|_| {}).is_ok());
}

#[test]
fn wrong_client_data_of_an_assertion_is_refused_with_its_reason() {
    let passkey = Enrolled::passkey();
    let client = |members: Value| passkey.refused(|forged| forged.client(&members));
    assert_eq!(client(json!({ "type": "webauthn.create" })), Reason::Type);
    assert_eq!(client(json!({ "type": "payment.get" })), Reason::Type);
    let other = Bytes(vec![2; 32]);
    assert_eq!(client(json!({ "challenge": other })), Reason::Challenge);
    for origin in [
        "https://app.example.com/",
        "https://sub.app.example.com",
        "https://example.com:8444",
        "http://app.example.com",
        "https://evil.example",
        "null",
    ] {
        assert_eq!(
            client(json!({ "origin": origin })),
            Reason::Origin,
            "{origin}"
        );
    }
    assert_eq!(client(json!({ "crossOrigin": true })), Reason::CrossOrigin);
    for top in [ORIGIN, "https://example.com"] {
        assert_eq!(client(json!({ "topOrigin": top })), Reason::CrossOrigin);
    }
    assert_eq!(client(json!({ "type": 7 })), Reason::ClientData);
    let repeated = passkey.refused(|forged| {
        forged.client_data.pop();
        forged.client_data.push_str(",\"type\":\"webauthn.get\"}");
    });
    assert_eq!(repeated, Reason::ClientData);
}

#[test]
fn assertion_from_a_related_origin_is_accepted() {
    let passkey = Enrolled::passkey();
    for origin in [ORIGIN, "https://example.com:8443", "https://example.de"] {
        let outcome =
            passkey.outcome(|forged| forged.client(&json!({ "origin": origin, "new": [1] })));
        assert!(outcome.is_ok(), "{origin}");
    }
}

#[test]
fn wrong_authenticator_data_of_an_assertion_is_refused_with_its_reason() {
    let passkey = Enrolled::passkey();
    let attested = passkey.forge.attested();
    let data = Reason::AuthenticatorData;
    let cases: [(&str, Reason, Change<'_>); 11] = [
        ("another RP ID", Reason::RpId, &|forged| {
            forged.rp_id = "app.example.com".into();
        }),
        ("no presence", Reason::UserPresence, &|forged| {
            forged.flags = UV
        }),
        ("no verification", Reason::UserVerification, &|forged| {
            forged.flags = UP;
        }),
        ("eligible for backup since", data, &|forged| {
            forged.flags |= BE
        }),
        ("BS without BE", data, &|forged| forged.flags |= BS),
        ("trailing bytes", data, &|forged| {
            forged.after_counter = vec![0]
        }),
        ("a credential", data, &|forged| {
            forged.flags |= AT;
            forged.after_counter.clone_from(&attested);
        }),
        ("a credential without AT", data, &|forged| {
            forged.after_counter.clone_from(&attested);
        }),
        ("AT without a credential", data, &|forged| {
            forged.flags |= AT
        }),
        ("extensions without ED", data, &|forged| {
            forged.after_counter = EMPTY_MAP.into();
        }),
        ("ED without extensions", data, &|forged| forged.flags |= ED),
    ];
    for (what, reason, change) in cases {
        assert_eq!(passkey.refused(change), reason, "{what}");
    }
    let forged = passkey.forge.assertion(&Bytes(CHALLENGE.to_vec()));
    let whole = forged.authenticator_data();
    for length in 0..whole.len() {
        let json = forged.with_data(&whole[..length], vec![0; 70]);
        let assertion = Assertion::parse(&json).unwrap();
        let fault = asserted(&passkey.stored, &assertion).unwrap_err();
        assert_eq!(fault.reason, data, "{length}");
    }
}

#[test]
fn authenticator_that_verified_its_user_at_enrolment_must_do_so_at_each_use() {
    let verified = Enrolled::new(MethodType::Fido, UP | UV);
    assert_eq!(
        verified.refused(|forged| forged.flags = UP),
        Reason::UserVerification
    );
    let unverified = Enrolled::new(MethodType::Fido, UP);
    assert!(
        !unverified
            .outcome(|forged| forged.flags = UP)
            .unwrap()
            .user_verified
    );
    assert!(unverified.outcome(|_| {}).unwrap().user_verified);
    // A passkey must verify its user, even if the stored flag is false.
    let mut passkey = Enrolled::passkey();
    passkey.stored.user_verified = false;
    assert_eq!(
        passkey.refused(|forged| forged.flags = UP),
        Reason::UserVerification
    );
}

#[test]
fn changed_backup_eligibility_is_refused_and_changed_backup_state_is_accepted() {
    let synced = Enrolled::new(MethodType::Passkey, UP | UV | BE | BS);
    assert_eq!(
        synced.refused(|forged| forged.flags = UP | UV),
        Reason::AuthenticatorData
    );
    assert_eq!(
        synced.refused(|forged| forged.flags = UP | UV | BS),
        Reason::AuthenticatorData
    );
    for backed_up in [false, true] {
        let flags = UP | UV | BE | if backed_up { BS } else { 0 };
        let good = synced.outcome(|forged| forged.flags = flags).unwrap();
        assert_eq!(good.backed_up, backed_up);
    }
}

#[test]
fn counter_that_does_not_exceed_the_stored_one_is_refused() {
    let mut passkey = Enrolled::passkey();
    let counter_fault = counter_back();
    for (stored, shown, good) in [
        (0, 0, true),
        (0, 1, true),
        (0, u32::MAX, true),
        (1, 0, false),
        (7, 6, false),
        (7, 7, false),
        (7, 8, true),
        (u32::MAX - 1, u32::MAX, true),
        (u32::MAX, u32::MAX, false),
        (u32::MAX, 0, false),
        (u32::MAX, 1, false),
    ] {
        passkey.stored.sign_count = stored;
        let outcome = passkey.outcome(|forged| forged.sign_count = shown);
        match outcome {
            Ok(asserted) => assert!(good && asserted.sign_count == shown, "{stored} {shown}"),
            Err(fault) => assert!(
                !good && fault == counter_fault,
                "{stored} {shown}: {fault:?}"
            ),
        }
    }
    // A caller who cannot sign does not learn about the counter.
    let forged = passkey.outcome(|forged| {
        forged.sign_count = 0;
        forged.signed = Some(b"something else".to_vec());
    });
    assert_eq!(forged.unwrap_err().reason, Reason::Signature);
}

#[test]
fn user_handle_of_another_user_is_refused() {
    let passkey = Enrolled::passkey();
    for wrong in [
        Bytes(Uuid::from_u128(9).as_bytes().to_vec()),
        Bytes(handle().as_bytes()[..15].to_vec()),
        Bytes(vec![]),
        Bytes(handle().to_string().into_bytes()),
    ] {
        let reason = passkey.refused(|forged| forged.user_handle = Some(wrong.clone()));
        assert_eq!(reason, Reason::UserHandle, "{wrong}");
    }
    // An account without a user handle accepts none.
    let mut assertion = passkey.forge.assertion(&Bytes(CHALLENGE.to_vec()));
    assertion.user_handle = Some(Bytes(handle().as_bytes().to_vec()));
    let stored = &passkey.stored;
    let outcome = finish_assertion(&[stored], &assertion.response(), stored, None);
    assert_eq!(outcome.unwrap_err().reason, Reason::UserHandle);
}

#[test]
fn signature_of_another_key_or_over_other_data_is_refused() {
    let passkey = Enrolled::passkey();
    let signature = Reason::Signature;
    let hash = |text: &str| digest(&SHA256, text.as_bytes()).as_ref().to_vec();
    let cases: [(&str, Change<'_>); 6] = [
        ("other bytes", &|forged| {
            forged.signed = Some(b"other".to_vec())
        }),
        ("other client data", &|forged| {
            let other = hash(&forged.client_data.replace("false", "null"));
            forged.signed = Some([forged.authenticator_data(), other].concat());
        }),
        ("other authenticator data", &|forged| {
            let signed = [forged.authenticator_data(), hash(&forged.client_data)].concat();
            forged.signed = Some(signed);
            forged.sign_count += 1;
        }),
        ("client data that is not hashed", &|forged| {
            let all = [
                forged.authenticator_data(),
                forged.client_data.clone().into_bytes(),
            ];
            forged.signed = Some(all.concat());
        }),
        ("nothing", &|forged| forged.signature = Some(vec![])),
        ("no signature", &|forged| {
            forged.signature = Some(vec![0x30; 70])
        }),
    ];
    for (what, change) in cases {
        assert_eq!(passkey.refused(change), signature, "{what}");
    }
    // Another key with the same credential id.
    let other = Enrolled::passkey();
    let assertion = other.forge.assertion(&Bytes(CHALLENGE.to_vec()));
    let fault = asserted(&passkey.stored, &assertion.response()).unwrap_err();
    assert_eq!(fault.reason, signature);
}

#[test]
fn stored_key_that_cannot_be_read_is_refused() {
    let mut passkey = Enrolled::passkey();
    passkey.stored.credential = json!({ "cred_id": "AAAA" });
    assert_eq!(passkey.refused(|_| {}), Reason::PublicKey);
}

#[test]
fn authenticator_outside_allow_credentials_is_refused() {
    let touch = Enrolled::new(MethodType::Fido, UP);
    let mut passkey = Enrolled::passkey();
    passkey.stored.id = Uuid::from_u128(2);
    let mut assertion = touch.forge.assertion(&Bytes(CHALLENGE.to_vec()));
    assertion.flags = UP;
    let assertion = assertion.response();
    for allowed in [&[&passkey.stored][..], &[]] {
        let fault = finish_assertion(allowed, &assertion, &touch.stored, None).unwrap_err();
        assert_eq!(fault.reason, Reason::AllowCredentials, "{allowed:?}");
    }
    let both = [&passkey.stored, &touch.stored];
    assert!(finish_assertion(&both, &assertion, &touch.stored, None).is_ok());
    // An authenticator that was removed and enrolled again has another id.
    let mut again = touch.stored.clone();
    again.id = Uuid::from_u128(3);
    let fault = finish_assertion(&both, &assertion, &again, None).unwrap_err();
    assert_eq!(fault.reason, Reason::AllowCredentials);
}

#[test]
fn unverified_user_of_a_passkey_is_refused_whatever_was_stored() {
    let mut passkey = Enrolled::passkey();
    passkey.stored.user_verified = false;
    assert_eq!(
        passkey.refused(|forged| forged.flags = UP),
        Reason::UserVerification
    );
}

#[test]
fn options_require_user_verification_if_only_passkeys_are_allowed() {
    let touch = Enrolled::new(MethodType::Fido, UP);
    let passkey = Enrolled::passkey();
    let parties = parties_with(vec![]);
    let party = parties.for_tenant(None).unwrap();
    for (allowed, expected) in [
        (&[&passkey.stored][..], "required"),
        (&[&passkey.stored, &touch.stored], "preferred"),
        (&[&touch.stored], "preferred"),
    ] {
        let started = party
            .start_authentication(allowed, Duration::from_secs(270))
            .unwrap();
        assert_eq!(started.options["userVerification"], expected);
    }
}

#[test]
fn byte_order_mark_of_an_assertion_is_stripped_and_signed() {
    let passkey = Enrolled::passkey();
    let marked = |forged: &mut ForgedAssertion| forged.client_data.insert(0, '\u{feff}');
    let good = passkey.outcome(marked).unwrap();
    assert_eq!(good.sign_count, 2);
    // The JSON after the mark is checked as it is without a mark.
    type Case<'a> = (Reason, Change<'a>);
    let cases: [Case<'_>; 7] = [
        (Reason::Type, &|forged| {
            forged.client(&json!({ "type": "webauthn.create" }));
        }),
        (Reason::Origin, &|forged| {
            forged.client(&json!({ "origin": "https://evil.example" }));
        }),
        (Reason::RpId, &|forged| {
            forged.rp_id = "app.example.com".into()
        }),
        (Reason::UserVerification, &|forged| forged.flags = UP),
        (Reason::Signature, &|forged| forged.signature = Some(vec![])),
        (Reason::Signature, &|forged| {
            let hash = digest(&SHA256, forged.client_data.as_bytes());
            forged.signed = Some([&forged.authenticator_data(), hash.as_ref()].concat());
        }),
        (Reason::Counter, &|forged| forged.sign_count = 1),
    ];
    for (reason, change) in cases {
        let refused = passkey.refused(|forged| {
            change(forged);
            marked(forged);
        });
        assert_eq!(refused, reason);
    }
    let other = Enrolled::passkey();
    let mut assertion = other.forge.assertion(&Bytes(CHALLENGE.to_vec()));
    marked(&mut assertion);
    let fault = asserted(&passkey.stored, &assertion.response()).unwrap_err();
    assert_eq!(fault.reason, Reason::Signature, "another key");
    let mut stored = passkey.stored.clone();
    stored.credential_id = Bytes(vec![8; 32]);
    let fault = asserted(&stored, &assertion.response()).unwrap_err();
    assert_eq!(fault.reason, Reason::AllowCredentials, "another id");
}

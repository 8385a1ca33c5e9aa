//! Assertions that are good but for one thing.

use super::*;
use crate::webauthn::forge::{EMPTY_MAP, ForgedAssertion};

/// Who uses the authenticators here.
pub(super) fn handle() -> Uuid {
    person().handle
}

/// What is stored of the credential of a forge.
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
    by: &Authenticator,
    assertion: &Assertion,
) -> Result<Asserted, CredentialFault> {
    finish_assertion(&[by], assertion, by, Some(handle()))
}

/// The outcome of this assertion where these authenticators were allowed.
fn finish_assertion(
    allowed: &[&Authenticator],
    assertion: &Assertion,
    by: &Authenticator,
    handle: Option<Uuid>,
) -> Result<Asserted, CredentialFault> {
    let allowed: Vec<_> = allowed.iter().map(|one| one.id).collect();
    let request = AssertionRequest {
        challenge: &Bytes(CHALLENGE.to_vec()),
        allowed: &allowed,
    };
    let parties = parties_with(vec![]);
    let party = parties.of(None).unwrap();
    party.finish_authentication(request, assertion, by, handle)
}

/// How an assertion is made wrong.
type Change<'a> = &'a dyn Fn(&mut ForgedAssertion);

/// An authenticator that was enrolled so, and what becomes of an assertion that is changed.
struct Held {
    forge: Forge,
    stored: Authenticator,
}

impl Held {
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
fn a_good_one_tells_what_it_proved() {
    let mut passkey = Held::passkey();
    let good = passkey.outcome(|_| {}).unwrap();
    let expected = Asserted {
        user_verified: true,
        backed_up: false,
        sign_count: 2,
    };
    assert_eq!(good, expected);
    let own = Bytes(handle().as_bytes().to_vec());
    let with_handle = passkey.outcome(|it| it.user_handle = Some(own));
    assert_eq!(with_handle, Ok(expected));
    // extensions that the authenticator adds on its own mean nothing
    let extended = passkey.outcome(|it| {
        it.flags |= ED;
        it.after_counter = b"\xa1kcredProtect\x02".to_vec();
    });
    assert_eq!(extended, Ok(expected));
    // the names of things, and what is not in the credential, do not matter
    passkey.stored.device_name.clear();
    passkey.stored.claimed_transports.clear();
    assert!(passkey.outcome(|_| {}).is_ok());
}

#[test]
fn client_data_of_an_assertion_is_refused_for_its_own_reason() {
    let passkey = Held::passkey();
    let client = |members: Value| passkey.refused(|it| it.client(&members));
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
    let repeated = passkey.refused(|it| {
        it.client_data.pop();
        it.client_data.push_str(",\"type\":\"webauthn.get\"}");
    });
    assert_eq!(repeated, Reason::ClientData);
}

#[test]
fn a_related_origin_may_use_what_was_enrolled_elsewhere() {
    let passkey = Held::passkey();
    for origin in [ORIGIN, "https://example.com:8443", "https://example.de"] {
        let outcome = passkey.outcome(|it| it.client(&json!({ "origin": origin, "new": [1] })));
        assert!(outcome.is_ok(), "{origin}");
    }
}

#[test]
fn authenticator_data_of_an_assertion_is_refused_for_its_own_reason() {
    let passkey = Held::passkey();
    let attested = passkey.forge.attested();
    let data = Reason::AuthenticatorData;
    let cases: [(&str, Reason, Change<'_>); 11] = [
        ("another RP ID", Reason::RpId, &|it| {
            it.rp_id = "app.example.com".into();
        }),
        ("no presence", Reason::UserPresence, &|it| it.flags = UV),
        ("no verification", Reason::UserVerification, &|it| {
            it.flags = UP;
        }),
        ("eligible now", data, &|it| it.flags |= BE),
        ("backed up, not eligible", data, &|it| it.flags |= BS),
        ("trailing bytes", data, &|it| it.after_counter = vec![0]),
        ("a credential", data, &|it| {
            it.flags |= AT;
            it.after_counter.clone_from(&attested);
        }),
        ("a credential that is not said", data, &|it| {
            it.after_counter.clone_from(&attested);
        }),
        ("a credential that is not there", data, &|it| it.flags |= AT),
        ("extensions that are not said", data, &|it| {
            it.after_counter = EMPTY_MAP.into();
        }),
        ("extensions that are not there", data, &|it| it.flags |= ED),
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
fn who_was_verified_at_the_enrolment_is_verified_each_time() {
    let verified = Held::new(MethodType::Fido, UP | UV);
    assert_eq!(
        verified.refused(|it| it.flags = UP),
        Reason::UserVerification
    );
    let unverified = Held::new(MethodType::Fido, UP);
    assert!(
        !unverified
            .outcome(|it| it.flags = UP)
            .unwrap()
            .user_verified
    );
    assert!(unverified.outcome(|_| {}).unwrap().user_verified);
    // a passkey is verified whatever is stored of it
    let mut passkey = Held::passkey();
    passkey.stored.user_verified = false;
    assert_eq!(
        passkey.refused(|it| it.flags = UP),
        Reason::UserVerification
    );
}

#[test]
fn whether_it_may_be_synced_never_changes_and_whether_it_is_may() {
    let synced = Held::new(MethodType::Passkey, UP | UV | BE | BS);
    assert_eq!(
        synced.refused(|it| it.flags = UP | UV),
        Reason::AuthenticatorData
    );
    assert_eq!(
        synced.refused(|it| it.flags = UP | UV | BS),
        Reason::AuthenticatorData
    );
    for backed_up in [false, true] {
        let flags = UP | UV | BE | if backed_up { BS } else { 0 };
        let good = synced.outcome(|it| it.flags = flags).unwrap();
        assert_eq!(good.backed_up, backed_up);
    }
}

#[test]
fn the_counter_is_compared_with_the_one_that_is_stored() {
    let mut passkey = Held::passkey();
    let back = counter_back();
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
        let outcome = passkey.outcome(|it| it.sign_count = shown);
        match outcome {
            Ok(asserted) => assert!(good && asserted.sign_count == shown, "{stored} {shown}"),
            Err(fault) => assert!(!good && fault == back, "{stored} {shown}: {fault:?}"),
        }
    }
    // whoever cannot sign is not told of the counter
    let forged = passkey.outcome(|it| {
        it.sign_count = 0;
        it.signed = Some(b"something else".to_vec());
    });
    assert_eq!(forged.unwrap_err().reason, Reason::Signature);
}

#[test]
fn it_answers_for_its_owner_only() {
    let passkey = Held::passkey();
    for wrong in [
        Bytes(Uuid::from_u128(9).as_bytes().to_vec()),
        Bytes(handle().as_bytes()[..15].to_vec()),
        Bytes(vec![]),
        Bytes(handle().to_string().into_bytes()),
    ] {
        let reason = passkey.refused(|it| it.user_handle = Some(wrong.clone()));
        assert_eq!(reason, Reason::UserHandle, "{wrong}");
    }
    // an account without a handle is nobody's
    let mut assertion = passkey.forge.assertion(&Bytes(CHALLENGE.to_vec()));
    assertion.user_handle = Some(Bytes(handle().as_bytes().to_vec()));
    let stored = &passkey.stored;
    let outcome = finish_assertion(&[stored], &assertion.response(), stored, None);
    assert_eq!(outcome.unwrap_err().reason, Reason::UserHandle);
}

#[test]
fn only_its_own_key_signs_and_all_that_is_said_is_signed() {
    let passkey = Held::passkey();
    let signature = Reason::Signature;
    let hash = |text: &str| digest(&SHA256, text.as_bytes()).as_ref().to_vec();
    let cases: [(&str, Change<'_>); 6] = [
        ("other bytes", &|it| it.signed = Some(b"other".to_vec())),
        ("other client data", &|it| {
            let other = hash(&it.client_data.replace("false", "null"));
            it.signed = Some([it.authenticator_data(), other].concat());
        }),
        ("other authenticator data", &|it| {
            let signed = [it.authenticator_data(), hash(&it.client_data)].concat();
            it.signed = Some(signed);
            it.sign_count += 1;
        }),
        ("client data that is not hashed", &|it| {
            let all = [it.authenticator_data(), it.client_data.clone().into_bytes()];
            it.signed = Some(all.concat());
        }),
        ("nothing", &|it| it.signature = Some(vec![])),
        ("no signature", &|it| it.signature = Some(vec![0x30; 70])),
    ];
    for (what, change) in cases {
        assert_eq!(passkey.refused(change), signature, "{what}");
    }
    // another key under the same id
    let other = Held::passkey();
    let assertion = other.forge.assertion(&Bytes(CHALLENGE.to_vec()));
    let fault = asserted(&passkey.stored, &assertion.response()).unwrap_err();
    assert_eq!(fault.reason, signature);
}

#[test]
fn stored_key_that_cannot_be_read_is_refused() {
    let mut passkey = Held::passkey();
    passkey.stored.credential = json!({ "cred_id": "AAAA" });
    assert_eq!(passkey.refused(|_| {}), Reason::PublicKey);
}

#[test]
fn authenticator_outside_allow_credentials_is_refused() {
    let touch = Held::new(MethodType::Fido, UP);
    let mut passkey = Held::passkey();
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
    // An authenticator that was removed and enrolled again is another one.
    let mut again = touch.stored.clone();
    again.id = Uuid::from_u128(3);
    let fault = finish_assertion(&both, &assertion, &again, None).unwrap_err();
    assert_eq!(fault.reason, Reason::AllowCredentials);
}

#[test]
fn unverified_user_of_a_passkey_is_refused_whatever_was_stored() {
    let mut passkey = Held::passkey();
    passkey.stored.user_verified = false;
    assert_eq!(
        passkey.refused(|it| it.flags = UP),
        Reason::UserVerification
    );
}

#[test]
fn options_require_user_verification_if_only_passkeys_are_allowed() {
    let touch = Held::new(MethodType::Fido, UP);
    let passkey = Held::passkey();
    let parties = parties_with(vec![]);
    let party = parties.of(None).unwrap();
    for (allowed, asked) in [
        (&[&passkey.stored][..], "required"),
        (&[&passkey.stored, &touch.stored], "preferred"),
        (&[&touch.stored], "preferred"),
    ] {
        let started = party
            .start_authentication(allowed, Duration::from_secs(270))
            .unwrap();
        assert_eq!(started.options["userVerification"], asked);
    }
}

#[test]
fn byte_order_mark_of_an_assertion_is_stripped_and_signed() {
    let passkey = Held::passkey();
    let marked = |it: &mut ForgedAssertion| it.client_data.insert(0, '\u{feff}');
    let good = passkey.outcome(marked).unwrap();
    assert_eq!(good.sign_count, 2);
    // What stands behind the mark is checked as it is without one.
    type Case<'a> = (Reason, Change<'a>);
    let cases: [Case<'_>; 7] = [
        (Reason::Type, &|it| {
            it.client(&json!({ "type": "webauthn.create" }));
        }),
        (Reason::Origin, &|it| {
            it.client(&json!({ "origin": "https://evil.example" }));
        }),
        (Reason::RpId, &|it| it.rp_id = "app.example.com".into()),
        (Reason::UserVerification, &|it| it.flags = UP),
        (Reason::Signature, &|it| it.signature = Some(vec![])),
        (Reason::Signature, &|it| {
            let hash = digest(&SHA256, it.client_data.as_bytes());
            it.signed = Some([&it.authenticator_data(), hash.as_ref()].concat());
        }),
        (Reason::Counter, &|it| it.sign_count = 1),
    ];
    for (reason, change) in cases {
        let refused = passkey.refused(|it| {
            change(it);
            marked(it);
        });
        assert_eq!(refused, reason);
    }
    let other = Held::passkey();
    let mut assertion = other.forge.assertion(&Bytes(CHALLENGE.to_vec()));
    marked(&mut assertion);
    let fault = asserted(&passkey.stored, &assertion.response()).unwrap_err();
    assert_eq!(fault.reason, Reason::Signature, "another key");
    let mut stored = passkey.stored.clone();
    stored.credential_id = Bytes(vec![8; 32]);
    let fault = asserted(&stored, &assertion.response()).unwrap_err();
    assert_eq!(fault.reason, Reason::AllowCredentials, "another id");
}

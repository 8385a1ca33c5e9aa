//! Arbitrary input in place of a registration response.

use proptest::prelude::*;

use super::*;
use crate::webauthn::forge::with_object;

#[test]
fn truncated_response_is_refused() {
    let forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
    let whole = forge.response().attestation_object().to_vec();
    for length in 0..whole.len() {
        let json = with_object(&forge, &whole[..length]);
        let fault = finish(
            MethodType::Passkey,
            &RegistrationResponse::parse(&json).unwrap(),
        )
        .unwrap_err();
        assert_eq!(fault.reason, Reason::AuthenticatorData, "{length}");
    }
}

pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from("public-key")),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| json!(Bytes(bytes))),
    ];
    let name = prop_oneof![
        Just("id".to_owned()),
        Just("rawId".to_owned()),
        Just("type".to_owned()),
        Just("response".to_owned()),
        Just("clientDataJSON".to_owned()),
        Just("attestationObject".to_owned()),
        Just("transports".to_owned()),
        Just("authenticatorData".to_owned()),
        Just("signature".to_owned()),
        Just("userHandle".to_owned()),
        ".{0,6}",
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_parsed_or_refused_with_its_members(json in any_json()) {
        if let Err(fields) = RegistrationResponse::parse(&json) {
            prop_assert!(!fields.is_empty());
            prop_assert!(fields.iter().all(|field| field.member.starts_with("credential")));
        }
    }

    #[test]
    fn any_bytes_as_attestation_object_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
        let response = RegistrationResponse::parse(&with_object(&forge, &bytes)).unwrap();
        let fault = finish(MethodType::Fido, &response).unwrap_err();
        prop_assert_eq!(fault.reason, Reason::AuthenticatorData);
    }

    #[test]
    fn changed_byte_of_a_signed_registration_is_refused(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
        forge.sign_itself();
        let mut object = forge.response().attestation_object().to_vec();
        let at = at.index(object.len());
        object[at] ^= flip;
        let response = RegistrationResponse::parse(&with_object(&forge, &object)).unwrap();
        prop_assert!(finish(MethodType::Passkey, &response).is_err());
    }

    #[test]
    fn any_incomplete_client_data_is_refused(text in "\\PC{0,60}", members in any_json()) {
        let mut forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
        forge.client_data = json!({
            "challenge": Bytes(CHALLENGE.to_vec()),
            "type": text,
            "more": members,
        }).to_string();
        let fault = finish(MethodType::Passkey, &forge.response()).unwrap_err();
        prop_assert_eq!(fault.reason, Reason::ClientData);
    }
}

//! Whole ceremonies: good ones with software authenticators of another project, and bad ones, each
//! refused with its own reason.

mod assertions;
mod hostile;
mod hostile_assertions;
mod options;
mod refusals;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_authenticator_rs::AuthenticatorBackendHashedClientData;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;
use webauthn_authenticator_rs::softtoken::SoftToken;
use webauthn_rs::prelude::{
    CreationChallengeResponse, PasskeyRegistration, SecurityKeyRegistration,
};

use super::forge::{AT, BE, BS, ED, Forge, ORIGIN, RP_ID, UP, UV};
use super::*;
use cedargate_core::Timestamp;

pub(super) const CHALLENGE: [u8; 32] = [1; 32];

/// Builds one party for all tenants.
pub(super) fn parties_with(models: Vec<Model>) -> RelyingParties {
    RelyingParties::new(vec![Settings {
        id: RP_ID.into(),
        name: "Example".into(),
        origins: vec![ORIGIN.into(), "https://example.com:8443".into()],
        related_origins: vec!["https://example.de".into()],
        tenants: Tenants::Any,
        method_types: MethodType::ALL.to_vec(),
        models,
    }])
    .unwrap()
}

fn person() -> Person<'static> {
    Person {
        handle: Uuid::from_u128(0x0102_0304),
        name: "alice@example.com",
        display_name: "Alice",
    }
}

fn start(parties: &RelyingParties, method_type: MethodType, enrolled: &[Authenticator]) -> Started {
    let timeout = Duration::from_secs(270);
    parties
        .for_tenant(None)
        .unwrap()
        .start(method_type, &person(), enrolled, timeout)
        .unwrap()
}

fn finish(
    method_type: MethodType,
    response: &RegistrationResponse,
) -> Result<Verified, CredentialFault> {
    parties_with(vec![]).for_tenant(None).unwrap().finish(
        method_type,
        &Bytes(CHALLENGE.to_vec()),
        response,
    )
}

/// The library's state is built from the challenge alone. This test fails if an update of the library
/// changes the shape of its state.
#[test]
fn built_library_state_is_that_of_the_library() {
    let parties = parties_with(vec![]);
    let library = &parties.for_tenant(None).unwrap().library;
    let Person {
        handle,
        name,
        display_name,
    } = person();
    let (made, passkey) = library
        .start_passkey_registration(handle, name, display_name, None)
        .unwrap();
    let passkey = json!(passkey);
    compare(&made, &passkey, MethodType::Passkey);
    let (made, key) = library
        .start_securitykey_registration(handle, name, display_name, None, None, None)
        .unwrap();
    let key = json!(key);
    compare(&made, &key, MethodType::Fido);

    fn compare(made: &CreationChallengeResponse, library: &Value, method_type: MethodType) {
        let challenge = Bytes(made.public_key.challenge.clone());
        let mut built = library_state(&challenge, method_type);
        // The requested extensions are only recorded in the credential, and nothing reads them.
        built["rs"]["extensions"] = library["rs"]["extensions"].clone();
        assert_eq!(&built["rs"], &library["rs"]);
    }
    let challenge = Bytes(CHALLENGE.to_vec());
    let read: Result<PasskeyRegistration, _> =
        serde_json::from_value(library_state(&challenge, MethodType::Passkey));
    assert!(read.is_ok());
    let read: Result<SecurityKeyRegistration, _> =
        serde_json::from_value(library_state(&challenge, MethodType::Fido));
    assert!(read.is_ok());
}

/// Enrols a software authenticator of another project. It cannot store keys, so no resident key is
/// required. Its own client data has a slash after the origin, which no browser sends, so it signs
/// client data as a browser sends it.
fn enrol(
    authenticator: &mut impl AuthenticatorBackendHashedClientData,
    method_type: MethodType,
) -> Verified {
    let parties = parties_with(vec![]);
    let started = start(&parties, method_type, &[]);
    let mut options = json!({ "publicKey": started.options });
    options["publicKey"]["authenticatorSelection"]["requireResidentKey"] = json!(false);
    let options: CreationChallengeResponse = serde_json::from_value(options).unwrap();
    let client_data = Forge::new(&started.challenge).client_data.into_bytes();
    let hash = digest(&SHA256, &client_data).as_ref().to_vec();
    let mut credential = authenticator
        .perform_register(hash, options.public_key, 60_000)
        .unwrap();
    credential.response.client_data_json = client_data;
    let response = RegistrationResponse::parse(&json!(credential)).unwrap();
    assert_eq!(response.challenge(), &started.challenge);
    let party = parties.for_tenant(None).unwrap();
    party
        .finish(method_type, &started.challenge, &response)
        .unwrap()
}

#[test]
fn software_authenticator_enrols_as_both_types() {
    for method_type in MethodType::ALL {
        let passkey = enrol(&mut SoftPasskey::new(true), method_type);
        let token = enrol(&mut SoftToken::new(true).unwrap().0, method_type);
        for verified in [passkey, token] {
            assert_eq!(verified.user_verified, method_type == MethodType::Passkey);
            assert!(!verified.backup_eligible && !verified.backed_up);
            assert_eq!(verified.proven_model, None);
            assert!((16..=1023).contains(&verified.credential_id.0.len()));
            let kept: Credential = serde_json::from_value(verified.credential).unwrap();
            assert_eq!(kept.cred_id.as_slice(), verified.credential_id.0.as_slice());
        }
    }
}

#[test]
fn verified_values_are_those_of_authenticator_data() {
    let mut forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
    forge.flags = UP | UV | BE | BS | AT | ED;
    forge.aaguid = [5; 16];
    forge.after_key = b"\xa1kcredProtect\x02".to_vec();
    for change in [|_: &mut Forge| {}, Forge::sign_itself] {
        change(&mut forge);
        let verified = finish(MethodType::Passkey, &forge.response()).unwrap();
        assert!(verified.user_verified && verified.backup_eligible && verified.backed_up);
        assert_eq!(verified.claimed_model, Some(Uuid::from_bytes([5; 16])));
        assert_eq!(verified.claimed_transports, ["nfc", "usb"]);
        assert_eq!(verified.credential_id, Bytes(vec![7; 32]));
    }
}

#[test]
fn configured_or_related_origin_is_accepted() {
    for origin in [ORIGIN, "https://example.com:8443", "https://example.de"] {
        let mut forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
        forge.client(json!({ "origin": origin, "somethingNew": [1, 2] }));
        assert!(
            finish(MethodType::Passkey, &forge.response()).is_ok(),
            "{origin}"
        );
    }
}

#[test]
fn credential_id_of_16_or_1023_bytes_is_accepted() {
    for length in [16, 1023] {
        let mut forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
        forge.credential_id = vec![7; length];
        assert!(finish(MethodType::Passkey, &forge.response()).is_ok());
    }
}

#[test]
fn security_key_without_user_verification_is_accepted() {
    let mut forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
    forge.flags = UP | AT;
    let verified = finish(MethodType::Fido, &forge.response()).unwrap();
    assert!(!verified.user_verified);
    assert_eq!(verified.claimed_model, None);
}

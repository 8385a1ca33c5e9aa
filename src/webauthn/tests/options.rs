//! The options that a browser gets.

use super::*;

fn assert_no_null(json: &Value) {
    match json {
        Value::Null => panic!("the options have a null"),
        Value::Array(list) => list.iter().for_each(assert_no_null),
        Value::Object(members) => members.values().for_each(assert_no_null),
        _ => {}
    }
}

#[test]
fn passkey_options_are_those_of_the_specification() {
    let started = start(&parties_with(vec![]), MethodType::Passkey, &[]);
    assert_eq!(
        started.options,
        json!({
            "rp": { "id": "example.com", "name": "Example" },
            "user": {
                "id": "AAAAAAAAAAAAAAAAAQIDBA",
                "name": "alice@example.com",
                "displayName": "Alice",
            },
            "challenge": started.challenge,
            "pubKeyCredParams": [
                { "type": "public-key", "alg": -7 },
                { "type": "public-key", "alg": -35 },
                { "type": "public-key", "alg": -257 },
            ],
            "timeout": 270_000,
            "excludeCredentials": [],
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": "required",
            },
            "hints": ["client-device", "hybrid"],
            "attestation": "none",
            "extensions": {
                "credProps": true,
                "credentialProtectionPolicy": "userVerificationRequired",
                "enforceCredentialProtectionPolicy": false,
            },
        })
    );
    assert_eq!(started.challenge.0.len(), 32);
    assert_no_null(&started.options);
}

#[test]
fn security_key_options_are_accepted_by_chrome() {
    let started = start(&parties_with(vec![]), MethodType::Fido, &[]);
    let options = &started.options;
    assert_eq!(
        options["authenticatorSelection"],
        json!({
            "authenticatorAttachment": "cross-platform",
            "residentKey": "discouraged",
            "requireResidentKey": false,
            "userVerification": "preferred",
        })
    );
    assert_eq!(options["hints"], json!(["security-key"]));
    assert_eq!(options["attestation"], "none");
    assert_eq!(options.get("extensions"), None);
    assert_no_null(options);
}

#[test]
fn attestation_is_requested_from_security_keys_if_models_are_listed() {
    let key = rcgen::generate_simple_self_signed([]).unwrap();
    let parties = parties_with(vec![Model {
        aaguid: Uuid::from_u128(1),
        name: "Model".into(),
        roots: key.cert.pem().into_bytes(),
    }]);
    let attestation =
        |method_type| start(&parties, method_type, &[]).options["attestation"].clone();
    assert_eq!(attestation(MethodType::Fido), "direct");
    assert_eq!(attestation(MethodType::Passkey), "none");
}

#[test]
fn enrolled_credentials_of_both_types_are_excluded() {
    let enrolled = |method_type, id: u8, transports: &[&str]| Authenticator {
        id: Uuid::from_u128(9),
        method_type,
        device_name: "x".into(),
        rp_id: RP_ID.into(),
        credential_id: Bytes(vec![id; 16]),
        proven_model: None,
        claimed_model: None,
        claimed_transports: transports.iter().map(ToString::to_string).collect(),
        user_verified: true,
        backup_eligible: false,
        backed_up: false,
        sign_count: 0,
        created_at: Timestamp::from_millis(0),
        last_used_at: None,
        trusted: false,
        credential: Value::Null,
    };
    let enrolled = [
        enrolled(MethodType::Passkey, 1, &["hybrid", "internal"]),
        enrolled(MethodType::Fido, 2, &[]),
    ];
    for method_type in MethodType::ALL {
        let started = start(&parties_with(vec![]), method_type, &enrolled);
        assert_eq!(
            started.options["excludeCredentials"],
            json!([
                { "type": "public-key", "id": Bytes(vec![1; 16]), "transports": ["hybrid", "internal"] },
                { "type": "public-key", "id": Bytes(vec![2; 16]) },
            ])
        );
    }
}

#[test]
fn longest_timeout_is_capped_at_32_bits() {
    let parties = parties_with(vec![]);
    let started = parties
        .for_tenant(None)
        .unwrap()
        .start(MethodType::Fido, &person(), &[], Duration::MAX)
        .unwrap();
    assert_eq!(started.options["timeout"], u32::MAX);
}

#[test]
fn empty_user_name_is_an_error_of_the_gateway() {
    let parties = parties_with(vec![]);
    let nameless = Person {
        name: "",
        ..person()
    };
    let started = parties.for_tenant(None).unwrap().start(
        MethodType::Passkey,
        &nameless,
        &[],
        Duration::ZERO,
    );
    assert!(matches!(started, Err(Error::NotStarted { .. })));
}

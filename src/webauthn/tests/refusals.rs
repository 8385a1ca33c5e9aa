//! Registration responses with one fault.

use super::*;
use crate::webauthn::forge::{BS, ED, EMPTY_MAP, Statement};

/// Returns the fault of a good response after a change.
fn refused(method_type: MethodType, change: impl FnOnce(&mut Forge)) -> CredentialFault {
    let mut forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
    change(&mut forge);
    finish(method_type, &forge.response()).unwrap_err()
}

/// A name, the expected reason, and the change that makes a response wrong.
type Case = (&'static str, Reason, fn(&mut Forge));

#[test]
fn wrong_client_data_is_refused_with_its_reason() {
    let client =
        |members: Value| refused(MethodType::Passkey, |forge| forge.client(members)).reason;
    assert_eq!(client(json!({ "type": "webauthn.get" })), Reason::Type);
    let other = Bytes(vec![2; 32]);
    assert_eq!(client(json!({ "challenge": other })), Reason::Challenge);
    for origin in [
        "https://app.example.com/",
        "https://APP.example.com",
        "https://app.example.com:443",
        "https://sub.app.example.com",
        "https://example.com",
        "https://example.com:8444",
        "http://app.example.com",
        "https://evil.example",
        "null",
        "",
    ] {
        assert_eq!(
            client(json!({ "origin": origin })),
            Reason::Origin,
            "{origin}"
        );
    }
    assert_eq!(client(json!({ "crossOrigin": true })), Reason::CrossOrigin);
    assert_eq!(
        client(json!({ "topOrigin": "https://example.com" })),
        Reason::CrossOrigin
    );
    assert_eq!(client(json!({ "topOrigin": ORIGIN })), Reason::CrossOrigin);
    for malformed in [
        json!({ "type": 7 }),
        json!({ "origin": null }),
        json!({ "crossOrigin": "true" }),
    ] {
        assert_eq!(client(malformed.clone()), Reason::ClientData, "{malformed}");
    }
}

#[test]
fn repeated_member_of_client_data_is_refused() {
    for (name, value) in [
        ("type", json!("webauthn.create")),
        ("challenge", json!(Bytes(CHALLENGE.to_vec()))),
        ("origin", json!(ORIGIN)),
        ("crossOrigin", json!(false)),
    ] {
        let fault = refused(MethodType::Passkey, |forge| {
            forge.client_data.pop();
            forge
                .client_data
                .push_str(&format!(",\"{name}\":{value}}}"));
        });
        assert_eq!(fault.reason, Reason::ClientData, "{name}");
    }
}

#[test]
fn message_for_a_wrong_origin_lists_the_accepted_origins() {
    let fault = refused(MethodType::Passkey, |forge| {
        forge.client(json!({ "origin": "https://evil.example" }));
    });
    assert_eq!(
        fault.message,
        "The response was made on a page of `https://evil.example`, but this relying party accepts \
         only `https://app.example.com`, `https://example.com:8443`, `https://example.de`, byte for byte: \
         run the ceremony there, or have the origin configured."
    );
    let long = "x".repeat(10_000);
    let fault = refused(MethodType::Passkey, |forge| {
        forge.client(json!({ "origin": long }))
    });
    assert!(fault.message.len() < 600);
}

#[test]
fn wrong_authenticator_data_is_refused_with_its_reason() {
    let cases: [Case; 14] = [
        ("another RP ID", Reason::RpId, |forge| {
            forge.rp_id = "app.example.com".into()
        }),
        ("no presence", Reason::UserPresence, |forge| {
            forge.flags = UV | AT
        }),
        ("no verification", Reason::UserVerification, |forge| {
            forge.flags = UP | AT
        }),
        ("BS without BE", Reason::AuthenticatorData, |forge| {
            forge.flags |= BS
        }),
        ("no credential", Reason::AuthenticatorData, |forge| {
            forge.flags = UP | UV
        }),
        ("trailing bytes", Reason::AuthenticatorData, |forge| {
            forge.after_key = vec![0]
        }),
        (
            "extensions without ED",
            Reason::AuthenticatorData,
            |forge| {
                forge.after_key = EMPTY_MAP.into();
            },
        ),
        (
            "ED without extensions",
            Reason::AuthenticatorData,
            |forge| forge.flags |= ED,
        ),
        (
            "extensions that are not a map",
            Reason::AuthenticatorData,
            |forge| {
                forge.flags |= ED;
                forge.after_key = vec![0x80];
            },
        ),
        ("a repeated extension", Reason::AuthenticatorData, |forge| {
            forge.flags |= ED;
            forge.after_key = b"\xa2ax\x01ax\x02".to_vec();
        }),
        ("another id", Reason::CredentialId, |forge| {
            forge.raw_id = Some(vec![8; 32])
        }),
        ("a short id", Reason::CredentialId, |forge| {
            forge.credential_id = vec![7; 15]
        }),
        ("a long id", Reason::CredentialId, |forge| {
            forge.credential_id = vec![7; 1024]
        }),
        (
            "bytes after the attestation object",
            Reason::AuthenticatorData,
            |forge| {
                forge.after_object = vec![0];
            },
        ),
    ];
    for (what, reason, change) in cases {
        assert_eq!(
            refused(MethodType::Passkey, change).reason,
            reason,
            "{what}"
        );
    }
}

#[test]
fn wrong_public_key_is_refused_with_its_reason() {
    let key = |algorithm, curve| {
        refused(MethodType::Passkey, |forge| {
            forge.relabel_key(algorithm, curve)
        })
        .reason
    };
    for unoffered in [-8, -36, -37, -47, -257_000, -65_535, 0] {
        assert_eq!(key(unoffered, 1), Reason::Algorithm, "{unoffered}");
    }
    // ES256 on other curves than P-256, ES384 on P-256, and an RSA algorithm for an EC key.
    for (algorithm, curve) in [(-7, 2), (-7, 3), (-7, 8), (-35, 1), (-257, 1)] {
        assert_eq!(
            key(algorithm, curve),
            Reason::PublicKey,
            "{algorithm} {curve}"
        );
    }
    let raw = |key: &[u8]| refused(MethodType::Passkey, |forge| forge.key = key.to_vec()).reason;
    assert_eq!(raw(&EMPTY_MAP), Reason::PublicKey);
    // The label of P-384 with coordinates of P-256, then a point that is not on its curve.
    assert_eq!(key(-35, 2), Reason::PublicKey);
    let mut off_curve = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".to_vec();
    off_curve.extend([1; 32]);
    off_curve.extend(b"\x22\x58\x20");
    off_curve.extend([1; 32]);
    assert_eq!(raw(&off_curve), Reason::PublicKey);
}

#[test]
fn repeated_label_of_a_cose_key_is_refused_in_each_encoding() {
    for again in [&b"\x03\x38\x22"[..], b"\x18\x03\x38\x22"] {
        let fault = refused(MethodType::Passkey, |forge| {
            assert_eq!(forge.key[0], 0xa5);
            forge.key[0] = 0xa6;
            forge.key.extend(again);
        });
        assert_eq!(fault.reason, Reason::AuthenticatorData);
        assert_eq!(
            fault.message,
            "The authenticator data cannot be read: a map has a repeated key. Send the browser's bytes unchanged."
        );
    }
}

#[test]
fn wrong_attestation_statement_is_refused_with_its_reason() {
    let cases: [Case; 9] = [
        ("a statement for none", Reason::Attestation, |forge| {
            forge.statement = Statement::Raw(b"\xa1ax\x01".to_vec());
        }),
        (
            "a statement that is not a map",
            Reason::AuthenticatorData,
            |forge| {
                forge.statement = Statement::Raw(vec![0x80]);
            },
        ),
        ("a repeated member", Reason::AuthenticatorData, |forge| {
            forge.statement = Statement::Raw(b"\xa2ax\x01ax\x01".to_vec());
        }),
        (
            "a member repeated deep inside",
            Reason::AuthenticatorData,
            |forge| {
                forge.statement = Statement::Raw(b"\xa1ax\x81\xa2ay\x01ay\x01".to_vec());
            },
        ),
        ("an unknown format", Reason::Format, |forge| {
            forge.format = "new".into()
        }),
        ("tpm", Reason::Format, |forge| forge.format = "tpm".into()),
        ("safetynet", Reason::Format, |forge| {
            forge.format = "android-safetynet".into()
        }),
        ("nothing signed", Reason::Attestation, |forge| {
            forge.format = "packed".into()
        }),
        ("signed by another key", Reason::Signature, |forge| {
            let other = Forge::new(&Bytes(CHALLENGE.to_vec()));
            forge.sign_itself();
            forge.key = other.key;
        }),
    ];
    for (what, reason, change) in cases {
        assert_eq!(refused(MethodType::Fido, change).reason, reason, "{what}");
    }
}

#[test]
fn cbor_outside_ctap2_canonical_form_is_refused() {
    let nested = [vec![0x81; 40], vec![0x00]].concat();
    for bytes in [
        // A tag, strings of indefinite length, a key that is neither text nor an integer, a stray break.
        &b"\xa1ax\xc0ax"[..],
        b"\xa1ax\x7fay\xff",
        b"\xa1ax\x5fAy\xff",
        b"\xa1\x41x\x01",
        b"\xa1ax\xff",
        // Lengths beyond the input, and deep nesting.
        b"\xa1ax\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        &[b"\xa1ax".to_vec(), nested].concat(),
    ] {
        let fault = refused(MethodType::Fido, |forge| {
            forge.format = "packed".into();
            forge.statement = Statement::Raw(bytes.to_vec());
        });
        assert_eq!(fault.reason, Reason::AuthenticatorData, "{bytes:x?}");
    }
}

#[test]
fn byte_order_mark_of_a_registration_is_stripped_once() {
    let marked = |change: fn(&mut Forge), marks: &str| {
        let mut forge = Forge::new(&Bytes(CHALLENGE.to_vec()));
        change(&mut forge);
        forge.client_data.insert_str(0, marks);
        let response =
            RegistrationResponse::parse(&forge.json()).map_err(|_| Reason::ClientData)?;
        finish(MethodType::Passkey, &response).map_err(|fault| fault.reason)
    };
    assert!(marked(|_| {}, "\u{feff}").is_ok());
    let twice = marked(|_| {}, "\u{feff}\u{feff}").unwrap_err();
    assert_eq!(twice, Reason::ClientData);
    let other_type = |forge: &mut Forge| forge.client(json!({ "type": "webauthn.get" }));
    assert_eq!(marked(other_type, "\u{feff}").unwrap_err(), Reason::Type);
    // The library verifies statements, and cannot parse client data with a mark.
    assert!(marked(Forge::sign_itself, "").is_ok());
    let signed = marked(Forge::sign_itself, "\u{feff}").unwrap_err();
    assert_eq!(signed, Reason::Attestation);
}

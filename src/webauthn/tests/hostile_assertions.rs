//! Anything at all, in place of an assertion.

use proptest::prelude::*;

use super::assertions::{asserted, enrol};
use super::hostile::any_json;
use super::*;

fn forge() -> Forge {
    Forge::new(&Bytes(CHALLENGE.to_vec()))
}

#[test]
fn each_member_of_an_assertion_has_its_rule() {
    let forge = forge();
    let good = forge.assertion(&Bytes(CHALLENGE.to_vec())).json();
    let base64 = "must be bytes in base64url without padding";
    let challenge = "must be the base64url of a JSON object with a `challenge`";
    for (member, value, rule) in [
        ("id", json!("BBBB"), "must be the same as `rawId`"),
        ("rawId", json!(null), "must be a string"),
        ("type", json!("password"), "must be `public-key`"),
        ("response.clientDataJSON", json!("e30"), challenge),
        ("response.authenticatorData", json!("AA=="), base64),
        ("response.authenticatorData", json!(7), "must be a string"),
        ("response.signature", json!("a+/b"), base64),
        ("response.signature", json!(null), "must be a string"),
        ("response.userHandle", json!("AA=="), base64),
        ("response.userHandle", json!({}), "must be a string"),
    ] {
        let mut json = good.clone();
        let (parent, name) = match member.split_once('.') {
            Some((parent, name)) => (&mut json[parent], name),
            None => (&mut json, member),
        };
        parent[name] = value.clone();
        let fields = Assertion::parse(&json).unwrap_err();
        let got: Vec<_> = fields.iter().map(|it| (it.member, it.rule)).collect();
        let field = format!("credential.{member}");
        assert_eq!(got, [(field.as_str(), rule)], "{member} {value}");
    }
    // an authenticator of a security key has no handle to give
    for absent in [json!(null), json!("drop")] {
        let mut json = good.clone();
        json["response"]["userHandle"] = absent;
        if json["response"]["userHandle"] == "drop" {
            json["response"]
                .as_object_mut()
                .unwrap()
                .remove("userHandle");
        }
        assert!(Assertion::parse(&json).unwrap().user_handle().is_none());
    }
}

#[test]
fn all_that_is_missing_of_an_assertion_is_named_at_once() {
    let fields = Assertion::parse(&json!({ "response": { "userHandle": 1 } })).unwrap_err();
    let named: Vec<_> = fields.iter().map(|it| it.member).collect();
    assert_eq!(
        named,
        [
            "credential.id",
            "credential.rawId",
            "credential.type",
            "credential.response.clientDataJSON",
            "credential.response.authenticatorData",
            "credential.response.signature",
            "credential.response.userHandle",
        ]
    );
}

proptest! {
    #[test]
    fn any_json_is_an_assertion_or_gets_a_field(json in any_json()) {
        if let Err(fields) = Assertion::parse(&json) {
            prop_assert!(!fields.is_empty());
            prop_assert!(fields.iter().all(|one| one.member.starts_with("credential")));
        }
    }

    #[test]
    fn any_bytes_as_authenticator_data_get_a_reason(
        data in proptest::collection::vec(any::<u8>(), 0..120),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let forge = forge();
        let by = enrol(&forge, MethodType::Fido);
        let json = forge.assertion(&Bytes(CHALLENGE.to_vec())).with_data(&data, signature);
        let fault = asserted(&by, &Assertion::parse(&json).unwrap()).unwrap_err();
        prop_assert!(matches!(fault.reason, Reason::AuthenticatorData | Reason::RpId));
    }

    /// One byte of what is signed cannot change without a refusal.
    #[test]
    fn a_changed_byte_of_an_assertion_gets_a_reason(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let forge = forge();
        let by = enrol(&forge, MethodType::Fido);
        let forged = forge.assertion(&Bytes(CHALLENGE.to_vec()));
        let good = forged.json();
        let signature: Bytes = good["response"]["signature"].as_str().unwrap().parse().unwrap();
        let mut data = forged.authenticator_data();
        let at = at.index(data.len());
        data[at] ^= flip;
        let changed = Assertion::parse(&forged.with_data(&data, signature.0)).unwrap();
        prop_assert!(asserted(&by, &changed).is_err());
    }

    #[test]
    fn any_signature_gets_a_reason(signature in proptest::collection::vec(any::<u8>(), 0..120)) {
        let forge = forge();
        let by = enrol(&forge, MethodType::Fido);
        let mut forged = forge.assertion(&Bytes(CHALLENGE.to_vec()));
        forged.signature = Some(signature);
        let fault = asserted(&by, &forged.response()).unwrap_err();
        prop_assert_eq!(fault.reason, Reason::Signature);
    }

    #[test]
    fn any_client_data_of_an_assertion_gets_a_reason(text in "\\PC{0,60}", members in any_json()) {
        let forge = forge();
        let by = enrol(&forge, MethodType::Fido);
        let mut forged = forge.assertion(&Bytes(CHALLENGE.to_vec()));
        forged.client_data = json!({
            "challenge": Bytes(CHALLENGE.to_vec()),
            "type": text,
            "more": members,
        }).to_string();
        let fault = asserted(&by, &forged.response()).unwrap_err();
        prop_assert_eq!(fault.reason, Reason::ClientData);
    }
}

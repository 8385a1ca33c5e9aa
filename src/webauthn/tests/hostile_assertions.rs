//! Arbitrary input in place of an assertion.

use proptest::prelude::*;

use super::assertions::{asserted, enrol};
use super::hostile::any_json;
use super::*;

fn forge() -> Forge {
    Forge::new(&Bytes(CHALLENGE.to_vec()))
}

#[test]
fn malformed_member_of_an_assertion_is_refused_with_its_rule() {
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
        let got: Vec<_> = fields
            .iter()
            .map(|field| (field.member, field.rule))
            .collect();
        let field = format!("credential.{member}");
        assert_eq!(got, [(field.as_str(), rule)], "{member} {value}");
    }
    // A security key may return no user handle.
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
fn all_missing_members_of_an_assertion_are_reported_at_once() {
    let fields = Assertion::parse(&json!({ "response": { "userHandle": 1 } })).unwrap_err();
    let named: Vec<_> = fields.iter().map(|field| field.member).collect();
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
    fn any_json_is_parsed_as_assertion_or_refused_with_its_members(json in any_json()) {
        if let Err(fields) = Assertion::parse(&json) {
            prop_assert!(!fields.is_empty());
            prop_assert!(fields.iter().all(|field| field.member.starts_with("credential")));
        }
    }

    #[test]
    fn any_bytes_as_authenticator_data_are_refused(
        data in proptest::collection::vec(any::<u8>(), 0..120),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let forge = forge();
        let authenticator = enrol(&forge, MethodType::Fido);
        let json = forge.assertion(&Bytes(CHALLENGE.to_vec())).with_data(&data, signature);
        let fault = asserted(&authenticator, &Assertion::parse(&json).unwrap()).unwrap_err();
        prop_assert!(matches!(fault.reason, Reason::AuthenticatorData | Reason::RpId));
    }

    #[test]
    fn changed_byte_of_signed_authenticator_data_is_refused(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let forge = forge();
        let authenticator = enrol(&forge, MethodType::Fido);
        let forged = forge.assertion(&Bytes(CHALLENGE.to_vec()));
        let good = forged.json();
        let signature: Bytes = good["response"]["signature"].as_str().unwrap().parse().unwrap();
        let mut data = forged.authenticator_data();
        let at = at.index(data.len());
        data[at] ^= flip;
        let changed = Assertion::parse(&forged.with_data(&data, signature.0)).unwrap();
        prop_assert!(asserted(&authenticator, &changed).is_err());
    }

    #[test]
    fn any_other_signature_is_refused(signature in proptest::collection::vec(any::<u8>(), 0..120)) {
        let forge = forge();
        let authenticator = enrol(&forge, MethodType::Fido);
        let mut forged = forge.assertion(&Bytes(CHALLENGE.to_vec()));
        forged.signature = Some(signature);
        let fault = asserted(&authenticator, &forged.response()).unwrap_err();
        prop_assert_eq!(fault.reason, Reason::Signature);
    }

    #[test]
    fn any_incomplete_client_data_of_an_assertion_is_refused(text in "\\PC{0,60}", members in any_json()) {
        let forge = forge();
        let authenticator = enrol(&forge, MethodType::Fido);
        let mut forged = forge.assertion(&Bytes(CHALLENGE.to_vec()));
        forged.client_data = json!({
            "challenge": Bytes(CHALLENGE.to_vec()),
            "type": text,
            "more": members,
        }).to_string();
        let fault = asserted(&authenticator, &forged.response()).unwrap_err();
        prop_assert_eq!(fault.reason, Reason::ClientData);
    }
}

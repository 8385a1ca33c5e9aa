//! Well-signed tokens with arbitrary claims, and JWKS with arbitrary changes.

use std::collections::BTreeMap;

use proptest::sample::{Index, select};

use super::*;
use crate::property::check;

/// The claims that are read.
const CLAIMS: [&str; 20] = [
    "iss",
    "aud",
    "sub",
    "exp",
    "nbf",
    "iat",
    "auth_time",
    "acr",
    "amr",
    "tenant_id",
    "groups",
    "cnf",
    "typ",
    "events",
    "_claim_names",
    "hasgroups",
    "preferred_username",
    "email",
    "name",
    "jti",
];
const HEADER: [&str; 8] = ["alg", "typ", "kid", "crit", "b64", "jwk", "jku", "zip"];
const JWK: [&str; 9] = ["kty", "crv", "x", "y", "alg", "use", "key_ops", "kid", "d"];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (NOW - 100..NOW + 100).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        select(
            &[
                ISSUER, AUDIENCE, TENANT, "ES256", "P-256", "EC", "sig", "verify"
            ][..]
        )
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Generates changes to some of these members. `null` removes a member.
fn changes(names: &'static [&'static str], most: usize) -> impl Strategy<Value = Value> {
    let members = prop::collection::btree_map(select(names), any_json(), 0..=most);
    members.prop_map(|members: BTreeMap<_, _>| {
        let named = members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::Object(named.collect())
    })
}

#[test]
fn signed_token_with_arbitrary_claims_gives_a_complete_user_or_a_reason() {
    let (authn, signer) = corp();
    let token = (changes(&HEADER, 1), changes(&CLAIMS, 3));
    let needed = [("accepted", 32), ("refused", 128)];
    check(512, &token, &needed, |(header, claims), tally| {
        match user(&authn, &signer.token(header, claims)) {
            Ok(user) => {
                tally.add("accepted", 1);
                prop_assert_eq!(user.id.issuer.to_string(), "corp");
                prop_assert!(!user.id.subject.is_empty());
                prop_assert!(!user.name.is_empty() && !user.display_name.is_empty());
            }
            Err(why) => {
                tally.add("refused", 1);
                prop_assert!(!why.to_string().is_empty());
            }
        }
        Ok(())
    });
}

#[test]
fn jwks_with_arbitrary_changes_is_read_or_refused_with_a_reason() {
    let good = Signer::new(Algorithm::Es256).jwk("a");
    let changed = (changes(&JWK, 2), any::<Index>(), any::<Option<u8>>());
    let needed = [("read", 16), ("refused", 64)];
    check(256, &changed, &needed, |(changes, at, byte), tally| {
        let jwks = json!({ "keys": [merged(good.clone(), changes)] });
        let mut bytes = jwks.to_string().into_bytes();
        if let Some(byte) = byte {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        match Keys::parse(&bytes, &[Algorithm::Es256]) {
            Ok(_) => tally.add("read", 1),
            Err(why) => {
                tally.add("refused", 1);
                prop_assert!(!why.to_string().is_empty());
            }
        }
        Ok(())
    });
}

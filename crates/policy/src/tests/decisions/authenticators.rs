//! What policies see of an authenticator.

use super::super::super::*;
use super::super::load;
use super::{EVERYBODY, TENANT, alice, key, now};
use cedargate_core::Effect;

/// Whether a condition holds for an authenticator of alice's that is to be trusted.
#[track_caller]
fn holds(authenticator: &Authenticator, condition: &str) -> bool {
    let policy = format!(
        "{EVERYBODY}@id(\"x\") forbid (principal, action == Gate::Action::\"trustAuthenticator\", \
         resource) when {{ {condition} }};"
    );
    let alice = alice();
    let decided = load(&policy).unwrap().decide(&Question {
        asker: Asker::Member {
            user: &alice,
            tenant: TENANT.parse().unwrap(),
            factors: &Factors::default(),
            means: &Means::default(),
            method_type: Some(authenticator.method_type),
        },
        action: Action::TrustAuthenticator,
        resource: Resource::Authenticator(&alice.id, authenticator),
        address: "192.0.2.7".parse().unwrap(),
        now: now(),
    });
    assert_eq!(decided.errors, Vec::<String>::new(), "{condition}");
    decided.effect != Effect::Allow
}

#[test]
fn each_fact_is_an_attribute_of_its_own() {
    let model = |n: u128| Some(uuid::Uuid::from_u128(n));
    let uid =
        |n: u8| format!("Gate::AuthenticatorModel::\"00000000-0000-0000-0000-0000000000{n:02}\"");
    let changes: [fn(&mut Authenticator); 4] = [
        |_| {},
        |it| it.user_verified = true,
        |it| it.backup_eligible = true,
        |it| it.backed_up = true,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut one = Authenticator {
            method_type: MethodType::Passkey,
            proven_model: model(1),
            claimed_model: model(2),
            claimed_transports: vec!["usb".to_owned(), "nfc".to_owned(), "usb".to_owned()],
            user_verified: false,
            ..key()
        };
        change(&mut one);
        for (condition, expected) in [
            ("resource.userVerified", number == 1),
            ("resource.backupEligible", number == 2),
            ("resource.backedUp", number == 3),
            (&format!("resource.provenModel == {}", uid(1)), true),
            (&format!("resource.claimedModel == {}", uid(2)), true),
            ("resource.claimedTransports == [\"nfc\", \"usb\"]", true),
            (
                "resource.methodType == Gate::MethodType::\"webauthn_passkey\"",
                true,
            ),
        ] {
            assert_eq!(holds(&one, condition), expected, "{number} {condition}");
        }
    }
}

#[test]
fn a_model_that_is_not_known_is_all_zero() {
    let zero = "Gate::AuthenticatorModel::\"00000000-0000-0000-0000-000000000000\"";
    for model in ["provenModel", "claimedModel"] {
        assert!(holds(&key(), &format!("resource.{model} == {zero}")));
    }
}

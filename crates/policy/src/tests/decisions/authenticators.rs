//! The facts about an authenticator that policies see.

use super::*;

/// Returns true if the condition holds for an authenticator that alice is about to enrol.
#[track_caller]
fn holds(authenticator: &Authenticator, condition: &str) -> bool {
    let policy = format!(
        "{OWN_MFA}@id(\"x\") forbid (principal, action == Gate::Action::\"trustAuthenticator\", \
         resource) when {{ {condition} }};"
    );
    let alice = Arc::new(alice());
    let decision = load(&policy).unwrap().decide(&AuthorizationRequest {
        caller: Caller::Member {
            user: &alice,
            tenant: TENANT.parse().unwrap(),
            factors: &Factors::default(),
            means: &Means::default(),
            method_type: Some(authenticator.method_type),
        },
        action: GateAction::TrustAuthenticator.into(),
        resource: Resource::Authenticator(&alice.id, authenticator),
        address: "192.0.2.7".parse().unwrap(),
        now: now(),
    });
    assert_eq!(decision.errors, Vec::<String>::new(), "{condition}");
    decision.effect != Effect::Allow
}

#[test]
fn each_fact_of_an_authenticator_is_its_own_attribute() {
    let model = |n: u128| Some(uuid::Uuid::from_u128(n));
    let uid =
        |n: u8| format!("Gate::AuthenticatorModel::\"00000000-0000-0000-0000-0000000000{n:02}\"");
    let changes: [fn(&mut Authenticator); 4] = [
        |_| {},
        |record| record.user_verified = true,
        |record| record.backup_eligible = true,
        |record| record.backed_up = true,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut record = Authenticator {
            method_type: MethodType::Passkey,
            proven_model: model(1),
            claimed_model: model(2),
            claimed_transports: vec!["usb".to_owned(), "nfc".to_owned(), "usb".to_owned()],
            user_verified: false,
            ..key()
        };
        change(&mut record);
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
            assert_eq!(holds(&record, condition), expected, "{number} {condition}");
        }
    }
}

#[test]
fn unknown_model_is_all_zero() {
    let zero = "Gate::AuthenticatorModel::\"00000000-0000-0000-0000-000000000000\"";
    for model in ["provenModel", "claimedModel"] {
        assert!(holds(&key(), &format!("resource.{model} == {zero}")));
    }
}

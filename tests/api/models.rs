//! Models of authenticators: their proof by attestation, and their names in the list.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::authenticator::{BACKED_UP, BACKUP_ELIGIBLE, Vendor};
use crate::support::client::{FIDO, METHODS, PASSKEY};
use crate::support::deployment::Deployment;
use crate::support::place::{Begun, Place, methods, on_both};

/// The tenant of `policies/examples/two-models.cedar`.
const TWO_MODELS: &str = "0e0e0e0e-0000-4000-8000-000000000002";
/// A model of that tenant that every configuration here lists.
const LISTED: Uuid = Uuid::from_u128(0x73bb0cd4_e502_49b8_9c6f_b59445bf720b);
/// The other model of that tenant, which the configuration of [`listing`] does not list.
const UNLISTED: Uuid = Uuid::from_u128(0xc1f9a0bc_1dd2_404a_b27f_8e29047a43fd);

/// A relying party that lists one model, with this vendor's root.
fn listing(vendor: &Vendor) -> impl Fn(Deployment) -> Deployment {
    let related = "related_origins = [\"https://related.example\"]";
    let model = format!(
        "{related}\n\n[[relying_parties.models]]\naaguid = \"{LISTED}\"\nname = \"Model 5\"\n\
         roots = \"roots.pem\""
    );
    let root = vendor.root.clone();
    move |it| it.file("roots.pem", &root).replacing(related, &model)
}

impl Begun {
    /// The response of an authenticator that claims to be of this model.
    fn of_model(mut self, model: Uuid) -> Self {
        self.right.aaguid = model.into_bytes();
        self
    }

    /// The response with a statement that this vendor has signed.
    fn attested_by(mut self, vendor: &Arc<Vendor>) -> Self {
        self.right.format = "packed".into();
        self.right.vendor = Some(Arc::clone(vendor));
        self
    }
}

#[tokio::test]
async fn attestation_chain_to_a_listed_root_proves_the_model() {
    let [vendor, other] = [Arc::new(Vendor::new()), Arc::new(Vendor::new())];
    on_both(listing(&vendor), async |place: &Place| {
        for (name, model, by, says) in [
            ("proven", LISTED, Some(&vendor), (200, "")),
            ("only claimed", LISTED, None, (403, "model_not_allowed")),
            (
                "of another vendor",
                LISTED,
                Some(&other),
                (403, "model_not_allowed"),
            ),
            (
                "of a model that is not listed",
                UNLISTED,
                Some(&vendor),
                (403, "model_not_allowed"),
            ),
        ] {
            let user = place.user_in(name, TWO_MODELS);
            let mut begun = place.begun(&user, FIDO).await.of_model(model);
            if let Some(vendor) = by {
                begun = begun.attested_by(vendor);
            }
            let answer = begun.complete().await;
            assert_eq!(answer.says(), says, "{name}: {answer:?}");
        }
    })
    .await;
}

/// A relying party that lists both models, each with the root of its vendor.
fn listing_both(vendors: &[Arc<Vendor>; 2]) -> impl Fn(Deployment) -> Deployment {
    let related = "related_origins = [\"https://related.example\"]";
    let models = format!(
        "{related}\n\n[[relying_parties.models]]\naaguid = \"{LISTED}\"\nname = \"Model 5\"\n\
         roots = \"one.pem\"\n\n[[relying_parties.models]]\naaguid = \"{UNLISTED}\"\n\
         name = \"Model 5 NFC\"\nroots = \"other.pem\""
    );
    let [one, other] = vendors.each_ref().map(|it| it.root.clone());
    move |it| {
        let it = it.file("one.pem", &one).file("other.pem", &other);
        it.replacing(related, &models)
    }
}

#[tokio::test]
async fn tenant_with_two_models_accepts_both_and_refuses_chains_of_other_vendors() {
    let vendors = [Arc::new(Vendor::new()), Arc::new(Vendor::new())];
    let stranger = Arc::new(Vendor::new());
    let notice = "Example Clinic takes two models of security key: the YubiKey 5 FIPS Series \
                  without NFC, and with NFC.";
    on_both(listing_both(&vendors), async |place: &Place| {
        let [one, other] = &vendors;
        for (name, model, vendor, is_taken) in [
            ("one", LISTED, one, true),
            ("the other", UNLISTED, other, true),
            ("one, by the other's vendor", LISTED, other, false),
            ("the other, by the one's vendor", UNLISTED, one, false),
            ("one, by a stranger", LISTED, &stranger, false),
            ("the other, by a stranger", UNLISTED, &stranger, false),
            ("no model", Uuid::nil(), one, false),
        ] {
            let user = place.user_in(name, TWO_MODELS);
            let begun = place.begun(&user, FIDO).await;
            let answer = begun.of_model(model).attested_by(vendor).complete().await;
            if is_taken {
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
            } else {
                assert_eq!(answer.says(), (403, "model_not_allowed"), "{name}");
                assert_eq!(answer.body["notices"], json!([notice]), "{name}");
            }
            assert_eq!(methods(&user).await, usize::from(is_taken), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn security_key_is_asked_for_attestation_where_models_are_listed() {
    let vendor = Vendor::new();
    on_both(listing(&vendor), async |place: &Place| {
        let alice = place.user("alice");
        assert_eq!(alice.begin(FIDO).await["attestation"], "direct");
        assert_eq!(alice.begin(PASSKEY).await["attestation"], "none");
    })
    .await;
}

#[tokio::test]
async fn list_shows_each_authenticator_oldest_first() {
    let vendor = Vendor::new();
    on_both(listing(&vendor), list).await;
}

async fn list(place: &Place) {
    let alice = place.strong("alice");
    let mut decided_on = Vec::new();
    for (model, method_type, flags, name) in [
        (LISTED, FIDO, 0, " "),
        (UNLISTED, FIDO, 0, ""),
        (LISTED, PASSKEY, BACKUP_ELIGIBLE, "mine"),
        (UNLISTED, PASSKEY, BACKUP_ELIGIBLE | BACKED_UP, ""),
    ] {
        let mut begun = place.begun(&alice, method_type).await.of_model(model);
        begun.right.flags |= flags;
        let credential = begun.right.credential();
        let answer = alice.complete_as(method_type, &credential, name).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let event = place.gateway.event(answer.header("x-request-id"));
        decided_on.push(event["resource"].as_str().unwrap().to_owned());
    }
    let answer = alice.get(METHODS).await;
    let mut body = answer.body.clone();
    let mut times = Vec::new();
    let mut ids = Vec::new();
    for method in body["methods"].as_array_mut().unwrap() {
        let members = method.as_object_mut().unwrap();
        let Some(Value::String(time)) = members.remove("created_at") else {
            panic!("no created_at: {answer:?}");
        };
        times.push(humantime::parse_rfc3339(&time).unwrap());
        let Some(Value::String(id)) = members.remove("id") else {
            panic!("no id: {answer:?}");
        };
        ids.push(id.parse::<Uuid>().unwrap());
    }
    let resources = ids
        .iter()
        .map(|id| format!("Gate::Authenticator::\"{id}\""));
    assert_eq!(resources.collect::<Vec<_>>(), decided_on);
    assert!(times.is_sorted(), "{times:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    let method = |method_type: &str, name: &str, model: Option<&str>, [eligible, up]: [bool; 2]| {
        let mut method = json!({
            "method_type": method_type, "device_name": name, "verified": true,
            "backup_eligible": eligible, "backed_up": up, "usable": true, "trusted": true,
        });
        if let Some(model) = model {
            method["model"] = json!(model);
        }
        method
    };
    // A model that is not configured has the name that the program knows.
    let known = "YubiKey 5 FIPS Series with NFC";
    let expected = json!({
        "methods": [
            method(FIDO, "Model 5", Some("Model 5"), [false, false]),
            method(FIDO, known, Some(known), [false, false]),
            method(PASSKEY, "mine", Some("Model 5"), [true, false]),
            method(PASSKEY, known, Some(known), [true, true]),
        ],
        "backup_codes": { "remaining": 10 },
    });
    assert_eq!(body, expected);
}

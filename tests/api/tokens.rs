//! The effect of a token: it names the account and relying party, and its claims reach the
//! policies.

use serde_json::{Value, json};

use crate::support::authenticator::BACKUP_ELIGIBLE;
use crate::support::client::{COMPLETE, Client, FIDO, METHODS, PASSKEY, REGISTER};
use crate::support::deployment::{Deployment, OWN_PARTY, TENANT};
use crate::support::place::{Place, methods, on_both, plain};

/// The tenant of `policies/examples/contractors.cedar`.
const CONTRACTORS: &str = "0e0e0e0e-0000-4000-8000-000000000003";

/// This user after a weak sign-in, with these claims changed in the token. `null` removes a claim.
fn user_with(place: &Place, user: &str, tenant: &str, changes: Value) -> Client {
    let mut claims = place.deployment.claims(user, tenant);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    place.nobody.with(place.deployment.sign(&claims), tenant)
}

#[tokio::test]
async fn account_and_relying_party_are_those_of_the_tokens_tenant_whatever_the_header() {
    let lax = |it: Deployment| {
        let canaries_off = "[policies]\ncanaries = \"off\"";
        it.without_policy("10-tenant-isolation.cedar")
            .replacing("[policies]", canaries_off)
    };
    on_both(lax, accounts).await;
}

async fn accounts(place: &Place) {
    let alice = place.user("alice");
    let elsewhere = alice.tenant(OWN_PARTY);
    let begun = place.begun(&elsewhere, PASSKEY).await;
    assert_eq!(begun.right.rp_id, "localhost");
    assert_eq!(begun.complete().await.status, 200);
    assert_eq!(methods(&alice).await, 1);

    let namesake = place.user_in("alice", OWN_PARTY).tenant(TENANT);
    assert_eq!(namesake.begin(PASSKEY).await["rp"]["id"], "own.example");
    assert_eq!(methods(&namesake).await, 0);

    // A user without a tenant has no account in any tenant.
    let free = user_with(place, "alice", TENANT, json!({ "tenant_id": null }));
    assert_eq!(methods(&free).await, 0);
    let answer = free.get(METHODS).await;
    let event = place.gateway.event(answer.header("x-request-id"));
    assert_eq!(event["principal"], "corp||alice");
    assert_eq!(event["resource"], "Gate::Account::\"corp||alice\"");
    let begun = place.begun(&free, PASSKEY).await;
    assert_eq!(begun.right.rp_id, "localhost");
    assert_eq!(begun.complete().await.status, 200);
    assert_eq!(methods(&alice).await, 1);
}

#[tokio::test]
async fn declared_claims_and_groups_reach_the_policies_and_malformed_ones_are_refused() {
    on_both(plain, claims).await;
}

async fn claims(place: &Place) {
    for (number, (claims, says)) in [
        (json!({}), (200, "")),
        (
            json!({ "employment": "contractor" }),
            (403, "synced_credential"),
        ),
        (json!({ "employment": "employee" }), (200, "")),
        (json!({ "employment": null }), (200, "")),
        (
            json!({ "employment": ["contractor"] }),
            (500, "policy_error"),
        ),
        (json!({ "groups": ["contractors"] }), (200, "")),
        (json!({ "groups": "contractors" }), (401, "unauthenticated")),
        (
            json!({ "_claim_names": { "groups": "elsewhere" } }),
            (401, "unauthenticated"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = number.to_string();
        let plain = place.user_in(&name, CONTRACTORS);
        let mut begun = place.begun(&plain, PASSKEY).await;
        begun.right.flags |= BACKUP_ELIGIBLE;
        begun.caller = user_with(place, &name, CONTRACTORS, claims.clone());
        let answer = begun.complete().await;
        // The group in the policy belongs to another issuer.
        assert_eq!(answer.says(), says, "{claims}: {answer:?}");
    }
}

/// A second issuer, whose groups and strong sign-ins are its own.
const OTHER_ISSUER: &str = r#"
[[issuers]]
name = "other"
issuer = "https://id.example.org"
audiences = ["https://api.example.com"]
algorithms = ["ES256"]
jwks = "other.json"
tenant_claim = "tenant_id"
groups_claim = "groups"

[[relying_parties]]
id = "localhost""#;

const STAFF: &str = r#"
@id("staff")
@code("no_staff")
forbid (
  principal in Gate::Group::"corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|staff",
  action == Gate::Action::"listMfaMethods",
  resource
);
"#;

#[tokio::test]
async fn same_sub_of_another_issuer_is_another_user() {
    let other = Deployment::embedded();
    let keys = other.config().with_file_name("jwks.json");
    let keys = std::fs::read_to_string(keys).unwrap();
    let arrange = |it: Deployment| {
        it.file("other.json", &keys)
            .replacing("[[relying_parties]]\nid = \"localhost\"", OTHER_ISSUER)
            .policy("staff.cedar", STAFF)
    };
    on_both(arrange, async |place| namesakes(place, &other).await).await;
}

async fn namesakes(place: &Place, other: &Deployment) {
    let of_other = |changes: Value| {
        let mut claims = other.claims("alice", TENANT);
        claims["iss"] = json!("https://id.example.org");
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        place.nobody.with(other.sign(&claims), TENANT)
    };
    let [alice, namesake] = [place.user("alice"), of_other(json!({}))];
    let begun = place.begun(&alice, PASSKEY).await;
    let credential = begun.right.credential();
    let answer = namesake.complete(PASSKEY, &credential).await;
    assert_eq!(answer.says(), (404, "not_found"));
    assert_eq!(begun.complete().await.status, 200);
    assert_eq!((methods(&alice).await, methods(&namesake).await), (1, 0));

    let of_namesake = place.begun(&namesake, PASSKEY).await;
    assert_eq!(of_namesake.complete().await.status, 200);
    // Its `strong_acr` is empty: no sign-in there is strong.
    let iat = other.claims("alice", TENANT)["iat"].clone();
    let strong = of_other(json!({ "acr": "phr", "auth_time": iat }));
    let again = strong.post(REGISTER, &json!({})).await;
    assert_eq!(again.says(), (401, "step_up_required"));

    let staff = json!({ "groups": ["staff"] });
    let answer = of_other(staff.clone()).get(METHODS).await;
    assert_eq!(answer.status, 200);
    let answer = user_with(place, "alice", TENANT, staff).get(METHODS).await;
    assert_eq!(answer.says(), (403, "no_staff"));
}

#[tokio::test]
async fn token_outside_the_authorization_header_is_ignored() {
    on_both(plain, misplaced).await;
}

async fn misplaced(place: &Place) {
    let token = place.deployment.token("alice");
    let nobody = place.nobody.tenant(TENANT);
    let begun = place.begun(&place.user("alice"), FIDO).await;
    let mut body = begun.body();
    body["access_token"] = json!(token);
    let answer = nobody.post(COMPLETE, &body).await;
    assert_eq!(answer.says(), (401, "unauthenticated"));
    assert_eq!(answer.header("www-authenticate"), "Bearer");

    let form = nobody
        .request("POST", REGISTER)
        .header("content-type", "application/x-www-form-urlencoded");
    let form = form.body(format!("access_token={token}").into()).unwrap();
    assert_eq!(nobody.send(form).await.says(), (401, "unauthenticated"));

    let cookie = nobody.request("GET", METHODS);
    let cookie = cookie.header("cookie", format!("access_token={token}"));
    let answer = nobody.send(cookie.body(<_>::default()).unwrap()).await;
    assert_eq!(answer.says(), (401, "unauthenticated"));
    begun.stays_pending(0).await;
}

/// Checks that the token is refused, with the reason in the answer and the log.
async fn assert_refused(place: &Place, caller: &Client, cause: &str) {
    let answer = caller.get(METHODS).await;
    assert_eq!(answer.says(), (401, "unauthenticated"), "{cause}");
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{cause}\"");
    assert_eq!(answer.header("www-authenticate"), challenge);
    let message = format!("The access token is not accepted: {cause}. Get a new one.");
    assert_eq!(answer.body["message"], message);
    let event = place.gateway.event(answer.header("x-request-id"));
    assert_eq!(event["cause"], cause);
}

#[tokio::test]
async fn sub_that_is_too_long_or_holds_a_control_character_is_refused_with_401() {
    on_both(plain, async |place| {
        let long = "the token's `sub` is longer than 255 bytes";
        let control = "the token's `sub` holds a control character";
        for (sub, cause) in [
            ("a".repeat(256), long),
            ("é".repeat(128), long),
            ("a\0b".to_owned(), control),
            ("alice\n".to_owned(), control),
            ("\u{9b}31m".to_owned(), control),
        ] {
            assert_refused(place, &place.user(&sub), cause).await;
        }
        assert_eq!(methods(&place.user(&"é".repeat(127))).await, 0);
    })
    .await;
}

#[tokio::test]
async fn exp_beyond_the_year_9999_is_refused_with_401() {
    on_both(plain, async |place| {
        let last = 253_402_300_799_i64;
        for exp in [json!(last + 1), json!(i64::MAX), json!(1e300)] {
            let caller = user_with(place, "alice", TENANT, json!({ "exp": exp }));
            let cause = "the token's `exp` is beyond the year 9999";
            assert_refused(place, &caller, cause).await;
        }
        let caller = user_with(place, "alice", TENANT, json!({ "exp": last }));
        assert_eq!(methods(&caller).await, 0);
    })
    .await;
}

const TENANT_CLAIM: &str = "tenant_claim = \"tenant_id\"";

/// Restricts the deployment's issuer to these tenants.
fn asserting(tenants: &[&str]) -> impl Fn(Deployment) -> Deployment {
    let with_list = format!("{TENANT_CLAIM}\ntenants = {}", json!(tenants));
    move |it| it.replacing(TENANT_CLAIM, &with_list)
}

const MAY_NOT: &str = "the issuer of the sign-in may not assert the token's tenant";

#[tokio::test]
async fn tenant_that_its_issuer_may_not_assert_is_refused_with_401() {
    on_both(asserting(&[TENANT, CONTRACTORS]), async |place| {
        for tenant in [TENANT, CONTRACTORS] {
            assert_eq!(methods(&place.user_in("alice", tenant)).await, 0);
        }
        // The token's tenant is refused whatever the header says.
        let other = place.user_in("alice", OWN_PARTY);
        assert_refused(place, &other, MAY_NOT).await;
        assert_refused(place, &other.tenant(TENANT), MAY_NOT).await;
        assert_refused(place, &place.strong_in("alice", OWN_PARTY), MAY_NOT).await;
        // A token without a tenant asserts none, and tenant isolation refuses it.
        let free = user_with(place, "alice", TENANT, json!({ "tenant_id": null }));
        assert_eq!(free.get(METHODS).await.says(), (403, "tenant_mismatch"));
    })
    .await;
}

#[tokio::test]
async fn step_up_token_ends_when_its_issuer_may_no_longer_assert_the_tenant() {
    let redis = crate::support::redis_server::RedisServer::start();
    for deployment in [Deployment::embedded(), Deployment::on_redis(&redis)] {
        let place = Place::open(asserting(&[TENANT, CONTRACTORS])(deployment));
        let [mut gone, mut stays] = [CONTRACTORS, TENANT].map(|it| (it, String::new()));
        for (tenant, token) in [&mut gone, &mut stays] {
            let weak = place.user_in("alice", tenant);
            let origin = place.deployment.origin();
            let (mut key, answer) = crate::support::key::Key::enrol(&weak, PASSKEY, &origin).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            *token = key.token(&weak).await;
            assert_eq!(methods(&weak.with(&*token, *tenant)).await, 1);
        }

        let both = format!("tenants = {}", json!([TENANT, CONTRACTORS]));
        let one = format!("tenants = {}", json!([TENANT]));
        let place = place.restarted(|it| it.replacing(&both, &one));
        let of = |(tenant, token): (&str, String)| place.nobody.with(token, tenant);
        assert_refused(&place, &of(gone), MAY_NOT).await;
        assert_eq!(methods(&of(stays)).await, 1);
        place.close();
    }
}

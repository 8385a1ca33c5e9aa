//! The golden matrix: who asks, for which tenant and method type, at each row of the route table.
//!
//! The rows are those that the gateway itself describes, so that a new one fails here until it has
//! an entry, and a denial.

use http_body_util::Full;
use serde_json::{Value, json};

use crate::answers::{EMBEDDED, FIDO, PASSKEY, Place, on_both, plain};
use crate::authenticator::Attestation;
use crate::client::{Answer, COMPLETE, Client, METHODS, REGISTER};
use crate::deployment::{Deployment, OWN_PARTY, TENANT};

const OPENAPI: &str = "/v1/openapi.json";
const RELATED: &str = "/.well-known/webauthn";
/// The tenant of policies/examples/security-keys-only.cedar.
const EXAMPLE: &str = "0e0e0e0e-0000-4000-8000-000000000001";

/// Who asks.
struct Principal {
    name: &'static str,
    tenant: &'static str,
    /// Of this user.
    token: fn(&Deployment, user: &str) -> Option<String>,
    /// Whether the user has an authenticator already.
    enrolled: bool,
}

const NOBODY: Principal = Principal {
    name: "nobody",
    tenant: TENANT,
    token: |_, _| None,
    enrolled: false,
};
const BAD_TOKEN: Principal = Principal {
    name: "a bad token",
    token: |_, _| Some("opaque".into()),
    ..NOBODY
};
const WEAK: Principal = Principal {
    name: "weak, no factor",
    token: |deployment, user| Some(deployment.token(user)),
    ..NOBODY
};
const WEAK_ENROLLED: Principal = Principal {
    name: "weak, one factor",
    enrolled: true,
    ..WEAK
};
const STRONG_ENROLLED: Principal = Principal {
    name: "strong, one factor",
    token: |deployment, user| Some(deployment.sign(&deployment.strong_claims(user, TENANT))),
    ..WEAK_ENROLLED
};
const EXAMPLE_USER: Principal = Principal {
    name: "an example tenant's user",
    tenant: EXAMPLE,
    token: |deployment, user| Some(deployment.sign(&deployment.claims(user, EXAMPLE))),
    ..NOBODY
};
const NO_TENANT: Principal = Principal {
    name: "a user of no tenant",
    token: |deployment, user| {
        let mut claims = deployment.claims(user, TENANT);
        claims.as_object_mut().unwrap().remove("tenant_id");
        Some(deployment.sign(&claims))
    },
    ..NOBODY
};

/// A path that has no row.
const NOWHERE: &str = "/v1/nowhere";

#[tokio::test]
async fn every_row_answers_each_principal_as_the_policies_say() {
    let rows = rows().await;
    let shipped = on_both(plain, async |place| {
        let principals = [
            NOBODY,
            BAD_TOKEN,
            WEAK,
            WEAK_ENROLLED,
            STRONG_ENROLLED,
            EXAMPLE_USER,
            NO_TENANT,
        ];
        let denied = table(place, &rows, &principals).await;
        let members: Vec<_> = rows.iter().filter(|it| it.contains("/v1/users/")).collect();
        assert!(members.iter().all(|it| denied.contains(it)), "{denied:?}");
        let no_rows = [format!("GET {NOWHERE}"), format!("DELETE {METHODS}")];
        table(place, &no_rows, &[NOBODY, BAD_TOKEN, WEAK]).await;
    })
    .await;
    let closed = |it: Deployment| it.without_policy("00-open-doors.cedar");
    let closed = on_both(closed, async |place| {
        let denied = table(place, &rows, &[NOBODY, BAD_TOKEN, WEAK, NO_TENANT]).await;
        assert_eq!(
            denied,
            rows.iter().collect::<Vec<_>>(),
            "rows without a denial"
        );
    })
    .await;
    let matrix =
        format!("THE SHIPPED POLICIES\n\n{shipped}\n\nWITHOUT 00-open-doors.cedar\n\n{closed}");
    insta::assert_snapshot!(matrix);
}

/// Each row of the route table, as `METHOD path`.
async fn rows() -> Vec<String> {
    let place = Place::open(Deployment::new(EMBEDDED));
    let description = place.nobody.get(OPENAPI).await.body;
    place.close();
    let mut rows = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().keys();
        rows.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    assert!(!rows.is_empty());
    rows
}

/// Writes down what each principal is answered, and gives the rows with a denial.
async fn table<'a>(place: &Place, rows: &'a [String], principals: &[Principal]) -> Vec<&'a String> {
    let mut denied = Vec::new();
    for row in rows {
        place.write(&format!("{row}\n"));
        for principal in principals {
            let outcomes = outcomes(place, row, principal).await;
            let denial =
                |it: &(String, String)| it.1.starts_with("403 ") && it.1.contains(" deny ");
            if outcomes.iter().any(denial) && denied.last() != Some(&row) {
                denied.push(row);
            }
            place.write(&format!("  {}\n", principal.name));
            for (cells, outcome) in &outcomes {
                place.write(&format!("    {cells}: {outcome}\n"));
            }
        }
        place.write("\n");
    }
    denied
}

/// What one principal is answered, by header and method type. Neighbours with the same outcome are
/// one line.
async fn outcomes(place: &Place, row: &str, principal: &Principal) -> Vec<(String, String)> {
    let upper = principal.tenant.to_uppercase();
    let headers = [
        ("own", principal.tenant),
        ("OWN", &upper),
        ("another", OWN_PARTY),
    ];
    let mut outcomes: Vec<(String, String)> = Vec::new();
    for (name, header) in headers {
        for method_type in [PASSKEY, FIDO] {
            let user = format!("{row} {} {name} {method_type}", principal.name);
            let answer = ask(place, row, principal, &user, header, method_type).await;
            let outcome = outcome(place, &answer);
            let cell = format!("{name} {method_type}").replace("webauthn_", "");
            match outcomes.last_mut() {
                Some((cells, last)) if *last == outcome => *cells += &format!(", {cell}"),
                _ => outcomes.push((cell, outcome)),
            }
        }
    }
    if let [(cells, _)] = &mut *outcomes {
        *cells = "always".into();
    }
    outcomes
}

/// The outcome with its notices.
fn outcome(place: &Place, answer: &Answer) -> String {
    let mut text = place.outcome(answer);
    for notice in answer.body["notices"].as_array().into_iter().flatten() {
        text += &format!("\n      {}", notice.as_str().unwrap());
    }
    text
}

/// Asks once, as a user of whom nothing is known but what the principal says.
async fn ask(
    place: &Place,
    row: &str,
    principal: &Principal,
    user: &str,
    header: &str,
    method_type: &str,
) -> Answer {
    let caller = match (principal.token)(&place.deployment, user) {
        Some(token) => place.nobody.with(token, header),
        None => place.nobody.tenant(header),
    };
    let owner = place.strong_in(user, principal.tenant);
    if principal.enrolled {
        let options = owner.begin(PASSKEY).await;
        let right = Attestation::to(&options, &place.deployment.origin());
        let answer = owner.complete(PASSKEY, &right.credential()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let (method, path) = row.split_once(' ').unwrap();
    match (method, path) {
        ("POST", REGISTER) => begin(&caller, method_type).await,
        ("POST", COMPLETE) => {
            let options = match begin(&owner, method_type).await {
                Answer {
                    status: 200, body, ..
                } => body["options"].clone(),
                _ => no_options(),
            };
            let right = Attestation::to(&options, &place.deployment.origin());
            caller.complete(method_type, &right.credential()).await
        }
        ("GET", METHODS | OPENAPI | RELATED | NOWHERE) | ("DELETE", METHODS) => {
            let request = caller.request(method, path).header("host", "localhost");
            caller.send(request.body(Full::default()).unwrap()).await
        }
        _ => panic!("{row} has no entry in the matrix"),
    }
}

async fn begin(caller: &Client, method_type: &str) -> Answer {
    let target = format!("{REGISTER}?method_type={method_type}");
    caller.post(&target, &json!({})).await
}

/// Where nothing can be begun, an answer to a challenge that nobody gave.
fn no_options() -> Value {
    json!({ "challenge": "AAAAAAAAAAAAAAAAAAAAAA", "rp": { "id": "localhost" } })
}

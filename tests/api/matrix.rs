//! The golden matrix: the answers at each row of the route table by principal, tenant and method
//! type.
//!
//! The rows come from the API description that the gateway serves, so a new row fails this test
//! until it has an entry and a denial.

use crate::support::deployment::{ADMINS, Deployment, OWN_PARTY, SECURITY_KEYS_ONLY, TENANT};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::authenticator::Attestation;
use crate::support::client::{
    AUTHENTICATE, AUTHENTICATE_COMPLETE, Answer, BACKUP_CODES, BACKUP_CODES_VERIFY, COMPLETE,
    Client, FIDO, METHODS, PASSKEY, REGISTER,
};
use crate::support::key::Key;
use crate::support::place::{Place, on_both};

const OPENAPI: &str = "/v1/openapi.json";
const KEYS: &str = "/.well-known/jwks.json";
const METHOD: &str = "/v1/users/me/mfa/{id}";
const ADMIN_METHODS: &str = "/v1/admin/users/{user}/mfa";
const ADMIN_METHOD: &str = "/v1/admin/users/{user}/mfa/{id}";
const RELATED: &str = "/.well-known/webauthn";

/// A principal of the matrix.
struct Principal {
    name: &'static str,
    tenant: &'static str,
    /// The name of the user.
    token: fn(&Deployment, user: &str) -> Option<String>,
    /// True if the user has an authenticator already.
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
const WEAK_ADMIN: Principal = Principal {
    name: "weak admin, one factor",
    token: |deployment, user| {
        let mut claims = deployment.claims(user, TENANT);
        claims["groups"] = json!([ADMINS]);
        Some(deployment.sign(&claims))
    },
    ..WEAK_ENROLLED
};
const STRONG_ADMIN: Principal = Principal {
    name: "strong admin, one factor",
    token: |deployment, user| {
        let mut claims = deployment.strong_claims(user, TENANT);
        claims["groups"] = json!([ADMINS]);
        Some(deployment.sign(&claims))
    },
    ..WEAK_ENROLLED
};
const EXAMPLE_USER: Principal = Principal {
    name: "an example tenant's user",
    tenant: SECURITY_KEYS_ONLY,
    token: |deployment, user| Some(deployment.sign(&deployment.claims(user, SECURITY_KEYS_ONLY))),
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

/// An id that no authenticator has.
const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";
/// A path without a row.
const NOWHERE: &str = "/v1/nowhere";

#[tokio::test]
async fn every_row_answers_each_principal_as_the_policies_say() {
    let rows = rows().await;
    let shipped = on_both(Deployment::with_admins, async |place| {
        let principals = [
            NOBODY,
            BAD_TOKEN,
            WEAK,
            WEAK_ENROLLED,
            STRONG_ENROLLED,
            EXAMPLE_USER,
            NO_TENANT,
        ];
        let (own, admin): (Vec<_>, Vec<_>) =
            rows.iter().cloned().partition(|it| !it.contains("/admin/"));
        let mut denied = table(place, &own, &principals).await;
        let admins = [WEAK_ENROLLED, STRONG_ENROLLED, WEAK_ADMIN, STRONG_ADMIN];
        denied.extend(table(place, &admin, &[NOBODY, BAD_TOKEN]).await);
        denied.extend(table(place, &admin, &admins).await);
        let members: Vec<_> = rows.iter().filter(|it| it.contains("/users/")).collect();
        assert!(members.iter().all(|it| denied.contains(it)), "{denied:?}");
        let no_rows = [format!("GET {NOWHERE}"), format!("DELETE {METHODS}")];
        table(place, &no_rows, &[NOBODY, BAD_TOKEN, WEAK]).await;
    })
    .await;
    let closed = |it: Deployment| it.without_policy("00-open-doors.cedar");
    let closed = on_both(closed, async |place| {
        let denied = table(place, &rows, &[NOBODY, BAD_TOKEN, WEAK, NO_TENANT]).await;
        // These users have no authenticators, so requests for one are answered with 404.
        let about_one = [METHOD, AUTHENTICATE_COMPLETE];
        let refusable = rows
            .iter()
            .filter(|row| !about_one.iter().any(|it| row.ends_with(it)));
        let refusable: Vec<_> = refusable.cloned().collect();
        assert_eq!(denied, refusable, "rows without a denial");
    })
    .await;
    let matrix =
        format!("THE SHIPPED POLICIES\n\n{shipped}\n\nWITHOUT 00-open-doors.cedar\n\n{closed}");
    insta::assert_snapshot!(matrix);
}

/// Each row of the route table, as `METHOD path`.
async fn rows() -> Vec<String> {
    let place = Place::open(Deployment::embedded());
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

/// Writes the answers to each principal down. Returns the rows with a denial.
async fn table(place: &Place, rows: &[String], principals: &[Principal]) -> Vec<String> {
    let mut denied = Vec::new();
    for row in rows {
        place.write(&format!("{row}\n"));
        for principal in principals {
            let outcomes = outcomes(place, row, principal).await;
            let denial =
                |it: &(String, String)| it.1.starts_with("403 ") && it.1.contains(" deny ");
            if outcomes.iter().any(denial) && denied.last() != Some(row) {
                denied.push(row.clone());
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

/// The answers to one principal, by tenant header and method type. Neighbours with the same outcome
/// share a line.
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

/// Sends one request as a new user with the properties of this principal.
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
    let origin = place.deployment.origin();
    let enrolled = if principal.enrolled {
        let (key, answer) = Key::enrol(&owner, PASSKEY, &origin).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Some((key, answer.body["codes"][0].clone()))
    } else {
        None
    };
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
            let right = Attestation::to(&options, &origin);
            caller.complete(method_type, &right.credential()).await
        }
        ("POST", AUTHENTICATE) => {
            let body = json!({ "method_type": method_type });
            caller.post(path, &body).await
        }
        ("POST", AUTHENTICATE_COMPLETE) => {
            let here = caller.tenant(principal.tenant);
            let begun = here.post(AUTHENTICATE, &json!({})).await;
            let options = match begun.status {
                200 => begun.body["options"].clone(),
                _ => no_options(),
            };
            let key = match enrolled {
                Some((key, _)) => key,
                None => Key::for_options(&no_options(), &origin, 5),
            };
            let credential = key.answer(&options);
            caller
                .post(path, &json!({ "credential": credential }))
                .await
        }
        ("PATCH" | "DELETE", METHOD) => {
            let target = METHOD.replace("{id}", &id(&owner, principal).await);
            match method {
                "PATCH" => caller.patch(&target, &json!({"device_name": "new"})).await,
                _ => caller.delete(&target).await,
            }
        }
        ("POST", BACKUP_CODES) => caller.post(path, &json!({})).await,
        ("POST", BACKUP_CODES_VERIFY) => {
            let code = enrolled.map_or(json!("0000-0000-00000"), |(_, code)| code);
            caller.post(path, &json!({ "code": code })).await
        }
        (_, ADMIN_METHODS | ADMIN_METHOD) => {
            let other = format!("{user} helped").replace(' ', "_").replace('/', "_");
            let helped = place.strong_in(&other, TENANT);
            let id = match begin(&helped, method_type).await.status {
                200 => {
                    Key::enrol(&helped, method_type, &origin).await;
                    first_id(&helped).await
                }
                // without a permit nobody can enrol
                _ => NOBODYS.to_owned(),
            };
            let target = path.replace("{user}", &format!("corp%7C{other}"));
            let target = target.replace("{id}", &id);
            match method {
                "GET" => caller.get(&target).await,
                _ => caller.delete(&target).await,
            }
        }
        ("GET", METHODS | OPENAPI | KEYS | RELATED | NOWHERE) | ("DELETE", METHODS) => {
            let request = caller.request(method, path).header("host", "localhost");
            caller.send(request.body(Full::default()).unwrap()).await
        }
        _ => panic!("{row} has no entry in the matrix"),
    }
}

/// The authenticator of an enrolled user. For any other user, an id that no authenticator has.
async fn id(owner: &Client, principal: &Principal) -> String {
    if principal.enrolled {
        first_id(owner).await
    } else {
        NOBODYS.to_owned()
    }
}

async fn first_id(owner: &Client) -> String {
    let listed = owner.get(METHODS).await;
    listed.body["methods"][0]["id"].as_str().unwrap().to_owned()
}

async fn begin(caller: &Client, method_type: &str) -> Answer {
    let target = format!("{REGISTER}?method_type={method_type}");
    caller.post(&target, &json!({})).await
}

/// The response to a begun enrolment. If none can be begun, the response to an invented challenge.
fn no_options() -> Value {
    json!({ "challenge": "AAAAAAAAAAAAAAAAAAAAAA", "rp": { "id": "localhost" } })
}

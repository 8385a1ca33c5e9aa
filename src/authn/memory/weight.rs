//! An estimate of the memory that a verified token takes. It counts what is allocated for the values,
//! and not the length of the token: JSON such as `[{"a":0},{"a":0}]` takes many times its length.

use serde_json::{Map, Value};

use cedargate_core::User;

/// The bytes that an allocation takes beside what was asked for.
const ALLOCATION: usize = 16;

/// The bytes of an entry in the tables of the memory, which also hold keys of evicted entries.
pub(super) const SLOT: usize = 128;

/// The bytes of a member of an object beside its name and value: its hash, and its place in the index.
const MEMBER: usize = 32;

/// Returns the bytes of a user, with its claims. What all users of an issuer share is not counted.
pub(super) fn user(user: &User) -> usize {
    let texts = [
        &user.id.subject,
        &user.name,
        &user.display_name,
        &user.session.id,
        &user.session.acr,
    ];
    let texts: usize = texts.into_iter().map(|it| text(it)).sum();
    let lists = strings(&user.groups) + strings(&user.session.amr);
    // The key of the session and the id of a code set are digests.
    let digests = 2 * (64 + ALLOCATION);
    size_of::<User>() + 2 * ALLOCATION + texts + lists + digests + object(&user.claims)
}

fn value(json: &Value) -> usize {
    match json {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(it) => text(it),
        Value::Array(items) => {
            let values = slots(items.len()) * size_of::<Value>();
            ALLOCATION + values + items.iter().map(value).sum::<usize>()
        }
        Value::Object(members) => object(members),
    }
}

fn object(members: &Map<String, Value>) -> usize {
    let member = size_of::<String>() + size_of::<Value>() + MEMBER;
    let inside: usize = members
        .iter()
        .map(|(name, it)| text(name) + value(it))
        .sum();
    2 * ALLOCATION + slots(members.len()) * member + inside
}

fn strings(list: &[String]) -> usize {
    ALLOCATION
        + slots(list.len()) * size_of::<String>()
        + list.iter().map(|it| text(it)).sum::<usize>()
}

fn text(it: &str) -> usize {
    it.len() + ALLOCATION
}

/// Returns the number of elements that are allocated for this many, if the list grew one by one.
fn slots(elements: usize) -> usize {
    match elements {
        0 => 0,
        _ => elements.next_power_of_two().max(4),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use cedargate_core::{Tenant, UserId};

    fn weight(claims: Value) -> usize {
        let id = UserId {
            issuer: "corp".parse().unwrap(),
            tenant: None::<Tenant>,
            subject: "alice".into(),
        };
        let Value::Object(claims) = claims else {
            panic!("claims are an object");
        };
        user(&User {
            claims: claims.into(),
            ..User::new(id)
        })
    }

    #[test]
    fn claims_weigh_what_is_allocated_for_them() {
        let bare = weight(json!({}));
        assert!(bare >= size_of::<User>());
        let text = weight(json!({ "a": "x".repeat(10_000) })) - bare;
        assert!((10_000..11_000).contains(&text), "{text} bytes");
        // Each object has a vector of members and an index.
        let small = weight(json!({ "a": vec![json!({ "a": 0 }); 1000] })) - bare;
        let member = size_of::<String>() + size_of::<Value>();
        assert!(
            small >= 1000 * (size_of::<Value>() + member),
            "{small} bytes"
        );
        let nested = weight(json!({ "a": [[{ "b": ["x".repeat(10_000)] }]] })) - bare;
        assert!(nested > 10_000, "{nested} bytes");
    }

    #[test]
    fn groups_and_amr_are_part_of_the_weight() {
        let id = UserId {
            issuer: "corp".parse().unwrap(),
            tenant: None,
            subject: "alice".into(),
        };
        let bare = User::new(id);
        let mut full = bare.clone();
        full.groups = vec!["x".repeat(1000); 100];
        full.session.amr = vec!["y".repeat(1000)];
        assert!(user(&full) - user(&bare) > 101_000);
    }
}

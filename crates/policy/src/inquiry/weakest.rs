//! The weakest values of members that requests of older releases do not have.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// Adds what an older release did not write to a context, and tells which members these are.
///
/// A session without a word on it is not trusted, and no authenticator confirmed it. An account is not
/// one that was reset: the stores of older releases do not know either, so that is what the gateway says
/// of their accounts. A case about a first enrolment stays one, and what is denied to an account that
/// was not reset is denied by more than the rules about resets.
pub(super) fn completed(context: &Value) -> (Cow<'_, Value>, Vec<&'static str>) {
    let missing: Vec<_> = members()
        .into_iter()
        .filter(|it| it.lacks(context))
        .collect();
    let mut completed = Cow::Borrowed(context);
    let mut names = Vec::new();
    for member in missing {
        if let Some(record) = member.record(completed.to_mut()) {
            record.insert(member.name.to_owned(), member.weakest);
            names.push(member.path);
        }
    }
    (completed, names)
}

struct Member {
    path: &'static str,
    within: &'static str,
    name: &'static str,
    weakest: Value,
}

fn members() -> [Member; 3] {
    let member = |path, within, name, weakest| Member {
        path,
        within,
        name,
        weakest,
    };
    [
        member(
            "context.session.trusted",
            "session",
            "trusted",
            json!(false),
        ),
        member(
            "context.session.authenticatorAge",
            "session",
            "authenticatorAge",
            json!("0s"),
        ),
        member("context.factors.reset", "factors", "reset", json!(false)),
    ]
}

impl Member {
    /// Returns true if the record is there, and it is not in it.
    fn lacks(&self, context: &Value) -> bool {
        let record = context.get(self.within).and_then(Value::as_object);
        record.is_some_and(|record| !record.contains_key(self.name))
    }

    fn record<'a>(&self, context: &'a mut Value) -> Option<&'a mut Map<String, Value>> {
        context.get_mut(self.within)?.as_object_mut()
    }
}

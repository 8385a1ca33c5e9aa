//! The values of context members that requests of older releases lack.

use std::borrow::Cow;

use serde_json::Value;

use crate::shape::{CONTEXT, Member};

/// Adds the members that older releases did not write, with their weakest values, and returns the paths
/// of the added members.
///
/// The session is not trusted and no authenticator confirmed it. The account was not reset, because older
/// releases did not store resets, so that a test case about a first enrolment stays one.
pub(super) fn completed(context: &Value) -> (Cow<'_, Value>, Vec<String>) {
    let mut completed = Cow::Borrowed(context);
    let mut paths = Vec::new();
    for member in CONTEXT {
        let Member::Record(record, leaves) = member else {
            continue;
        };
        let Some(written) = context.get(record).and_then(Value::as_object) else {
            continue;
        };
        let is_missing = |name: &str| !written.contains_key(name);
        for leaf in leaves
            .iter()
            .filter(|member| member.is_new && is_missing(member.leaf.name))
        {
            completed.to_mut()[record][leaf.leaf.name] = leaf.neutral();
            paths.push(format!("context.{record}.{}", leaf.leaf.name));
        }
    }
    (completed, paths)
}

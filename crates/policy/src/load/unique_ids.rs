//! The rule that every policy, template and link has an id of its own.

use std::collections::HashMap;

use cedar_policy::PolicyId;

use crate::links::Link;
use crate::place::Place;
use cedargate_core::Finding;

use super::statement::Statement;

/// Reports missing and repeated ids over all files. A statement without an id of its own gets one that
/// names its place; a link with a repeated id is removed.
pub(super) fn check<'a>(
    statements: &mut [Statement<'a>],
    links: &mut Vec<Link<'a>>,
    findings: &mut Vec<Finding>,
) {
    let mut places: HashMap<String, String> = HashMap::new();
    for statement in statements {
        let id: &str = statement.id.as_ref();
        let annotation = statement.syntax().annotation("id");
        let place = match annotation.and_then(|annotation| annotation.span) {
            Some(span) => statement.place.part(span),
            None => {
                let message =
                    "this policy has no @id, so logs, tests and answers could not name it";
                let finding = statement.place.error("id_missing", None, message);
                findings.push(finding.help("write @id(\"…\") before it, unique over all files"));
                statement.place.clone()
            }
        };
        if id.is_empty() || is_repeated(id, &place, &mut places, findings) {
            statement.id = PolicyId::new(format!("the policy at {}", statement.place.line()));
        }
    }
    links.retain(|link| !is_repeated(&link.link_id, &link.place, &mut places, findings));
}

/// Returns true if `places` has the id already, and reports that. Otherwise adds the id to `places`.
fn is_repeated(
    id: &str,
    place: &Place<'_>,
    places: &mut HashMap<String, String>,
    findings: &mut Vec<Finding>,
) -> bool {
    if let Some(first) = places.get(id) {
        let message = format!("the id {id:?} is taken: {first} has it already");
        let help = "give each policy, template and link an id of its own";
        findings.push(place.error("id_repeated", None, message).help(help));
        return true;
    }
    places.insert(id.to_owned(), place.line());
    false
}

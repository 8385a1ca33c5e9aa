//! The rule that every policy, template and link has an id of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

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
    let (unnamed, repeated_links) = unnamed(statements, links, findings);
    for index in unnamed {
        let statement = &mut statements[index];
        let id = format!("the policy at {}", statement.place.line());
        statement.set_id(&PolicyId::new(id));
    }
    let mut repeated = repeated_links.into_iter();
    links.retain(|_| !repeated.next().unwrap_or_default());
}

/// Returns the indexes of the statements without an id of their own, and for each link whether its id is
/// repeated.
fn unnamed(
    statements: &[Statement<'_>],
    links: &[Link<'_>],
    findings: &mut Vec<Finding>,
) -> (Vec<usize>, Vec<bool>) {
    let mut owners = HashMap::with_capacity(statements.len() + links.len());
    let mut unnamed = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        if !statement.has_id {
            let message = "this policy has no @id, so logs, tests and answers could not name it";
            let finding = statement.place.error("id_missing", None, message);
            findings.push(finding.help("write @id(\"…\") before it, unique over all files"));
        }
        let id = statement.id();
        if id.is_empty() || is_repeated(id, Owner::Statement(statement), &mut owners, findings) {
            unnamed.push(index);
        }
    }
    let repeated = links
        .iter()
        .map(|link| is_repeated(&link.link_id, Owner::Link(link), &mut owners, findings));
    (unnamed, repeated.collect())
}

/// The owner of an id.
#[derive(Clone, Copy)]
enum Owner<'s, 'a> {
    Statement(&'s Statement<'a>),
    Link(&'s Link<'a>),
}

impl<'a> Owner<'_, 'a> {
    /// Returns the place for findings about the id.
    fn place(self) -> Place<'a> {
        match self {
            Owner::Statement(statement) => statement.id_place(),
            Owner::Link(link) => link.place.clone(),
        }
    }
}

/// Returns true if another owner has the id already, and reports that.
fn is_repeated<'s, 'a>(
    id: &'s str,
    owner: Owner<'s, 'a>,
    owners: &mut HashMap<&'s str, Owner<'s, 'a>>,
    findings: &mut Vec<Finding>,
) -> bool {
    match owners.entry(id) {
        Entry::Vacant(free) => {
            free.insert(owner);
            false
        }
        Entry::Occupied(first) => {
            let first = first.get().place().line();
            let message = format!("the id {id:?} is taken: {first} has it already");
            let help = "give each policy, template and link an id of its own";
            let finding = owner.place().error("id_repeated", None, message);
            findings.push(finding.help(help));
            true
        }
    }
}

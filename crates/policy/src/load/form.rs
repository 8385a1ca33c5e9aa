//! The form of a policy: its text without all that Cedar's validator does not look at.
//!
//! Large sets have many policies of the same form, such as one for each tenant or group. Validation is the
//! slowest part of loading, so it is done once for each form.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use crate::nesting;

/// The entity types whose ids the validator does not look at. The others are actions and enumerations.
const OPEN_TYPES: [&str; 8] = [
    "Account",
    "Authenticator",
    "AuthenticatorModel",
    "Group",
    "Issuer",
    "Route",
    "Tenant",
    "User",
];

/// The forms of policies that are valid without a warning.
#[derive(Default)]
pub(super) struct ValidForms(RwLock<HashSet<String>>);

impl ValidForms {
    pub(super) fn contain(&self, form: &str) -> bool {
        let forms = self.0.read().unwrap_or_else(PoisonError::into_inner);
        forms.contains(form)
    }

    pub(super) fn add(&self, form: String) {
        let mut forms = self.0.write().unwrap_or_else(PoisonError::into_inner);
        forms.insert(form);
    }
}

/// Returns the form of a policy or template: its tokens without comments and annotations, and numbers in
/// place of the ids of entities.
///
/// Two policies of the same form are both valid or both not, and can match for the same actions and types.
/// The validator reads the types of entities but not their ids, except those of actions and enumerations,
/// which stay. It compares ids for equality, so the same entity has the same number. It also warns about ids
/// with letters of several scripts, so an id stays unless it is plain ASCII. A policy with an escape keeps
/// all of its ids, because an escape can write an id in another way.
pub fn form_of(text: &str) -> String {
    let has_escape = text.contains('\\');
    let tokens: Vec<_> = nesting::tokens(text).collect();
    let mut form = String::with_capacity(text.len());
    let mut numbers: HashMap<(&str, &str), usize> = HashMap::new();
    for (at, (token, _)) in tokens.iter().enumerate().skip(annotations(&tokens)) {
        match open_type(&tokens[..at]).filter(|_| !has_escape && is_plain(token)) {
            Some(name) => {
                let next = numbers.len();
                let number = *numbers.entry((name, token)).or_insert(next);
                form.push_str(&number.to_string());
            }
            None => form.push_str(token),
        }
        form.push(' ');
    }
    form
}

type Token<'a> = (&'a str, Range<usize>);

/// Returns the number of tokens of the annotations at the beginning of a policy: `@name` and `@name("value")`.
fn annotations(tokens: &[Token<'_>]) -> usize {
    let mut at = 0;
    while tokens.get(at).is_some_and(|(token, _)| *token == "@") {
        at += 2;
        if tokens.get(at).is_some_and(|(token, _)| *token == "(")
            && tokens.get(at + 2).is_some_and(|(token, _)| *token == ")")
        {
            at += 3;
        }
    }
    at
}

/// Returns the name of the type if these tokens end with `Gate::`, the name and `::`.
fn open_type<'a>(before: &[Token<'a>]) -> Option<&'a str> {
    let [
        ..,
        (namespace, _),
        (":", _),
        (":", _),
        (name, _),
        (":", _),
        (":", _),
    ] = before
    else {
        return None;
    };
    (*namespace == "Gate" && OPEN_TYPES.contains(name)).then_some(name)
}

/// Returns true for a text literal of printable ASCII.
fn is_plain(token: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    token.starts_with('"') && token.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"@id("a") @x_flag @notice("Say (this).") // why
permit (principal in Gate::Group::"corp||staff", action == Gate::Action::"enroll", resource)
when { principal == Gate::User::"corp||a" && context.methodType == Gate::MethodType::"webauthn_fido" };"#;

    #[test]
    fn policies_that_differ_in_annotations_layout_and_entity_ids_have_the_same_form() {
        for (from, to) in [
            ("@id(\"a\")", "@id(\"b\")"),
            ("@x_flag ", ""),
            ("// why", "/**/"),
            ("permit (", "permit\n("),
            ("corp||staff", "corp||others"),
            ("corp||a", "acme|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|b"),
        ] {
            let other = POLICY.replace(from, to).replace("/**/", "");
            assert_eq!(form_of(POLICY), form_of(&other), "{other}");
        }
    }

    #[test]
    fn policies_that_the_validator_can_tell_apart_have_different_forms() {
        for (from, to) in [
            ("permit", "forbid"),
            ("enroll", "enrol"),
            ("webauthn_fido", "webauthn_phone"),
            ("Gate::Group", "Gate::Tenant"),
            ("Gate::Group", "Gate::Grupe"),
            ("Gate::User::\"corp||a\"", "Gate::Group::\"corp||staff\""),
            ("corp||a", "corp||\u{430}"),
            ("corp||a", "corp||\\u{61}"),
            ("principal ==", "principal in"),
            (
                "principal == Gate::User::\"corp||a\"",
                "principal == User::\"corp||a\"",
            ),
        ] {
            let other = POLICY.replace(from, to);
            assert_ne!(form_of(POLICY), form_of(&other), "{other}");
        }
        let twice = |one: &str, other: &str| {
            form_of(&POLICY.replace(
                "corp||a\"",
                &format!("{one}\" || principal == Gate::User::\"{other}\""),
            ))
        };
        assert_eq!(twice("a", "b"), twice("c", "d"));
        // The first is about one user, the second about two.
        assert_ne!(twice("a", "\\u{61}"), twice("b", "\\u{61}"));
        assert_ne!(twice("a", "a"), twice("c", "d"));
    }
}

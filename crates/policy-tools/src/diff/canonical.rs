//! The canonical form of a policy. Two policies with the same canonical form always decide alike. It is
//! Cedar's JSON of the policy, which has no positions and no comments, without the annotations and the order
//! that no decision depends on.

use cedar_policy::{Policy, Template};
use serde_json::{Map, Value, json};

use cedargate_policy::analysis::whole_seconds;

/// The annotations that decisions depend on.
const DECIDING: [&str; 5] = ["notice", "code", "step_up", "max_age", "mode"];

/// Returns the canonical form of a policy, or `None` if Cedar has no JSON for it. A template link has its
/// slots filled in.
pub(super) fn of_policy(policy: &Policy) -> Option<Value> {
    Some(normal(policy.to_json().ok()?))
}

/// Returns the canonical form of a template, or `None` if Cedar has no JSON for it.
pub(super) fn of_template(template: &Template) -> Option<Value> {
    Some(normal(template.to_json().ok()?))
}

fn normal(mut policy: Value) -> Value {
    policy["annotations"] = deciding_annotations(&policy["annotations"]);
    policy["conditions"] = clauses(&policy["conditions"]).into();
    if policy["action"]["op"] == "in" {
        policy["action"] = actions(&policy["action"]);
    }
    policy
}

fn deciding_annotations(annotations: &Value) -> Value {
    let mut kept = Map::new();
    for name in DECIDING {
        let Some(value) = annotations.get(name) else {
            continue;
        };
        // "5m" and "300s" are the same age.
        let seconds = value.as_str().filter(|_| name == "max_age");
        let seconds = seconds.and_then(whole_seconds);
        kept.insert(
            name.to_owned(),
            seconds.map_or_else(|| value.clone(), Value::from),
        );
    }
    kept.into()
}

/// Returns the scope of actions. `action in A` is `action in [A]`, and the order of a list does not matter.
fn actions(scope: &Value) -> Value {
    let listed = scope["entities"].as_array().cloned();
    let mut actions = listed.unwrap_or_else(|| vec![scope["entity"].clone()]);
    actions.sort_by_key(Value::to_string);
    actions.dedup();
    json!({ "in": actions })
}

/// Returns the conditions as top-level clauses. `when { a } when { b }` is `when { a && b }`, and
/// `unless { a } unless { b }` is `unless { a || b }`: Cedar evaluates the same in the same order.
fn clauses(conditions: &Value) -> Vec<Value> {
    let mut clauses = Vec::new();
    for condition in conditions.as_array().into_iter().flatten() {
        let kind = &condition["kind"];
        let joined_by = if kind == "unless" { "||" } else { "&&" };
        let mut open = vec![&condition["body"]];
        while let Some(part) = open.pop() {
            match part.get(joined_by) {
                Some(sides) => open.extend([&sides["right"], &sides["left"]]),
                None => clauses.push(json!([kind, part])),
            }
        }
    }
    clauses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Value {
        of_policy(&text.parse().unwrap()).unwrap()
    }

    fn same(one: &str, other: &str) -> bool {
        canonical(one) == canonical(other)
    }

    const PLAIN: &str = r#"@id("a") @notice("n") forbid (principal, action in [Action::"x", Action::"y"], resource)
        when { context.a && context.b } unless { context.c || context.d };"#;

    #[test]
    fn policies_that_differ_in_form_have_the_same_canonical_form() {
        let edits: [(&str, &str); 9] = [
            ("", ""),
            ("when", "// why\nwhen"),
            ("context.a", "((context[\"a\"]))"),
            ("@notice(\"n\")", "@owner(\"me\") @notice(\"\\u{6e}\")"),
            ("@id(\"a\")", "@id(\"b\")"),
            (
                "[Action::\"x\", Action::\"y\"]",
                "[Action::\"y\", Action::\"x\", Action::\"y\"]",
            ),
            (" && context.b }", " } when { context.b }"),
            (" || context.d }", " } unless { context.d }"),
            ("@notice(\"n\") forbid", "@notice(\"n\")\n\n  forbid"),
        ];
        for (from, to) in edits {
            let other = PLAIN.replacen(from, to, 1);
            assert!(same(PLAIN, &other), "{other}");
        }
        assert!(same(
            r#"@max_age("5m") permit (principal, action in Action::"x", resource);"#,
            r#"@max_age("300s") permit (principal, action in [Action::"x"], resource);"#,
        ));
    }

    #[test]
    fn policies_that_can_decide_differently_have_different_canonical_forms() {
        let edits: [(&str, &str); 9] = [
            ("forbid", "permit"),
            ("@notice(\"n\")", "@notice(\"m\")"),
            ("@notice(\"n\")", ""),
            ("@notice(\"n\")", "@mode(\"shadow\") @notice(\"n\")"),
            ("Action::\"y\"", "Action::\"z\""),
            ("when", "unless"),
            ("&&", "||"),
            ("context.a && context.b", "context.b && context.a"),
            (" || context.d }", " } when { context.d }"),
        ];
        for (from, to) in edits {
            let other = PLAIN.replacen(from, to, 1);
            assert!(!same(PLAIN, &other), "{other}");
        }
    }
}

//! What a policy says, without the way in which it is written: two policies that mean the same have
//! the same of it. It is Cedar's JSON form of the policy, which has no places and no comments, with
//! what makes no difference to any answer taken out of it.

use cedar_policy::{Policy, Template};
use serde_json::{Map, Value, json};

use cedargate_policy::analysis::whole_seconds;

/// The annotations that answers depend on. The others are for people and tools.
const ANSWERED: [&str; 5] = ["notice", "code", "step_up", "max_age", "mode"];

/// Of a policy; of a link with the values of its slots. `None` when Cedar has no JSON for it.
pub(super) fn of_policy(policy: &Policy) -> Option<Value> {
    Some(normal(policy.to_json().ok()?))
}

/// Of a template.
pub(super) fn of_template(template: &Template) -> Option<Value> {
    Some(normal(template.to_json().ok()?))
}

fn normal(mut policy: Value) -> Value {
    policy["annotations"] = answered(&policy["annotations"]);
    policy["conditions"] = clauses(&policy["conditions"]).into();
    if policy["action"]["op"] == "in" {
        policy["action"] = actions(&policy["action"]);
    }
    policy
}

fn answered(annotations: &Value) -> Value {
    let mut kept = Map::new();
    for name in ANSWERED {
        let Some(value) = annotations.get(name) else {
            continue;
        };
        // "5m" and "300s" are one age.
        let seconds = value.as_str().filter(|_| name == "max_age");
        let seconds = seconds.and_then(whole_seconds);
        kept.insert(
            name.to_owned(),
            seconds.map_or_else(|| value.clone(), Value::from),
        );
    }
    kept.into()
}

/// `action in A` and `action in [A]` are one scope, and a list of actions has no order.
fn actions(scope: &Value) -> Value {
    let listed = scope["entities"].as_array().cloned();
    let mut actions = listed.unwrap_or_else(|| vec![scope["entity"].clone()]);
    actions.sort_by_key(Value::to_string);
    actions.dedup();
    json!({ "in": actions })
}

/// The conditions as their top-level clauses: `when { a } when { b }` is `when { a && b }`, and
/// `unless { a } unless { b }` is `unless { a || b }`; what is evaluated, and in which order, is the
/// same.
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

    fn meaning(text: &str) -> Value {
        of_policy(&text.parse().unwrap()).unwrap()
    }

    fn same(one: &str, other: &str) -> bool {
        meaning(one) == meaning(other)
    }

    const PLAIN: &str = r#"@id("a") @notice("n") forbid (principal, action in [Action::"x", Action::"y"], resource)
        when { context.a && context.b } unless { context.c || context.d };"#;

    #[test]
    fn the_way_in_which_it_is_written_is_no_meaning() {
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
    fn what_answers_depend_on_is_meaning() {
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

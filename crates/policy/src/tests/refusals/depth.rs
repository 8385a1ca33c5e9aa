//! Expressions that are too deep for Cedar: its parser would overflow the stack, its validator would give
//! up silently, and its evaluator would fail at each request.

use std::thread;

use super::super::super::*;
use super::super::decisions::user;
use super::{OPEN, at, forbid, helps, load, on, only};
use cedargate_core::Effect;
use cedargate_core::*;

/// Expressions of a depth, each for another way in which Cedar nests levels.
const NESTED: [fn(&str, usize) -> String; 6] = [
    |inner, depth| format!("{inner}{}", " || context.factors.count == 7".repeat(depth)),
    |inner, depth| {
        format!(
            "({inner} || true){}",
            " && context.factors.count < 7".repeat(depth)
        )
    },
    |inner, depth| {
        let sum = " + context.factors.count".repeat(depth);
        format!("{inner} || context.factors.count{sum} == 7")
    },
    |inner, depth| {
        let conditions = " } unless { context.factors.count == 7".repeat(depth);
        format!("{inner} || true{conditions}")
    },
    |inner, depth| {
        let depth = depth.min(60);
        format!(
            "{}{inner}{}",
            "(".repeat(depth),
            " || context.factors.count == 7)".repeat(depth)
        )
    },
    |inner, depth| {
        let depth = depth.min(60);
        format!(
            "{}({inner}){}",
            "(true == !!!!".repeat(depth),
            ")".repeat(depth)
        )
    },
];
const DEEPEST_THAT_LOADS: usize = 240;

fn nested(of: fn(&str, usize) -> String, inner: &str, depth: usize) -> String {
    on(
        "action in Gate::Action::\"manageOwnMfa\"",
        &of(inner, depth),
    )
}

#[test]
fn policy_with_too_many_open_brackets_is_refused() {
    for open in ["(", "[", "{a: ", "!(", "-(", "ip("] {
        let policy = forbid(&open.repeat(20_000));
        let finding = load(&policy).unwrap_err().0.remove(0);
        assert_eq!(finding.code, "nesting", "{finding}");
        helps(&finding, "split it into several policies");
        let bracket = open.find(['(', '[', '{']).unwrap() + open.len() * 63;
        at(
            &finding,
            &policy,
            policy.find("when {").unwrap() + "when { ".len() + bracket,
        );
    }
}

#[test]
fn brackets_after_a_comment_that_ends_with_a_carriage_return_are_counted() {
    let policy = format!("// a comment\r{}", forbid(&"(".repeat(20_000)));
    let finding = only(load(&policy).unwrap_err().0);
    assert_eq!(finding.code, "nesting", "{finding}");
}

#[test]
fn policy_with_too_many_nested_ifs_or_operators_is_refused() {
    let branches = |many| {
        format!(
            "{}true",
            "if principal == resource then true else ".repeat(many)
        )
    };
    let members = |many| format!("principal{}", ".a".repeat(many));
    load(&format!("{OPEN}{}", forbid(&branches(16)))).unwrap();
    let refused = |condition: &str| only(load(&forbid(condition)).unwrap_err().0);
    for many in [17, 20_000] {
        let finding = refused(&branches(many));
        assert_eq!(finding.code, "nesting");
        assert_eq!(finding.message, "more than 16 ifs are nested here");
    }
    for many in [300, 200_000] {
        let chains = NESTED[..4].iter().map(|of| of("true", many));
        for condition in chains.chain([members(many)]) {
            let finding = refused(&condition);
            assert_eq!(finding.code, "nesting");
            assert_eq!(finding.message, "more than 256 operators are nested here");
            helps(&finding, "compare with a set");
        }
    }
}

#[test]
fn invalid_attribute_at_the_greatest_depth_is_refused() {
    for of in NESTED {
        let policy = nested(of, "context.nothing == 7", DEEPEST_THAT_LOADS);
        let finding = load(&format!("{OPEN}{policy}")).unwrap_err().0.remove(0);
        assert_eq!(finding.code, "validation", "{finding}");
        assert!(finding.message.contains("`nothing`"), "{finding}");
    }
}

#[test]
fn policy_of_the_greatest_depth_is_decided_on_a_small_stack() {
    for of in NESTED {
        let policy = nested(of, "context.factors.count == 8", DEEPEST_THAT_LOADS);
        let bundle = load(&format!("{OPEN}{policy}")).unwrap();
        let thread = thread::Builder::new().stack_size(512 << 10);
        let deciding = thread.spawn(move || (list(&bundle), bundle)).unwrap();
        let (decision, _bundle) = deciding.join().unwrap();
        assert_eq!(decision.errors, Vec::<String>::new());
        assert!(matches!(decision.effect, Effect::Allow | Effect::Deny(_)));
    }
}

fn list(bundle: &Bundle) -> Decision {
    let alice = std::sync::Arc::new(user("corp||alice"));
    let factors = Factors::default();
    bundle.decide(&AuthorizationRequest {
        caller: Caller::Member {
            user: &alice,
            tenant: "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0".parse().unwrap(),
            factors: &factors,
            means: &Means::default(),
            method_type: None,
        },
        action: GateAction::ListMfaMethods.into(),
        resource: Resource::Account(&alice.id),
        address: [192, 0, 2, 7].into(),
        now: Timestamp::from_millis(1_768_467_600_000),
    })
}

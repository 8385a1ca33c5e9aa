//! Findings about pairs of policies.

use super::{assert_finding, assert_no_finding, findings_of, forbid, only};
use cedargate_core::{Finding, Severity};

/// Returns the forbids `a` and `b` over `enroll` with these conditions.
fn two(a: &str, b: &str) -> String {
    let policy = |id: &str, conditions: &str| {
        forbid("", "enroll", conditions).replacen("\"x\"", &format!("\"{id}\""), 1)
    };
    format!("{}\n{}", policy("a", a), policy("b", b))
}

#[track_caller]
fn of_second(policies: &str, code: &str) -> Finding {
    assert_finding(policies, Severity::Finding, code, "@id(\"b\")", "")
}

const MANY: &str = "when { context.factors.count > 3 }";

#[test]
fn policy_that_equals_an_earlier_one_is_a_finding() {
    for (a, b) in [
        (MANY, MANY),
        ("", "when { true }"),
        (
            "when { context.factors.count > 3 && resource in principal.account }",
            "when { resource in principal.account } when { context.factors.count > 3 }",
        ),
        (
            "unless { context.session.acr == \"x\" || context.factors.count <= 3 }",
            "when { context.factors.count > 3 } unless { \"x\" == context.session.acr }",
        ),
        (
            "when { [\"a\", \"b\"].contains(context.session.acr) }",
            "when { [\"b\", \"a\", \"a\"].contains(context.session.acr) }",
        ),
    ] {
        let finding = of_second(&two(a, b), "alike");
        assert!(
            finding
                .message
                .starts_with("this forbid differs from \"a\" ("),
            "{finding}"
        );
        assert!(finding.message.contains("x.cedar:1)"), "{finding}");
        assert!(finding.message.ends_with("only in its id"), "{finding}");
    }
    let others =
        two(MANY, MANY).replacen("@notice(\"No.\")", "@notice(\"Nein.\") @owner(\"me\")", 1);
    let finding = of_second(&others, "alike");
    assert!(
        finding.message.ends_with("its id and @notice, @owner"),
        "{finding}"
    );
    for others in [
        two(MANY, "when { context.factors.count > 4 }"),
        two(MANY, "unless { context.factors.count > 3 }"),
        two(MANY, MANY).replacen("\"enroll\"", "\"changeFactors\"", 1),
        two(MANY, MANY)
            .replacen("(principal,", "(principal in Gate::Issuer::\"corp\",", 1)
            .replacen("(principal,", "(principal in Gate::Issuer::\"corq\",", 1),
        two(MANY, MANY).replacen("@id", "@mode(\"shadow\") @id", 1),
    ] {
        assert_no_finding(&others);
    }
}

#[test]
fn policy_that_changes_no_decision_is_a_finding() {
    let plain = "this forbid changes no decision: \"a\" (";
    for (a, b) in [
        ("", MANY),
        (
            MANY,
            "when { context.factors.count > 3 && context.session.acr == \"x\" }",
        ),
        (
            "when { context.factors.count > 3 || context.session.acr == \"x\" }",
            MANY,
        ),
        (
            "unless { context.session.acr == \"x\" }",
            "unless { context.session.acr == \"x\" || context.factors.count == 0 }",
        ),
    ] {
        let finding = of_second(&two(a, b), "useless");
        assert!(finding.message.starts_with(plain), "{finding}");
        assert!(
            finding
                .message
                .ends_with("forbids every request that it forbids"),
            "{finding}"
        );
        assert_eq!(finding.help.as_deref(), Some("remove it, or narrow \"a\""));
        // The order of the policies does not matter.
        let finding = only(findings_of(&two(b, a)));
        assert_eq!((finding.code, finding.line), ("useless", 1), "{finding}");
        assert!(finding.message.contains("\"b\" ("), "{finding}");
    }
    let own = two("", MANY).replace(
        "@id(\"b\") @notice(\"No.\")",
        "@id(\"b\") @notice(\"Other.\") @code(\"other\")",
    );
    let finding = of_second(&own, "useless");
    assert!(
        finding
            .message
            .ends_with("; only its @code and its @notice is added"),
        "{finding}"
    );
}

#[test]
fn policy_with_a_narrower_head_changes_no_decision() {
    let heads = |a: &str, b: &str| {
        let policy = |id: &str, head: &str| {
            format!("@id(\"{id}\") @notice(\"No.\")\nforbid ({head})\n{MANY};")
        };
        format!("{}\n{}", policy("a", a), policy("b", b))
    };
    let enroll = "action in Gate::Action::\"enroll\"";
    let begin = "action == Gate::Action::\"beginWebauthnRegistration\"";
    let corp = "principal in Gate::Issuer::\"corp\"";
    for (a, b) in [
        (
            format!("principal, {enroll}, resource"),
            format!("principal, {begin}, resource"),
        ),
        (
            format!("principal, {enroll}, resource"),
            format!("{corp}, {enroll}, resource"),
        ),
        // Only users can enrol, so the type does not narrow the head.
        (
            format!("principal is Gate::User, {enroll}, resource"),
            format!("principal, {begin}, resource"),
        ),
        (
            format!("principal, {enroll}, resource is Gate::Account"),
            format!("principal, {begin}, resource"),
        ),
        (
            format!("{corp}, {enroll}, resource"),
            format!("principal is Gate::User in Gate::Issuer::\"corp\", {begin}, resource"),
        ),
        (
            format!(
                "principal, action in [{}], resource",
                "Gate::Action::\"enroll\", Gate::Action::\"changeFactors\""
            ),
            format!("{corp}, {begin}, resource"),
        ),
    ] {
        let finding = of_second(&heads(&a, &b), "useless");
        assert!(finding.message.contains("\"a\""), "{finding}");
    }
    for (a, b) in [
        (
            format!("{corp}, {enroll}, resource"),
            format!("principal, {begin}, resource"),
        ),
        (
            format!("principal, {begin}, resource"),
            format!("principal, {enroll}, resource is Gate::Authenticator"),
        ),
        (
            format!("principal, {enroll}, resource is Gate::Account"),
            format!("{corp}, {enroll}, resource"),
        ),
        (
            format!("{corp}, {enroll}, resource"),
            format!("principal in Gate::Issuer::\"corq\", {enroll}, resource"),
        ),
    ] {
        assert_no_finding(&heads(&a, &b));
    }
}

#[test]
fn uncertain_overlaps_are_not_reported() {
    // An overflow is an evaluation error, which refuses.
    let sum = "when { context.factors.count > 3 && context.factors.count + 1 > 5 }";
    assert_no_finding(&two(MANY, sum));
    // A denial that a step-up lifts is another answer.
    let fresh =
        "unless { context.factors.count == 0 || context.session.sinceStrong <= duration(\"5m\") }";
    let step_up = two(MANY, &format!("{MANY} {fresh}")).replace(
        "@id(\"b\")",
        "@id(\"b\") @step_up(\"phr\") @max_age(\"5m\")",
    );
    assert_no_finding(&step_up);
    // A shadow policy is meant to be tried next to the policy that it replaces.
    assert_no_finding(&two("", MANY).replace("@id(\"b\")", "@id(\"b\") @mode(\"shadow\")"));
    assert_no_finding(&two("", MANY).replace("@id(\"a\")", "@id(\"a\") @mode(\"shadow\")"));
}

#[test]
fn permit_that_a_forbid_or_another_permit_covers_is_a_finding() {
    let permit = |id: &str, conditions: &str| {
        format!(
            "@id(\"{id}\")\npermit (principal in Gate::Group::\"corp||a\", action in Gate::Action::\"administerMfa\", resource)\n{conditions};\n"
        )
    };
    let forbid = forbid("", "administerMfa", "when { context.factors.count == 0 }")
        .replace("\"x\"", "\"a\"");
    let b = permit(
        "b",
        "when { context.factors.count == 0 && context.session.acr == \"x\" }",
    );
    let finding = of_second(&format!("{forbid}\n{b}"), "useless");
    assert!(
        finding
            .message
            .ends_with("forbids every request that it permits"),
        "{finding}"
    );
    assert_no_finding(&format!("{forbid}\n{}", permit("b", MANY)));

    let finding = of_second(
        &format!("{}{}", permit("a", ""), permit("b", MANY)),
        "useless",
    );
    assert!(
        finding
            .message
            .starts_with("this permit changes no decision"),
        "{finding}"
    );
    let other = permit("b", "when { context.session.acr == \"x\" }");
    let finding = of_second(&format!("{}{other}", permit("a", MANY)), "permit_within");
    assert!(finding.help.unwrap().contains("write a forbid"));
    // If each is within the other, the later one is reported.
    let narrower = permit("b", MANY).replace(
        "in Gate::Action::\"administerMfa\"",
        "== Gate::Action::\"adminResetMfa\"",
    );
    let wider = permit("a", "when { context.session.acr == \"x\" }");
    let finding = only(findings_of(&format!("{narrower}{wider}")));
    assert_eq!(
        (finding.code, finding.line),
        ("permit_within", 1),
        "{finding}"
    );
}

#[test]
fn permit_within_the_scope_of_another_permit_is_a_finding() {
    let narrowing = "@id(\"b\")\npermit (principal, action in Gate::Action::\"enroll\", resource)\nwhen { context.methodType == Gate::MethodType::\"webauthn_fido\" };";
    let finding = of_second(narrowing, "permit_within");
    assert!(finding.message.contains("\"open\" ("), "{finding}");
}

//! Policies held against each other.

use super::{advised, forbid, nothing_said, only, said_of};
use cedargate_core::{Finding, Severity};

/// Two forbids over `enroll`, `a` and `b`, with these conditions.
fn two(a: &str, b: &str) -> String {
    let policy = |id: &str, conditions: &str| {
        forbid("", "enroll", conditions).replacen("\"x\"", &format!("\"{id}\""), 1)
    };
    format!("{}\n{}", policy("a", a), policy("b", b))
}

#[track_caller]
fn of_second(policies: &str, code: &str) -> Finding {
    advised(policies, Severity::Finding, code, "@id(\"b\")", "")
}

const MANY: &str = "when { context.factors.count > 3 }";

#[test]
fn policies_that_are_alike() {
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
            finding.message.starts_with("this forbid is like \"a\" ("),
            "{finding}"
        );
        assert!(finding.message.contains("x.cedar:1)"), "{finding}");
        assert!(finding.message.ends_with("in all but its id"), "{finding}");
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
        nothing_said(&others);
    }
}

#[test]
fn policies_that_change_nothing() {
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
            finding.message.ends_with("forbids all that it forbids"),
            "{finding}"
        );
        assert_eq!(finding.help.as_deref(), Some("remove it, or narrow \"a\""));
        // Wherever it stands.
        let finding = only(said_of(&two(b, a)));
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
fn heads_within_each_other() {
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
        // To enrol is for users alone, so that the type says nothing more.
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
        nothing_said(&heads(&a, &b));
    }
}

#[test]
fn nothing_is_said_that_may_be_wrong() {
    // A sum that leaves its range is an error, and that refuses.
    let sum = "when { context.factors.count > 3 && context.factors.count + 1 > 5 }";
    nothing_said(&two(MANY, sum));
    // What a step-up lifts is answered otherwise.
    let fresh =
        "unless { context.factors.count == 0 || context.session.sinceStrong <= duration(\"5m\") }";
    let step_up = two(MANY, &format!("{MANY} {fresh}")).replace(
        "@id(\"b\")",
        "@id(\"b\") @step_up(\"phr\") @max_age(\"5m\")",
    );
    nothing_said(&step_up);
    // What does not count yet is tried beside what does.
    nothing_said(&two("", MANY).replace("@id(\"b\")", "@id(\"b\") @mode(\"shadow\")"));
    nothing_said(&two("", MANY).replace("@id(\"a\")", "@id(\"a\") @mode(\"shadow\")"));
}

#[test]
fn a_permit_that_a_forbid_takes_back_or_that_another_one_gives() {
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
        finding.message.ends_with("forbids all that it permits"),
        "{finding}"
    );
    nothing_said(&format!("{forbid}\n{}", permit("b", MANY)));

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
    // Of two that are each within the other, the later one is told.
    let narrower = permit("b", MANY).replace(
        "in Gate::Action::\"administerMfa\"",
        "== Gate::Action::\"adminResetMfa\"",
    );
    let wider = permit("a", "when { context.session.acr == \"x\" }");
    let finding = only(said_of(&format!("{narrower}{wider}")));
    assert_eq!(
        (finding.code, finding.line),
        ("permit_within", 1),
        "{finding}"
    );
}

#[test]
fn the_permit_that_people_write_to_narrow_another_one() {
    let narrowing = "@id(\"b\")\npermit (principal, action in Gate::Action::\"enroll\", resource)\nwhen { context.methodType == Gate::MethodType::\"webauthn_fido\" };";
    let finding = of_second(narrowing, "permit_within");
    assert!(finding.message.contains("\"open\" ("), "{finding}");
}

//! Invalid annotations, ids and step-up conditions.

use super::super::load_files;
use super::{OPEN, TEMPLATE, accepted, only, refused};
use crate::annotations::RESERVED_CODES;

fn annotated(annotations: &str) -> String {
    format!(
        "@id(\"x\")\n{annotations}\nforbid (principal, action in Gate::Action::\"changeFactors\", resource)\nunless {{ context.session.sinceStrong <= duration(\"5m\") }};"
    )
}

#[test]
fn invalid_annotation_value_is_refused() {
    let long = |count: usize| "x".repeat(count);
    for good in [
        "@notice(\"a\")",
        &format!("@notice(\"{}\")", "é".repeat(300)),
        "@code(\"a_1\")",
        &format!("@code(\"{}\")", long(64)),
        "@step_up(\"phr\") @max_age(\"5m\")",
        "@step_up(\"urn:x\") @max_age(\"300000ms\")",
        "@mode(\"shadow\")",
        "@description @owner(\"\") @ticket(\"T-1\") @x_y(\"z\")",
        "@code(\"forbidden\")",
        "@code(\"tenant_mismatch\")",
    ] {
        accepted(&annotated(good));
    }
    for (bad, help) in [
        ("@notice", "300 characters"),
        ("@notice(\"\")", "300 characters"),
        (&format!("@notice(\"{}\")", long(301)), "300 characters"),
        (
            &format!("@notice(\"{}\")", "é".repeat(301)),
            "300 characters",
        ),
        ("@notice(\"a\\nb\")", "one line"),
        ("@notice(\"a\\rb\")", "one line"),
        ("@notice(\"a\\u{2028}b\")", "one line"),
        ("@code(\"A\")", "a-z, 0-9 and _"),
        ("@code(\"1a\")", "a-z, 0-9 and _"),
        ("@code(\"_a\")", "a-z, 0-9 and _"),
        ("@code(\"a-b\")", "a-z, 0-9 and _"),
        ("@code(\"\")", "a-z, 0-9 and _"),
        ("@code", "a-z, 0-9 and _"),
        (&format!("@code(\"{}\")", long(65)), "1 to 64"),
        ("@code(\"not_found\")", "reserved"),
        ("@code(\"step_up_required\")", "reserved"),
        ("@code(\"recovery_required\")", "reserved"),
        ("@code(\"limit_reached\")", "reserved"),
        ("@code(\"codes_replaced\")", "reserved"),
        ("@step_up(\"a b\") @max_age(\"5m\")", "one acr value"),
        ("@step_up(\"a\\\\b\") @max_age(\"5m\")", "one acr value"),
        ("@step_up(\"a\\\"b\") @max_age(\"5m\")", "one acr value"),
        ("@step_up(\"é\") @max_age(\"5m\")", "one acr value"),
        ("@step_up(\"\") @max_age(\"5m\")", "one acr value"),
        ("@mode(\"dry\")", "shadow"),
    ] {
        refused(
            &annotated(bad),
            "annotation_value",
            bad.split(' ').next().unwrap(),
            help,
        );
    }
    for age in [
        "",
        "5",
        "5 m",
        "0s",
        "999ms",
        "-5m",
        "1500ms",
        "5M",
        "1m1h",
        "99999999999999d",
    ] {
        let bad = format!("@max_age(\"{age}\")");
        refused(
            &annotated(&format!("@step_up(\"phr\") {bad}")),
            "annotation_value",
            &bad,
            "whole seconds",
        );
    }
}

#[test]
fn misplaced_or_unknown_annotation_is_refused() {
    refused(
        &annotated("@step_up(\"phr\")"),
        "annotation_place",
        "@step_up",
        "@max_age(\"5m\")",
    );
    refused(
        &annotated("@max_age(\"5m\")"),
        "annotation_place",
        "@max_age",
        "@step_up(\"phr\")",
    );
    refused(
        &annotated("@notise(\"n\")"),
        "annotation_unknown",
        "@notise",
        "did you mean @notice?",
    );
    refused(
        &annotated("@NOTICE(\"n\")"),
        "annotation_unknown",
        "@NOTICE",
        "did you mean @notice?",
    );
    refused(
        &annotated("@colour(\"n\")"),
        "annotation_unknown",
        "@colour",
        "@x_colour",
    );
    for name in ["code", "step_up", "max_age"] {
        let policy = format!(
            "@id(\"x\")\n@{name}(\"n\")\npermit (principal, action in Gate::Action::\"stepUp\", resource);"
        );
        refused(
            &policy,
            "annotation_place",
            &format!("@{name}"),
            "remove it",
        );
    }
    refused(
        &TEMPLATE.replace("@id", "@code(\"c\")\n@id"),
        "annotation_place",
        "@code",
        "remove it",
    );
}

#[test]
fn missing_invalid_or_repeated_id_is_refused() {
    let forbid = "forbid (principal, action in Gate::Action::\"enroll\", resource);";
    refused(forbid, "id_missing", "forbid", "write @id");
    refused(
        &TEMPLATE.replace("@id(\"template\")\n", ""),
        "id_missing",
        "permit",
        "write @id",
    );
    for id in ["", "A", "-a", "a_b", &"a".repeat(65)] {
        refused(
            &format!("@id(\"{id}\")\n{forbid}"),
            "annotation_value",
            "@id",
            "1 to 64",
        );
    }
    accepted(&format!("@id(\"{}\") {forbid}", "0".repeat(64)));
    refused(
        &format!("@id(\"open\") {forbid}"),
        "id_repeated",
        "@id",
        "an id of its own",
    );
    // Ids are unique over all files, and over policies, templates and links.
    let files = [
        ("a.cedar", OPEN),
        (
            "b.cedar",
            "@id(\"open\") permit (principal in ?principal, action in Gate::Action::\"stepUp\", resource);",
        ),
    ];
    let finding = only(load_files(&files).unwrap_err().0);
    assert_eq!(
        (finding.code, finding.file.as_str()),
        ("id_repeated", "policies/b.cedar")
    );
    assert!(finding.message.contains("policies/a.cedar:1"), "{finding}");
}

#[test]
fn step_up_that_no_sign_in_satisfies_is_refused() {
    let policy = |action: &str, condition: &str| {
        format!(
            "@id(\"x\")\n@step_up(\"phr\") @max_age(\"5m\")\nforbid (principal, action{action}, resource)\n{condition};"
        )
    };
    let fresh = "unless { context.session.sinceStrong <= duration(\"5m\") }";
    let change = " in Gate::Action::\"changeFactors\"";
    accepted(&policy(change, fresh));
    accepted(&policy(
        change,
        "when { context.session.sinceStrong > duration(\"300s\") }",
    ));
    for lifted in [
        "unless { context.factors.count == 0 || context.session.sinceStrong <= duration(\"5m\") }",
        "when { context.factors.count > 0 } unless { context.session[\"sinceStrong\"] <= duration(\"5m\") }",
        "when { context.factors.count > 0 && !(context.session.sinceStrong <= duration(\"5m\")) }",
        "when { if context.factors.count > 0 then context.session.sinceStrong > duration(\"5m\") else false }",
    ] {
        accepted(&policy(change, lifted));
    }
    for reach in [
        " in Gate::Action::\"mfa\"",
        " in Gate::Action::\"stepUp\"",
        " == Gate::Action::\"verifyBackupCode\"",
    ] {
        refused(
            &policy(reach, fresh),
            "step_up_reach",
            "@step_up",
            "changeFactors",
        );
    }
    refused(
        &policy(
            " in Gate::Action::\"public\"",
            "when { context.network.address.isLoopback() }",
        ),
        "step_up_reach",
        "@step_up",
        "changeFactors",
    );
    let second = "unless { context.session.sinceStrong <= duration(\"1s\") }";
    accepted(&policy(change, second).replace("@max_age(\"5m\")", "@max_age(\"1s\")"));
    for other in [
        "",
        "when { context.session.sinceStrong > duration(\"10m\") }",
        "when { context.session.sinceStrong >= duration(\"5m\") }",
        "unless { context.session.sinceStrong <= duration(\"10m\") }",
        "unless { context.session.sinceStrong < duration(\"5m\") }",
        // These conditions refuse a fresh sign-in and accept a stale one.
        "when { context.session.sinceStrong <= duration(\"5m\") }",
        "unless { context.session.sinceStrong > duration(\"5m\") }",
        "unless { !(context.session.sinceStrong <= duration(\"5m\")) }",
        "unless { context.session.sinceBackupCode <= duration(\"5m\") }",
    ] {
        refused(
            &policy(change, other),
            "step_up_age",
            "@step_up",
            "sinceStrong <= duration(\"5m\")",
        );
    }
}

#[test]
fn step_up_of_a_template_is_checked() {
    let template = |action: &str, age: &str| {
        format!(
            "@id(\"x\")\n@step_up(\"phr\") @max_age(\"5m\")\nforbid (principal in ?principal, action in Gate::Action::\"{action}\", resource)\nunless {{ context.session.sinceStrong <= duration(\"{age}\") }};"
        )
    };
    accepted(&template("changeFactors", "5m"));
    for (action, age, code) in [
        ("mfa", "5m", "step_up_reach"),
        ("changeFactors", "10m", "step_up_age"),
    ] {
        refused(&template(action, age), code, "@step_up", "");
    }
}

#[test]
fn reserved_code_is_refused() {
    for code in RESERVED_CODES {
        let bad = format!("@code(\"{code}\")");
        refused(&annotated(&bad), "annotation_value", &bad, "reserved");
    }
}

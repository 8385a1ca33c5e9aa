//! Conditions that Cedar accepts although they are always true or always false.

use super::{accepted, forbid, on, refused};

#[test]
fn has_with_an_undeclared_name_is_refused() {
    refused(
        &forbid("!(principal.claims has employmnt)"),
        "has_undeclared",
        "principal.claims has",
        "did you mean \"employment\"?",
    );
    refused(
        &forbid("context.factors.count == 7 || !(context has session.acrs)"),
        "has_undeclared",
        "context has",
        "\"acr\"",
    );
    refused(
        &forbid("!(principal has claims.employmnt)"),
        "has_undeclared",
        "principal has",
        "did you mean \"employment\"?",
    );
    refused(
        &format!(
            "@mode(\"shadow\") {}",
            forbid("!(principal.claims has \"x y\")")
        ),
        "has_undeclared",
        "principal.claims has",
        "site.cedarschema",
    );
    accepted(&forbid("!(principal.claims has employment)"));
    // The name of an attribute of another type is not the name of a claim.
    for asked in [
        "!(principal.claims has count)",
        "!(principal has claims.count)",
    ] {
        refused(
            &forbid(asked),
            "has_undeclared",
            &asked[2..asked.len() - 1],
            "declared in site.cedarschema",
        );
    }
    accepted(&forbid(
        "principal has claims.employment && principal.claims.employment == \"x\"",
    ));
}

#[test]
fn group_of_actions_compared_by_equality_is_refused() {
    let group = "Gate::Action::\"manageOwnMfa\"";
    for never in [
        format!("action == {group} || context.factors.count == 7"),
        format!("action != {group}"),
        format!("[{group}].contains(action) || context.factors.count == 7"),
        format!("if action == {group} then true else context.factors.count == 7"),
    ] {
        refused(
            &forbid(&never),
            "action_group",
            group,
            "action in Gate::Action::\"manageOwnMfa\"",
        );
    }
    accepted(&on(
        "action in Gate::Action::\"mfa\"",
        &format!("action in {group}"),
    ));
    accepted(&on(
        "action in Gate::Action::\"mfa\"",
        &format!("action in [{group}]"),
    ));
    accepted(&forbid("action == Gate::Action::\"trustAuthenticator\""));
}

#[test]
fn address_that_never_matches_is_refused() {
    for range in ["203.0.113.0/24", "2001:db8::/32"] {
        let call = format!("ip(\"{range}\")");
        refused(
            &forbid(&format!("context.network.address == {call}")),
            "ip_range",
            &call,
            "isInRange",
        );
        refused(
            &forbid(&format!("{call} != context.network.address")),
            "ip_range",
            &call,
            "isInRange",
        );
        refused(
            &forbid(&format!("[{call}].contains(context.network.address)")),
            "ip_range",
            &call,
            "isInRange",
        );
        accepted(&forbid(&format!(
            "context.network.address.isInRange({call})"
        )));
        // A range is never in an address.
        refused(
            &forbid(&format!("{call}.isInRange(context.network.address)")),
            "ip_range",
            &call,
            "context.network.address.isInRange",
        );
        refused(
            &forbid(&format!("{{a: {call}}} == {{a: context.network.address}}")),
            "ip_range",
            &call,
            "isInRange",
        );
    }
    accepted(&forbid("context.network.address == ip(\"203.0.113.7/32\")"));
    accepted(&forbid(
        "[ip(\"2001:db8::1\")].contains(context.network.address)",
    ));
    for (mapped, right) in [
        ("ip(\"::ffff:cb00:7107\")", "ip(\"203.0.113.7\")"),
        ("ip(\"::ffff:cb00:7100/120\")", "ip(\"203.0.113.0/24\")"),
        ("ip(\"::ffff:0:0/96\")", "ip(\"0.0.0.0/0\")"),
    ] {
        let condition = format!("context.network.address.isInRange({mapped})");
        refused(&forbid(&condition), "ip_mapped", mapped, right);
    }
    accepted(&forbid(
        "context.network.address == ip(\"2001:db8::1/128\")",
    ));
    // The first and last addresses of the mapped range; their neighbours are ordinary IPv6 addresses.
    for mapped in ["::ffff:0:0/96", "::ffff:0:0", "::ffff:ffff:ffff"] {
        let call = format!("ip(\"{mapped}\")");
        refused(
            &forbid(&format!("context.network.address.isInRange({call})")),
            "ip_mapped",
            &call,
            "IPv4",
        );
    }
    for beside in ["::fffe:ffff:ffff", "::1:0:0:0"] {
        accepted(&forbid(&format!(
            "context.network.address == ip(\"{beside}\")"
        )));
    }
}

//! Entity ids in a form that the gateway never uses.

use super::{accepted, forbid, on, refused};

#[test]
fn misspelt_entity_id_in_scope_or_condition_is_refused() {
    const UPPER: &str = "2489E9AD-2EE2-8E00-8EC9-32D5F69181C0";
    const LOWER: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
    let mfa = "action in Gate::Action::\"mfa\"";
    for (uid, help) in [
        (
            format!("Gate::Tenant::\"{UPPER}\""),
            format!("write Gate::Tenant::\"{LOWER}\""),
        ),
        (
            "Gate::Tenant::\"acme\"".into(),
            format!("such as \"{LOWER}\""),
        ),
        (
            "Gate::Group::\"contractors\"".into(),
            "\"<issuer>|<tenant>|contractors\"".into(),
        ),
        (
            "Gate::Group::\"a|b|c\"".into(),
            "\"<issuer>|<tenant>|<name>\"".into(),
        ),
        (
            format!("Gate::Group::\"corp|{UPPER}|x\""),
            format!("write Gate::Group::\"corp|{LOWER}|x\""),
        ),
        (
            "Gate::Group::\"corp||é\"".into(),
            "write Gate::Group::\"corp||%C3%A9\"".into(),
        ),
        (
            "Gate::Issuer::\"Corp\"".into(),
            "write Gate::Issuer::\"corp\"".into(),
        ),
    ] {
        let policy = format!("@id(\"x\") forbid (principal in {uid}, {mfa}, resource);");
        refused(&policy, "entity_id", &uid, &help);
        refused(
            &on(mfa, &format!("principal in {uid}")),
            "entity_id",
            &uid,
            &help,
        );
    }
    let account = "Gate::Account::\"corp|x|alice\"";
    refused(
        &forbid(&format!("principal.account == {account}")),
        "entity_id",
        account,
        "\"<issuer>|<tenant>|<name>\"",
    );
    let user = "Gate::User::\"alice\"";
    refused(
        &on(mfa, &format!("principal == {user}")),
        "entity_id",
        user,
        "\"<issuer>|<tenant>|alice\"",
    );
    let trust = "action == Gate::Action::\"trustAuthenticator\"";
    let model = "Gate::AuthenticatorModel::\"73BB0CD4-E502-49B8-9C6F-B59445BF720B\"";
    refused(
        &on(trust, &format!("[{model}].contains(resource.provenModel)")),
        "entity_id",
        model,
        "\"73bb0cd4-e502-49b8-9c6f-b59445bf720b\"",
    );
    let authenticator = "Gate::Authenticator::\"0198c0de000070008000000000000001\"";
    refused(
        &on(trust, &format!("resource == {authenticator}")),
        "entity_id",
        authenticator,
        "\"0198c0de-0000-7000-8000-000000000001\"",
    );
    let route = "Gate::Route::\"/v1/openapi.jsn\"";
    refused(
        &format!(
            "@id(\"x\") forbid (principal, action in Gate::Action::\"public\", resource == {route});"
        ),
        "entity_id",
        route,
        "write Gate::Route::\"/v1/openapi.json\"",
    );
    accepted(
        "@id(\"x\") forbid (principal, action in Gate::Action::\"public\", resource == Gate::Route::\"unknown\");",
    );
    // The scope with `is … in`, the condition of a template, and a condition with `is … in`.
    let group = "Gate::Group::\"contractors\"";
    for policy in [
        format!("@id(\"x\") forbid (principal is Gate::User in {group}, {mfa}, resource);"),
        format!(
            "@id(\"x\") forbid (principal in ?principal, {mfa}, resource) unless {{ principal in {group} }};"
        ),
        on(mfa, &format!("principal is Gate::User in {group}")),
    ] {
        refused(&policy, "entity_id", group, "|contractors");
    }
    // The AAGUID of zeros is accepted: authenticators without a known model have it.
    let none = "Gate::AuthenticatorModel::\"00000000-0000-0000-0000-000000000000\"";
    accepted(&on(trust, &format!("resource.provenModel == {none}")));
}

//! Ids that the gateway would never write.

use super::{forbid, on, refused, taken};

#[test]
fn misspelt_ids_in_heads_and_conditions() {
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
        let head = format!("@id(\"x\") forbid (principal in {uid}, {mfa}, resource);");
        refused(&head, "entity_id", &uid, &help);
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
    taken(
        "@id(\"x\") forbid (principal, action in Gate::Action::\"public\", resource == Gate::Route::\"unknown\");",
    );
    // In a head with `is … in`, and in the condition of a template.
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
    // No model is known.
    let none = "Gate::AuthenticatorModel::\"00000000-0000-0000-0000-000000000000\"";
    taken(&on(trust, &format!("resource.provenModel == {none}")));
}

//! `POST /policies/explain`, and explanations of decisions that a gateway recorded.

use super::*;
use crate::support::client::{Client, METHODS};
use crate::support::deployment::{SECURITY_KEYS_ONLY, TENANT};
use crate::support::gateway::Gateway;
use crate::support::poll::until;

#[tokio::test]
async fn request_of_an_operator_is_explained_by_the_policies_in_force() {
    let home = Home::new();
    let gateway = Gateway::dev(home.folder());
    let operator = Client::new(&gateway.admin_url);
    let ask = async |body: String| operator.post_text("/policies/explain", body).await;
    let of_case = ask(request().to_string()).await;
    assert_eq!(of_case.status, 200, "{:?}", of_case.body);
    assert_eq!(
        of_case.header("content-type"),
        "application/json; charset=utf-8"
    );
    let said = json_of(&explain(
        &home,
        &["--request", "-", "--json"],
        &request().to_string(),
    ));
    assert_eq!(of_case.body, said, "as the command says it");
    let of_line = ask(recorded("d", "r").to_string()).await;
    assert_eq!(of_line.body["reason"], said["reason"]);
    assert_eq!(of_line.body["would_permit"][0]["change"], "step_up");

    for (body, message) in [
        (String::new(), "EOF"),
        ("[]".to_owned(), "this is not a JSON object"),
        (r#"{"request": {}}"#.to_owned(), "\"entities\" is missing"),
        (r#"{"input": {}}"#.to_owned(), "\"masked\" is missing"),
        ("[".repeat(100_000), "nested more than 32 deep"),
    ] {
        let refused = ask(body).await;
        assert_eq!(refused.says(), (400, "invalid_request"));
        let said = refused.body["message"].as_str().unwrap();
        assert!(said.contains(message), "{message}: {said}");
        assert!(said.starts_with("Send {"), "{said}");
    }
    assert_eq!(operator.get("/policies/explain").await.status, 405);
    gateway.stop();
}

#[tokio::test]
async fn web_page_cannot_ask_for_an_explanation() {
    let home = Home::new();
    let gateway = Gateway::dev(home.folder());
    let operator = Client::new(&gateway.admin_url);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("host", "evil.example:9090"),
    ] {
        let sent = operator
            .request("POST", "/policies/explain")
            .header(name, value)
            .body(request().to_string().into());
        let answer = operator.send(sent.unwrap()).await;
        assert_eq!(answer.says(), (403, "forbidden"), "{name}: {value}");
    }
    gateway.stop();
}

#[tokio::test]
async fn recorded_decision_is_explained_by_the_current_policies() {
    let home = Home::new();
    let gateway = Gateway::dev_with(home.folder(), &["--decision-log", "decisions.jsonl"]);
    let token = gateway.ready["token"].as_str().unwrap();
    let alice = Client::new(&gateway.url).with(token, SECURITY_KEYS_ONLY);
    let refused = alice.get(METHODS).await;
    assert_eq!(refused.code(), "tenant_mismatch");
    let id = refused.header("x-request-id").to_owned();
    let file = home.path("decisions.jsonl");
    let recorded = || std::fs::read_to_string(&file).unwrap_or_default();
    until("the decision is written", async || {
        recorded().lines().any(|line| line.contains(&id))
    })
    .await;

    let of_log = ["--log", "decisions.jsonl", "--id", &id, "--json"];
    let report = json_of(&explain(&home, &of_log, ""));
    assert_eq!(report["reason"], json!(["tenant-isolation"]));
    assert_eq!(report["recorded"]["reason"], report["reason"]);
    assert_eq!(report["recorded"]["revision"], report["revision"]);
    assert_eq!(report["would_permit"][0]["value"], TENANT);

    let operator = Client::new(&gateway.admin_url);
    let ours = home.path("policies/50-ours.cedar");
    let closed = "@id(\"ours\") @notice(\"Closed.\") forbid (principal, action == Gate::Action::\"listMfaMethods\", resource);";
    std::fs::write(&ours, closed).unwrap();
    assert_eq!(operator.post_text("/policies/reload", "").await.status, 200);
    let alice = Client::new(&gateway.url).with(token, TENANT);
    let refused = alice.get(METHODS).await;
    assert_eq!(refused.code(), "forbidden");
    let id = refused.header("x-request-id").to_owned();
    until("the decision is written", async || {
        recorded().lines().any(|line| line.contains(&id))
    })
    .await;
    let of_log = ["--log", "decisions.jsonl", "--id", &id, "--json"];
    let line = recorded();
    let line = line.lines().find(|line| line.contains(&id)).unwrap();
    let ask = async || {
        operator
            .post_text("/policies/explain", line.to_owned())
            .await
    };
    assert_eq!(ask().await.body["reason"], json!(["ours"]));
    std::fs::remove_file(ours).unwrap();
    assert_eq!(operator.post_text("/policies/reload", "").await.status, 200);
    let now = ask().await;
    assert_eq!(now.body["decision"], "allow", "by what is in force now");
    let report = json_of(&explain(&home, &of_log, ""));
    assert_eq!(report["decision"], "allow");
    assert_eq!(report["recorded"]["decision"], "deny");
    gateway.stop();
}

//! `dev` follows its policies too and reports loads on the terminal.

use super::*;
use crate::support::gateway::copy_policies;

#[tokio::test]
async fn terminal_reports_the_result_of_an_edit() {
    let home = tempfile::tempdir().unwrap();
    copy_policies(home.path());
    let gateway = Gateway::dev(home.path());
    let operator = Client::new(&gateway.admin_url);
    let alice = Client::new(&gateway.url).with(
        text(&gateway.ready["token"]),
        text(&gateway.ready["tenant"]),
    );
    let file = home.path().join("policies/50-closed.cedar");
    let says = async |words: &str| {
        until(words, async || gateway.written().contains(words)).await;
    };

    fs::write(
        &file,
        "@id(\"closed\")\n@notice(\"Closed today.\")\n\
         forbid (principal, action == Gate::Action::\"listMfaMethods\", resource);",
    )
    .unwrap();
    says("the policies were loaded: ").await;
    let answer = alice.get(METHODS).await;
    assert_eq!(answer.says(), (403, "forbidden"));
    assert_eq!(answer.body["notices"], json!(["Closed today."]));

    fs::write(
        &file,
        "@id(\"closed\")\nforbid (principal, action, resource",
    )
    .unwrap();
    says("the policies do not load, so the previous ones stay in force:\nerror[syntax]").await;
    says("50-closed.cedar:2:").await;
    says("2 | forbid (principal, action, resource").await;
    assert_eq!(alice.get(METHODS).await.status, 403, "the last good ones");
    let ready = operator.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.body["status"]),
        (200, &json!("stale"))
    );

    fs::remove_file(&file).unwrap();
    until("the first ones serve again", async || {
        alice.get(METHODS).await.status == 200
    })
    .await;
    let ready = operator.get("/readyz").await;
    assert_eq!(ready.body["status"], "ready");
}

#[tokio::test]
async fn reload_of_built_in_policies_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let gateway = Gateway::dev(home.path());
    let operator = Client::new(&gateway.admin_url);
    let answer = operator.post_text("/policies/reload", "").await;
    assert_eq!(
        (answer.status, &answer.body["changed"]),
        (200, &json!(false))
    );
    let list = operator.get("/policies").await;
    assert_eq!(list.body["revision"], answer.body["revision"]);
}

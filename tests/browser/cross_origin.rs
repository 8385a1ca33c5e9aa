//! A front-end that is served from another origin than the API.

use serde_json::{Value, json};

use super::chromium::{Chromium, built_in};
use super::raw::ENROL;
use crate::answers::events;
use crate::client::METHODS;
use crate::deployment::{Deployment, TENANT};

/// What a page learns of an answer without a token: its status, and what it asks for.
const ASK: &str = r#"
    const [api] = given;
    try {
      const response = await fetch(`${api}/v1/users/me/mfa`, { headers: { "x-tenant-id": "a" } });
      return [response.status, response.headers.get("www-authenticate")];
    } catch (error) {
      return error.name;
    }
"#;

/// What a page learns of a document that anybody may have, and that a browser fetches without asking.
const READ: &str = r#"
    const [api] = given;
    try {
      return (await fetch(`${api}/v1/openapi.json`)).status;
    } catch (error) {
      return error.name;
    }
"#;

#[tokio::test]
async fn while_one_origin_may_call_a_page_of_an_unlisted_one_reads_nothing() {
    let [listed, unlisted] = [(); 2].map(|()| Deployment::new("embedded:./data"));
    let _pages = [listed.serve(), unlisted.serve()];
    let cors = format!(
        "[cors]\norigins = [\"{}\"]\n\n[backup_codes]",
        listed.origin()
    );
    let api = Deployment::new("embedded:./data").replacing("[backup_codes]", &cors);
    let gateway = api.serve();
    let chromium = Chromium::start().await;
    for (page, asked, read) in [
        (&unlisted, json!("TypeError"), json!("TypeError")),
        (&listed, json!([401, "Bearer"]), json!(200)),
    ] {
        let document = format!("{}/v1/openapi.json", page.origin());
        chromium.open(&document).await;
        let given = || vec![api.origin().into()];
        assert_eq!(chromium.run(ASK, given()).await, asked, "{document}");
        assert_eq!(chromium.run(READ, given()).await, read, "{document}");
    }
    chromium.close().await;
    // What needs leave was never sent for the unlisted one; what needs none was, and not shown.
    let log = gateway.stop();
    let events = events(&log).map(|event| {
        let [method, route] = ["method", "route"].map(|it| event[it].as_str().unwrap().to_owned());
        (method, route, event["status"].as_u64().unwrap())
    });
    let methods = |method: &str, status| (method.to_owned(), METHODS.to_owned(), status);
    let document = || ("GET".to_owned(), "/v1/openapi.json".to_owned(), 200);
    assert_eq!(
        events.collect::<Vec<_>>(),
        [
            methods("OPTIONS", 204),
            document(),
            methods("OPTIONS", 204),
            methods("GET", 401),
            document(),
        ]
    );
}

#[tokio::test]
async fn a_page_of_a_configured_origin_enrols_and_one_of_another_reads_nothing() {
    // Any page of another origin will do: it is another gateway's port.
    let page = Deployment::new("embedded:./data");
    let _pages = page.serve();
    let closed = Deployment::new("embedded:./data");
    let own = format!("origins = [\"{}\"]", closed.origin());
    let theirs = format!("origins = [\"{}\"]", page.origin());
    let closed = closed.replacing(&own, &theirs);
    let chromium = Chromium::start().await;
    chromium.plug_in(built_in()).await;
    chromium
        .open(&format!("{}/v1/openapi.json", page.origin()))
        .await;

    let gateway = closed.serve();
    let api = closed.origin();
    assert_eq!(
        chromium.run(ASK, vec![api.as_str().into()]).await,
        "TypeError"
    );
    gateway.stop();

    let cors = format!("[cors]\n{theirs}\n\n[backup_codes]");
    let open = closed.replacing("[backup_codes]", &cors);
    let gateway = open.serve();
    let answer = chromium.run(ASK, vec![api.as_str().into()]).await;
    assert_eq!(answer, json!([401, "Bearer"]));
    let token = open.token("alice");
    let arguments: Vec<Value> = [&token, TENANT, "webauthn_passkey", "from elsewhere", &api]
        .map(Value::from)
        .to_vec();
    let answer = chromium.run(ENROL, arguments).await;
    assert_eq!(answer["codes"]["codes"].as_array().unwrap().len(), 10);
    assert_eq!(
        answer["list"]["methods"][0]["device_name"],
        "from elsewhere"
    );
    chromium.close().await;
    gateway.stop();
}

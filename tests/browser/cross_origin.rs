//! A front-end that is served from another origin than the API.

use serde_json::{Value, json};

use super::chromium::{Chromium, built_in};
use super::raw::ENROL;
use crate::support::client::METHODS;
use crate::support::deployment::{Deployment, TENANT};
use crate::support::place::events;

/// A request with a custom header, without a token. A page reads its status and challenge.
const ASK: &str = r#"
    const [api] = given;
    try {
      const response = await fetch(`${api}/v1/users/me/mfa`, { headers: { "x-tenant-id": "a" } });
      return [response.status, response.headers.get("www-authenticate")];
    } catch (error) {
      return error.name;
    }
"#;

/// A request for a public document, which a browser sends without a preflight.
const READ: &str = r#"
    const [api] = given;
    try {
      return (await fetch(`${api}/v1/openapi.json`)).status;
    } catch (error) {
      return error.name;
    }
"#;

#[tokio::test]
async fn page_of_an_unlisted_origin_reads_nothing_while_another_is_listed() {
    let [listed, unlisted] = [(); 2].map(|()| Deployment::embedded());
    let _pages = [listed.serve(), unlisted.serve()];
    let api = Deployment::embedded().with_cors(&[&listed.origin()]);
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
    // For the unlisted page, the request that needs a preflight was not sent. The other one was
    // sent, and its answer not shown.
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
async fn page_enrols_if_its_origin_is_listed_and_reads_nothing_before() {
    // A page of another gateway serves as the other origin.
    let page = Deployment::embedded();
    let _pages = page.serve();
    let closed = Deployment::embedded();
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

    let open = closed.with_cors(&[&page.origin()]);
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

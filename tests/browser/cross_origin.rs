//! A front-end that is served from another origin than the API.

use serde_json::Value;

use super::chromium::{Chromium, built_in};
use super::raw::ENROL;
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
    assert_eq!(answer, serde_json::json!([401, "Bearer"]));
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

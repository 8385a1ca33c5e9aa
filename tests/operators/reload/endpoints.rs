//! `/policies` and `/policies/reload`.

use futures_util::future::join_all;

use super::*;

fn entry<'a>(list: &'a Value, id: &str) -> &'a Value {
    let entries = list["policies"].as_array().unwrap();
    let found = entries.iter().find(|entry| entry["id"] == id);
    found.unwrap_or_else(|| panic!("no {id} in {list}"))
}

fn determined(list: &Value, id: &str) -> u64 {
    entry(list, id)["determined"].as_u64().unwrap()
}

fn members(value: &Value) -> Vec<&str> {
    let members = value.as_object().unwrap().keys().map(String::as_str);
    let mut members: Vec<_> = members.collect();
    members.sort_unstable();
    members
}

#[tokio::test]
async fn policies_are_listed_as_they_stand_in_the_files() {
    let deployment = Deployment::embedded().with_admins();
    let site = Site::serve(deployment.policy(
        "50-watched.cedar",
        "// tried out\n@id(\"watched\")\n@mode(\"shadow\")\n@owner(\"iam\")\n\
         forbid (principal, action in Gate::Action::\"mfa\", resource);",
    ));
    let list = site.policies().await;
    let all = [
        "findings",
        "loaded_at",
        "policies",
        "reasons",
        "revision",
        "status",
    ];
    assert_eq!(members(&list), all);
    assert_eq!(
        (&list["status"], &list["reasons"]),
        (&json!("ready"), &json!([]))
    );
    assert_eq!(list["findings"], json!([]));
    assert_eq!(list["revision"], site.gateway.ready["revision"]);
    let loaded_at = text(&list["loaded_at"]);
    assert!(
        loaded_at.starts_with("20") && loaded_at.ends_with('Z'),
        "{loaded_at}"
    );
    let entries = list["policies"].as_array().unwrap();
    assert_eq!(
        entries.len() as u64,
        site.gateway.ready["policies"].as_u64().unwrap()
    );
    assert_eq!(
        entry(&list, "watched"),
        &json!({
            "id": "watched",
            "effect": "forbid",
            "file": site.policy("50-watched.cedar"),
            "line": 2,
            "annotations": { "mode": "shadow", "owner": "iam" },
            "shadow": true,
            "determined": 0,
        })
    );
    let linked = entries
        .iter()
        .find(|entry| entry["template"] == "mfa-admins");
    assert!(text(&linked.unwrap()["file"]).ends_with("corp.links.json"));
}

#[tokio::test]
async fn decisions_are_counted_by_policy_and_bundle() {
    let site = Site::shipped();
    let alice = site.user("alice");
    for _ in 0..3 {
        assert_eq!(alice.get(METHODS).await.status, 200);
    }
    let elsewhere = alice.tenant(crate::support::deployment::OWN_PARTY);
    assert_eq!(elsewhere.get(METHODS).await.code(), "tenant_mismatch");
    assert_eq!(
        Client::new(&site.gateway.url).get("/nowhere").await.status,
        401
    );
    let list = site.policies().await;
    assert_eq!(determined(&list, "own-factors"), 3);
    assert_eq!(determined(&list, "tenant-isolation"), 1);
    assert_eq!(determined(&list, "step-up-begin"), 0);

    assert_eq!(site.reload().await.body["changed"], false);
    assert_eq!(site.policies().await, list, "nothing was swapped");

    site.write("50-marker.cedar", marker("marker"));
    assert_eq!(site.reload().await.status, 200);
    assert_eq!(determined(&site.policies().await, "own-factors"), 0);
    assert_eq!(alice.get(METHODS).await.status, 200);
    let list = site.policies().await;
    assert_eq!(
        (
            determined(&list, "own-factors"),
            determined(&list, "marker")
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn reload_request_is_answered_with_its_outcome() {
    let site = Site::shipped();
    let before = site.policies().await;
    let same = site.reload().await;
    assert_eq!(same.status, 200);
    assert_eq!(
        same.body,
        json!({
            "revision": before["revision"],
            "loaded_at": before["loaded_at"],
            "policies": before["policies"].as_array().unwrap().len(),
            "changed": false,
        })
    );
    site.write("50-marker.cedar", marker("marker"));
    let answers = join_all((0..16).map(|_| site.reload())).await;
    let after = site.policies().await;
    assert_ne!(after["revision"], before["revision"]);
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        // Each request waited for a load that began after it.
        assert_eq!(answer.body["revision"], after["revision"]);
        assert_eq!(answer.body["loaded_at"], after["loaded_at"]);
    }
    assert_eq!(site.loads("replaced").await, 1);

    // On a busy machine the change may be loaded before the request.
    let mut round = 0;
    until("a load that was asked for changes them", async || {
        round += 1;
        site.write("50-marker.cedar", marker(&format!("marker-{round}")));
        let answer = site.reload().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["changed"] == true
    })
    .await;

    site.write("50-marker.cedar", "permit (");
    let stale = site.reload().await;
    assert_eq!(stale.status, 422);
    assert_eq!(members(&stale.body), ["findings", "status"]);
    let finding = &stale.body["findings"][0];
    let all = ["code", "column", "file", "line", "message", "severity"];
    assert_eq!(members(finding), all, "as `policy check --json` has them");
}

#[tokio::test]
async fn web_page_can_neither_list_nor_reload_the_policies() {
    let site = Site::shipped();
    let port = site.gateway.admin_url.rsplit(':').next().unwrap();
    let send = async |method: &str, target: &str, name: &str, value: &str| {
        let request = site.operator.request(method, target).header(name, value);
        site.operator
            .send(request.body(<_>::default()).unwrap())
            .await
    };
    let origin = format!("http://127.0.0.1:{port}");
    let rebound = format!("evil.example:{port}");
    for (method, target) in [("GET", "/policies"), ("POST", "/policies/reload")] {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", &origin),
            ("host", &rebound),
            ("host", "localhost.evil.example"),
        ] {
            let answer = send(method, target, name, value).await;
            assert_eq!(
                answer.says(),
                (403, "forbidden"),
                "{method} {name}: {value}"
            );
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
        for host in ["localhost", &format!("[::1]:{port}"), "10.0.0.1"] {
            let answer = send(method, target, "host", host).await;
            assert_eq!(answer.status, 200, "{method} {host}");
        }
    }
    for (method, target, allow) in [
        ("POST", "/policies", "GET"),
        ("GET", "/policies/reload", "POST"),
        ("OPTIONS", "/policies/reload", "POST"),
    ] {
        let answer = send(method, target, "x-nothing", "").await;
        assert_eq!(answer.says(), (405, "method_not_allowed"));
        assert_eq!(answer.header("allow"), allow);
    }
    // The public listener has no such path.
    let public = site.user("alice");
    assert_eq!(public.get("/policies").await.status, 404);
    assert_eq!(public.post_text("/policies/reload", "").await.status, 404);
}

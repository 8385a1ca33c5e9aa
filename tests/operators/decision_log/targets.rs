//! Targets of the decision log: a file that is rotated, a full disk, an unread pipe.

use futures_util::future::join_all;

use super::*;
use crate::support::program::{cedargate, stderr};

/// The number of lost lines, by the metric.
async fn lost(gateway: &Gateway, reason: &str) -> u64 {
    let name = format!(r#"cedargate_lost_lines_total{{stream="decision log",reason="{reason}"}}"#);
    gateway.metric(&name).await.unwrap()
}

async fn reasons(gateway: &Gateway) -> Vec<String> {
    let ready = gateway.admin_get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.body["status"]),
        (200, &json!("ready"))
    );
    serde_json::from_value(ready.body["reasons"].clone()).unwrap()
}

fn occurrences(text: &str, words: &str) -> usize {
    text.matches(words).count()
}

#[tokio::test]
async fn rotation_under_load_loses_and_repeats_no_line() {
    const ROTATIONS: usize = 20;
    let deployment = deployment("");
    let home = deployment.home();
    let gateway = deployment.serve();
    let alice = Client::new(&gateway.url).with(deployment.token("alice"), TENANT);
    let (end, ended) = tokio::sync::watch::channel(false);
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (alice, ended) = (alice.clone(), ended.clone());
            tokio::spawn(async move {
                while !*ended.borrow() {
                    assert_eq!(alice.get(METHODS).await.status, 200);
                }
            })
        })
        .collect();
    let mut files = vec![home.join(FILE)];
    for number in 0..ROTATIONS {
        let before = alice.request_ids().len();
        until("requests were answered", async || {
            alice.request_ids().len() > before + 8
        })
        .await;
        let renamed = home.join(format!("{FILE}.{number}"));
        fs::rename(&files[0], &renamed).unwrap();
        gateway.hang_up();
        until("there is a new file", async || files[0].exists()).await;
        files.push(renamed);
    }
    end.send(true).unwrap();
    for task in load {
        task.await.unwrap();
    }
    gateway.stop();
    let mut ids = Vec::new();
    for file in &files {
        let id = |line: &Value| line["request_id"].as_str().unwrap().to_owned();
        ids.extend(lines(file).iter().map(id));
    }
    ids.sort_unstable();
    assert_eq!(ids, alice.request_ids());
    assert_eq!(files.len(), ROTATIONS + 1);
}

#[tokio::test]
async fn full_disk_delays_no_request_and_is_logged_once() {
    let deployment = logging_to("/dev/full", "");
    let gateway = deployment.serve();
    assert_eq!(lost(&gateway, "unwritable").await, 0);
    let alice = Client::new(&gateway.url).with(deployment.token("alice"), TENANT);
    for _ in 0..20 {
        assert_eq!(alice.get(METHODS).await.status, 200);
    }
    until("all are counted", async || {
        lost(&gateway, "unwritable").await == 20
    })
    .await;
    assert_eq!(lost(&gateway, "too_slow").await, 0);
    let reasons = reasons(&gateway).await;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    let said = "decision log: /dev/full cannot be written: No space left on device";
    assert!(reasons[0].starts_with(said), "{reasons:?}");
    let written = gateway.stop();
    let words = "the decision log cannot be written";
    assert_eq!(occurrences(&written, words), 1, "{written}");
    assert!(
        written.contains("20 decisions are missing in /dev/full"),
        "{written}"
    );
}

#[tokio::test]
async fn unread_pipe_delays_no_request_and_lost_lines_are_counted() {
    let deployment = deployment("");
    let pipe = deployment.home().join(FILE);
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let gateway = deployment.serve();
    // The queue is limited by size: a token with many groups fills it with few requests.
    let mut claims = deployment.claims("alice", TENANT);
    claims["groups"] = (1000..2500).map(|group| group.to_string()).collect();
    let alice = Client::new(&gateway.url).with(deployment.sign(&claims), TENANT);
    let mut asked = 0;
    while lost(&gateway, "too_slow").await == 0 {
        let answers = join_all((0..4).map(|_| alice.get(METHODS))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        asked += answers.len();
        assert!(asked < 1000, "there is no bound to what waits");
    }
    let said = format!(
        "decision log: decisions are lost because writing to {} is too slow",
        pipe.display()
    );
    let reasons = reasons(&gateway).await;
    assert!(reasons[0].starts_with(&said), "{reasons:?}");
    let missing = format!(
        "{} decisions are missing in",
        lost(&gateway, "too_slow").await
    );
    // The gateway still stops and logs the missing lines.
    let written = gateway.stop();
    let words = "decisions are lost because writing the decision log is too slow";
    assert_eq!(occurrences(&written, words), 1, "{written}");
    assert!(
        written.contains("the last decisions are not in"),
        "{written}"
    );
    assert!(written.contains(&missing), "{written}");
}

#[test]
fn serve_exits_if_the_log_file_cannot_be_created() {
    let deployment = logging_to("no/such/folder/d.jsonl", "");
    let output = cedargate(deployment.home(), &["serve"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    for words in [
        "no/such/folder/d.jsonl cannot be opened",
        "create its folder",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

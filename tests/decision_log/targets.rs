//! Where the lines go: a file that is rotated, and what takes none.

use futures_util::future::join_all;

use super::*;

/// What the decision log has lost, by its metric.
async fn lost(gateway: &Gateway, reason: &str) -> u64 {
    let metrics = Client::new(&gateway.admin_url).get("/metrics").await;
    let name = format!(r#"cedargate_lost_lines_total{{stream="decision log",reason="{reason}"}} "#);
    let text = metrics.body.as_str().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().parse().unwrap()
}

async fn reasons(gateway: &Gateway) -> Vec<String> {
    let ready = Client::new(&gateway.admin_url).get("/readyz").await;
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
async fn renaming_and_a_sighup_lose_and_double_nothing_under_load() {
    const ROTATIONS: usize = 20;
    let deployment = deployment("");
    let home = home(&deployment);
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
        hang_up(&gateway);
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
async fn a_full_disk_holds_nobody_up_and_is_said_once() {
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
async fn a_pipe_that_nobody_reads_holds_nobody_up_and_what_is_lost_is_counted() {
    let deployment = deployment("");
    let pipe = home(&deployment).join(FILE);
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let gateway = deployment.serve();
    // What waits is weighed: a token of many groups fills the room with few requests.
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
        "decision log: decisions are lost, as {} takes",
        pipe.display()
    );
    let reasons = reasons(&gateway).await;
    assert!(reasons[0].starts_with(&said), "{reasons:?}");
    let missing = format!(
        "{} decisions are missing in",
        lost(&gateway, "too_slow").await
    );
    // It ends all the same, and says what is missing.
    let written = gateway.stop();
    let words = "the decision log takes them too slowly";
    assert_eq!(occurrences(&written, words), 1, "{written}");
    assert!(
        written.contains("the last decisions are not in"),
        "{written}"
    );
    assert!(written.contains(&missing), "{written}");
}

#[test]
fn a_file_that_cannot_be_made_is_an_error_of_the_start() {
    let deployment = logging_to("no/such/folder/d.jsonl", "");
    let output = Command::new(env!("CARGO_BIN_EXE_cedargate"))
        .args(["serve", "--config"])
        .arg(deployment.config())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for words in [
        "no/such/folder/d.jsonl cannot be opened",
        "its folder must be there",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

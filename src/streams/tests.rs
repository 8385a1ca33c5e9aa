use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use std::sync::LazyLock;

use cedargate_core::{Effect, Factors, GateAction, Means, ShadowDecision, Timestamp, User};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::event::tests::entry;
use crate::event::{DecisionEntry, RequestEvent};
use cedargate_policy::{
    AuthorizationRequest, Bundle, Caller, DecisionInput, RecordedDecision, Resource, Sources,
};

fn now() -> Timestamp {
    Timestamp::from_millis(1_768_467_600_000)
}

const HEAVY: usize = 1024 * 1024;

/// The input of a request for a user's own authenticators.
fn input() -> Arc<DecisionInput> {
    static INPUT: LazyLock<Arc<DecisionInput>> = LazyLock::new(|| {
        let user = Arc::new(User::new("corp||alice".parse().unwrap()));
        let request = AuthorizationRequest {
            caller: Caller::Member {
                user: &user,
                tenant: uuid::Uuid::nil().into(),
                factors: &Factors::default(),
                means: &Means {
                    backup_code: true,
                    ..Means::default()
                },
                method_type: None,
            },
            action: GateAction::ListMfaMethods.into(),
            resource: Resource::Account(&user.id),
            address: [203, 0, 113, 7].into(),
            now: now(),
        };
        let bundle = Bundle::load(&Sources::shipped()).unwrap();
        bundle.decide_with_input(&request).1
    });
    Arc::clone(&INPUT)
}

fn decision_entry(effect: Effect) -> DecisionEntry {
    let mut entry = entry(GateAction::Unknown, effect);
    entry.decision.policies = vec!["p".into()];
    entry.decision.notices = vec!["A notice.".into()];
    entry.revision = "0123456789abcdef".into();
    entry.duration = Duration::from_nanos(1234);
    entry
}

/// Writes the event of a request with these decisions.
fn request(sink: &Arc<dyn Sink>, id: &str, decisions: &[DecisionEntry]) {
    let mut event = RequestEvent::open(Arc::clone(sink), now(), id.to_owned(), "GET".to_owned());
    event.address([203, 0, 113, 7].into());
    for entry in decisions {
        event.decided(DecisionEntry {
            input: Some(input()),
            ..entry.clone()
        });
    }
}

fn allowed(sink: &Arc<dyn Sink>, id: &str) {
    request(sink, id, &[decision_entry(Effect::Allow)]);
}

fn open(file: &Path, masks: &[&str]) -> Stream {
    let masks = masks.iter().map(|path| path.parse().unwrap());
    let settings = DecisionLog {
        file: file.to_owned(),
        masks: masks.collect(),
    };
    Stream::decisions(settings).unwrap()
}

/// A line of a request that takes this much memory until it is written.
struct Weighing {
    request_id: String,
    weight: usize,
}

impl PendingLines for Weighing {
    fn weight(&self) -> usize {
        self.weight
    }

    fn count(&self) -> usize {
        1
    }

    fn write(&self, lines: &mut Vec<u8>) {
        serde_json::to_writer(&mut *lines, &json!({"request_id": self.request_id})).unwrap();
        lines.push(b'\n');
    }
}

/// A stream whose lines each have this weight.
fn open_weighing(file: &Path, weight: usize) -> Stream {
    let select: SelectLines = Box::new(move |event| {
        Some(Box::new(Weighing {
            request_id: event.request_id.clone(),
            weight,
        }))
    });
    Stream::open(file.to_owned(), "decision log", "decisions", true, select).unwrap()
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn request_ids(file: &Path) -> Vec<String> {
    let id = |line: &Value| line["request_id"].as_str().unwrap().to_owned();
    lines(file).iter().map(id).collect()
}

/// Waits until another thread has made the condition true.
fn until(holds: impl Fn() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the condition did not become true within a minute");
}

#[test]
fn line_holds_the_whole_decision_and_is_read_back() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("d.jsonl");
    let log = open(&file, &[]);
    let mut denied = decision_entry(Effect::Deny("late".into()));
    let mut shadow = entry(GateAction::Unknown, Effect::Allow).decision;
    shadow.policies = vec!["s".into()];
    denied.decision.shadow = Some(Box::new(ShadowDecision {
        decision: shadow,
        shadow_policies: vec!["s".into()],
    }));
    let sink = log.sink();
    request(&sink, "r-1", &[decision_entry(Effect::Allow), denied]);
    // Without a decision there is no line.
    request(&sink, "r-2", &[]);
    assert_eq!(log.finish(), Vec::<String>::new());

    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut lines = lines(&file);
    assert_eq!(lines.len(), 2);
    let ids: Vec<_> = lines
        .iter_mut()
        .map(|line| line["decision_id"].take().as_str().unwrap().to_owned())
        .collect();
    assert_ne!(ids[0], ids[1]);
    let id: uuid::Uuid = ids[0].parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    insta::assert_json_snapshot!(lines);

    let text = fs::read_to_string(&file).unwrap();
    let recorded = RecordedDecision::read(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(recorded.decision_id, ids[1]);
    assert_eq!(recorded.result.effect, Effect::Deny("late".to_owned()));
}

#[test]
fn masked_value_is_in_no_part_of_a_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("d.jsonl");
    let mut failed = decision_entry(Effect::Failed);
    failed.decision.errors = vec![
        "error while evaluating policy `p`: overflow on `203.0.113.7`".into(),
        "no colon".into(),
    ];
    for (masks, address, errors) in [
        (vec![], json!("203.0.113.7"), json!(failed.decision.errors)),
        (
            vec!["context.network"],
            Value::Null,
            json!(["error while evaluating policy `p`", "no colon"]),
        ),
    ] {
        let log = open(&file, &masks);
        request(&log.sink(), "r", std::slice::from_ref(&failed));
        log.finish();
        let line = lines(&file).pop().unwrap();
        assert_eq!(line["requested_by"], address);
        assert_eq!(line["result"]["errors"], errors);
        assert_eq!(line["result"]["code"], "policy_error");
        let has_address = line.to_string().contains("203.0.113.7");
        assert_eq!(has_address, masks.is_empty(), "{line}");
    }
}

#[test]
fn truncated_line_is_ended_before_the_next_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("d.jsonl");
    fs::write(&file, "{\"request_id\":\"whole\"}\n{\"cut").unwrap();
    let log = open(&file, &[]);
    allowed(&log.sink(), "r");
    log.finish();
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1], "{\"cut");
    assert!(RecordedDecision::read(lines[2]).is_ok());
}

#[test]
fn decision_before_reopening_is_written_to_the_renamed_file() {
    let folder = TempDir::new().unwrap();
    let [file, renamed] = ["d.jsonl", "d.jsonl.1"].map(|name| folder.path().join(name));
    let log = open(&file, &[]);
    let (sink, reopen) = (log.sink(), log.reopener());
    allowed(&sink, "before");
    fs::rename(&file, &renamed).unwrap();
    allowed(&sink, "between");
    reopen();
    allowed(&sink, "after");
    log.finish();
    assert_eq!(request_ids(&renamed), ["before", "between"]);
    assert_eq!(request_ids(&file), ["after"]);
}

#[test]
fn open_file_stays_in_use_if_it_cannot_be_opened_again() {
    let folder = TempDir::new().unwrap();
    let [file, renamed] = ["d.jsonl", "d.jsonl.1"].map(|name| folder.path().join(name));
    let log = open(&file, &[]);
    fs::rename(&file, &renamed).unwrap();
    fs::create_dir(&file).unwrap();
    log.reopener()();
    allowed(&log.sink(), "r");
    assert_eq!(log.finish(), Vec::<String>::new());
    assert_eq!(request_ids(&renamed), ["r"]);
}

#[test]
fn unwritable_file_loses_lines_until_it_can_be_written_again() {
    let folder = TempDir::new().unwrap();
    let [file, name] = ["d.jsonl", "link"].map(|name| folder.path().join(name));
    symlink("/dev/full", &name).unwrap();
    let log = open(&name, &[]);
    let (sink, health) = (log.sink(), log.health());
    assert_eq!(health.warnings(), Vec::<String>::new());
    allowed(&sink, "lost");
    request(
        &sink,
        "lost",
        &[decision_entry(Effect::Allow), decision_entry(Effect::Allow)],
    );
    until(|| health.lost().unwritable == 3);
    let warnings = health.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("decision log: "), "{warnings:?}");
    assert!(
        warnings[0].contains("cannot be written: No space left"),
        "{warnings:?}"
    );
    fs::remove_file(&name).unwrap();
    symlink(&file, &name).unwrap();
    allowed(&sink, "written");
    until(|| health.warnings().is_empty());
    let missing = format!("3 decisions are missing in {}", name.display());
    assert_eq!(log.finish(), [missing]);
    assert_eq!(request_ids(&file), ["written"]);
}

#[test]
fn pipe_without_a_reader_blocks_no_request_and_loses_lines_beyond_the_queue() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let log = open_weighing(&pipe, HEAVY);
    let (sink, health) = (log.sink(), log.health());
    for id in 0..100 {
        allowed(&sink, &id.to_string());
    }
    let lost = health.lost();
    assert_eq!((lost.too_slow, lost.unwritable), (68, 0));
    let warnings = health.warnings();
    assert!(warnings[0].contains("decisions are lost"), "{warnings:?}");
    // A reader that comes later gets all lines of the queue.
    let reader = thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    until(|| health.warnings().is_empty());
    allowed(&sink, "last");
    let missing = format!("68 decisions are missing in {}", pipe.display());
    assert_eq!(log.finish(), [missing]);
    drop(sink);
    let read = reader.join().unwrap();
    assert_eq!(read.lines().count(), 33);
    assert!(read.lines().last().unwrap().contains("\"last\""));
}

#[test]
fn pipe_without_a_reader_does_not_keep_the_process_alive() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let log = open(&pipe, &[]);
    allowed(&log.sink(), "r");
    let words = format!("the last decisions are not in {}", pipe.display());
    assert_eq!(log.finish(), [words]);
}

#[test]
fn decision_larger_than_the_queue_is_accepted_if_the_queue_is_empty() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("d.jsonl");
    let log = open_weighing(&file, 100 * HEAVY);
    allowed(&log.sink(), "r");
    assert_eq!(log.finish(), Vec::<String>::new());
    assert_eq!(request_ids(&file), ["r"]);
}

#[test]
fn file_that_cannot_be_opened_is_reported_at_once() {
    let folder = TempDir::new().unwrap();
    let open_error = |file: &Path| {
        let settings = DecisionLog {
            file: file.to_owned(),
            masks: Vec::new(),
        };
        Stream::decisions(settings).err().map(|error| error.kind())
    };
    let missing = folder.path().join("no/such/folder");
    assert_eq!(open_error(&missing), Some(io::ErrorKind::NotFound));
    assert_eq!(open_error(folder.path()), Some(io::ErrorKind::IsADirectory));
}

#[test]
fn existing_file_keeps_its_permissions() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("d.jsonl");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    open(&file, &[]).finish();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

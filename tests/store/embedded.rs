//! Failures that the embedded store survives: kill -9, a second process, a full disk, a damaged
//! file.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cedargate::store::{BeginOutcome, Error, Store};
use inotify::{Inotify, WatchMask};
use tempfile::TempDir;

use super::fixture::*;

const ROLE: &str = "CEDARGATE_TEST_STORE_ROLE";
const FOLDER: &str = "CEDARGATE_TEST_STORE_FOLDER";

fn file(folder: &Path) -> PathBuf {
    folder.join("cedargate.redb")
}

async fn refusal(folder: &Path) -> String {
    match open_embedded(folder).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// Starts this test binary again, as another process that runs [`child`] only.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(role: &str, folder: &Path) -> Self {
        Self::with(Command::new(std::env::current_exe().unwrap()), role, folder)
    }

    fn with(mut command: Command, role: &str, folder: &Path) -> Self {
        let mut child = command
            // With one thread, as on one processor, the test's name would precede its output.
            .args(["--exact", "store::embedded::child", "--nocapture"])
            .arg("--test-threads=2")
            .env(ROLE, role)
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads until this text and returns all output.
    fn wait_for(&mut self, word: &str) -> Vec<String> {
        let mut said = Vec::new();
        for line in &mut self.lines {
            said.push(line.unwrap());
            if said.last().unwrap().starts_with(word) {
                return said;
            }
        }
        panic!("it ended without saying {word}: {said:#?}");
    }

    /// Kills the process (SIGKILL) and returns its output.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.map_while(Result::ok).collect()
    }
}

/// Not a test by itself: the other process of the tests below, which tell it what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(role), Some(folder)) = (std::env::var(ROLE), std::env::var_os(FOLDER)) else {
        return;
    };
    let store = open_embedded(Path::new(&folder)).await.unwrap();
    match role.as_str() {
        "begin" => {
            begun(&store, &user("alice"), 1).await;
            println!("begun");
            std::future::pending().await
        }
        "fill" => fill(&store).await,
        round => enrol_for_ever(&store, round).await,
    }
}

async fn enrol_for_ever(store: &Store, round: &str) {
    for at in 0_u32.. {
        let name = format!("{round}-{at}");
        let user = user(&name);
        begun(store, &user, 1).await;
        println!("begun {name}");
        let mut one = authenticator(1);
        one.credential_id.0 = name.clone().into_bytes();
        let outcome = complete(store, &user, 0, 1, &one, Some(&codes())).await;
        assert_eq!(outcome, Ok(FIRST));
        println!("stored {name}");
    }
}

#[tokio::test]
async fn kill_9_between_begin_and_complete_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let mut process = Process::start("begin", folder.path());
    process.wait_for("begun");
    process.kill();
    let store = open_embedded(folder.path()).await.unwrap();
    let alice = user("alice");
    assert_eq!(account(&store, &alice, 1).await.pending, Some(enrolment(1)));
    let outcome = complete(&store, &alice, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(FIRST));
}

/// Waits until somebody has written to this file this many times.
fn wait_for_writes(file: &Path, mut writes: usize) {
    let mut inotify = Inotify::init().unwrap();
    inotify.watches().add(file, WatchMask::MODIFY).unwrap();
    let mut buffer = [0; 1024];
    while writes > 0 {
        let seen = inotify.read_events_blocking(&mut buffer).unwrap().count();
        writes = writes.saturating_sub(seen);
    }
}

#[tokio::test]
async fn kill_9_at_any_moment_leaves_all_or_nothing() {
    let folder = TempDir::new().unwrap();
    for round in 0..12 {
        let mut process = Process::start(&format!("round{round}"), folder.path());
        let mut said = process.wait_for("stored");
        wait_for_writes(&file(folder.path()), round);
        said.extend(process.kill());

        let store = open_embedded(folder.path()).await.unwrap();
        for line in said {
            let Some((word, name)) = line.split_once(' ') else {
                continue;
            };
            let read = account(&store, &user(name), 1).await;
            assert_whole(&read);
            let there = read.authenticators.len() == 1;
            match word {
                "stored" => assert!(there, "{name} was acknowledged"),
                "begun" => assert_ne!(there, read.pending.is_some(), "{name}"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn second_process_is_told_which_file_is_in_use() {
    let folder = TempDir::new().unwrap();
    let mut process = Process::start("begin", folder.path());
    process.wait_for("begun");
    let error = refusal(folder.path()).await;
    let name = file(folder.path()).display().to_string();
    assert!(
        error.starts_with(&format!("{name}: is in use by another process")),
        "{error}"
    );
    process.kill();

    let store = open_embedded(folder.path()).await.unwrap();
    let error = refusal(folder.path()).await;
    assert!(
        error.starts_with(&format!("{name}: is in use by another process")),
        "{error}"
    );
    drop(store);
    open_embedded(folder.path()).await.unwrap();
}

/// Stores until the disk is full, waits until it has room again, and goes on.
async fn fill(store: &Store) {
    let early = user("early");
    begun(store, &early, 1).await;
    let mut users = Vec::new();
    let failed = loop {
        let user = user(&format!("user{}", users.len()));
        let outcome = store
            .begin(&user, 0, handle(&user), &enrolment(1), TTL)
            .await;
        match outcome {
            Ok(BeginOutcome::Stored { .. }) => users.push(user),
            // A smaller write may still find room. The disk is full when none does.
            other if !store.health().await.faults.is_empty() => break other,
            _ => {}
        }
    };
    assert!(users.len() > 10);
    let Err(Error::Unavailable { cause }) = failed else {
        panic!("{failed:?}");
    };
    assert!(cause.contains("cedargate.redb"), "{cause}");
    assert!(!store.health().await.faults.is_empty());
    let (one, set) = (authenticator(2), codes());
    let refused = complete(store, &early, 0, 1, &one, Some(&set)).await;
    assert!(refused.as_ref().is_err_and(is_down), "{refused:?}");
    until("what was stored is read", async || {
        store.read(&users[0], None).await.is_ok()
    })
    .await;
    println!("full");
    until("it can be written again", async || {
        store.health().await.faults.is_empty()
    })
    .await;
    for user in &users {
        assert_eq!(account(store, user, 1).await.pending, Some(enrolment(1)));
    }
    // Whatever the answer was, the change is whole or absent, and a retry completes it.
    let read = account(store, &early, 1).await;
    assert_whole(&read);
    assert_eq!(read.authenticators.is_empty(), read.pending.is_some());
    let outcome = complete(store, &early, 0, 1, &one, Some(&set)).await;
    assert_eq!(outcome, Ok(FIRST));
    let last = user("last");
    begun(store, &last, 1).await;
    let outcome = complete(store, &last, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(FIRST));
    println!("healed");
}

#[tokio::test]
async fn full_disk_fails_writes_until_there_is_room() {
    let folder = TempDir::new().unwrap();
    // A limit on the size of files replaces the full disk: the same calls fail with the same error.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -S -f 600; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    let mut process = Process::with(shell, "fill", folder.path());
    process.wait_for("full");
    let status = Command::new("prlimit")
        .args([
            "--fsize=unlimited",
            "--pid",
            &process.child.id().to_string(),
        ])
        .status()
        .unwrap();
    assert!(status.success());
    process.wait_for("healed");
    assert!(process.child.wait().unwrap().success());
    let store = open_embedded(folder.path()).await.unwrap();
    assert_eq!(
        account(&store, &user("last"), 1).await.authenticators.len(),
        1
    );
}

#[tokio::test]
async fn damaged_file_is_refused_by_name_and_never_read_as_empty() {
    let folder = TempDir::new().unwrap();
    let alice = user("alice");
    let store = open_embedded(folder.path()).await.unwrap();
    begun(&store, &alice, 1).await;
    let outcome = complete(&store, &alice, 0, 1, &authenticator(1), Some(&codes())).await;
    assert_eq!(outcome, Ok(FIRST));
    drop(store);
    let path = file(folder.path());
    let whole = fs::read(&path).unwrap();

    let refused = |bytes: Vec<u8>| {
        let (folder, path) = (folder.path(), path.clone());
        async move {
            fs::write(&path, bytes).unwrap();
            let error = refusal(folder).await;
            assert!(error.starts_with(&path.display().to_string()), "{error}");
            error
        }
    };
    for length in [0, 1, 320, 4096, whole.len() / 2, whole.len() - 4096] {
        let error = refused(whole[..length].to_vec()).await;
        assert!(error.contains("damaged"), "{length}: {error}");
    }
    refused(b"listen = \"127.0.0.1:8080\"\n".repeat(400)).await;
    refused(vec![0; whole.len()]).await;

    // With any bit flipped, the file gives the data or is refused.
    let (mut opened, mut refusals) = (0, 0);
    for at in (0..whole.len()).step_by(509) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        fs::write(&path, &bytes).unwrap();
        match open_embedded(folder.path()).await {
            Ok(store) => {
                let read = account(&store, &alice, 1).await;
                assert_eq!(read.authenticators.len(), 1, "a bit of byte {at}");
                assert_whole(&read);
                opened += 1;
            }
            Err(error) => {
                assert!(error.starts_with(&path.display().to_string()), "{error}");
                refusals += 1;
            }
        }
    }
    assert!(
        opened > 0 && refusals > 0,
        "{opened} opened, {refusals} refused"
    );

    fs::write(&path, &whole).unwrap();
    let store = open_embedded(folder.path()).await.unwrap();
    assert_eq!(account(&store, &alice, 1).await.authenticators.len(), 1);
}

#[tokio::test]
async fn store_whose_creation_was_cut_short_is_created_again() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("cedargate.new"), b"cut sho").unwrap();
    let store = open_embedded(folder.path()).await.unwrap();
    begun(&store, &user("alice"), 1).await;
}

#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("deep/data");
    let _store = open_embedded(&folder).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&file(&folder)), 0o600);
}

#[tokio::test]
async fn folder_that_cannot_be_created_is_named() {
    let parent = TempDir::new().unwrap();
    fs::write(parent.path().join("file"), b"").unwrap();
    let error = refusal(&parent.path().join("file")).await;
    assert!(
        error.contains(&parent.path().join("file").display().to_string()),
        "{error}"
    );
}

//! `cedargate init`: the files that it writes, and the commands that it names next.

use crate::support::base64url;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{Client, METHODS};
use crate::support::gateway::Gateway;
use crate::support::program::{cedargate, stderr, stdout};

const LISTEN: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

/// A new folder after `cedargate init`, and the output of the command.
fn site() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = cedargate(folder.path(), &["init"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let printed = stdout(&output).to_owned();
    (folder, printed)
}

/// The paths of all files in a folder, hidden ones too.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let within = files(&path).into_iter();
            found.extend(within.map(|file| format!("{name}/{file}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The arguments of the commands that stand on lines of their own in a text.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("  cedargate "));
    lines
        .map(|line| line.split("  ").next().unwrap().split(' ').collect())
        .collect()
}

#[tokio::test]
async fn the_three_commands_that_init_prints_work_in_a_new_site() {
    let (folder, printed) = site();
    let commands = commands(&printed);
    let expected = [&["policy", "test"][..], &["dev"], &["config", "check"]];
    assert_eq!(commands, expected);
    for command in commands {
        if command == ["dev"] {
            let gateway = Gateway::dev(folder.path());
            assert_eq!(gateway.admin_get("/readyz").await.status, 200);
            gateway.stop();
        } else {
            let output = cedargate(folder.path(), &command);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        }
    }
}

#[test]
fn policies_of_a_new_site_have_no_finding_and_its_cases_pass() {
    let (folder, _) = site();
    let check = cedargate(folder.path(), &["policy", "check", "--json"]);
    assert_eq!(check.status.code(), Some(0), "{}", stdout(&check));
    let test = cedargate(folder.path(), &["policy", "test", "--json"]);
    assert_eq!(test.status.code(), Some(0), "{}", stdout(&test));
    let report: Value = serde_json::from_slice(&test.stdout).unwrap();
    assert!(report["cases"].as_u64().unwrap() > 50, "{report}");
}

#[tokio::test]
async fn serve_is_ready_in_a_new_site_and_refuses_tokens_of_dev() {
    let (folder, _) = site();
    let dev = Gateway::dev(folder.path());
    let token = dev.ready["token"].as_str().unwrap().to_owned();
    let tenant = dev.ready["tenant"].as_str().unwrap().to_owned();
    dev.stop();
    let config = folder.path().join("cedargate.toml");
    let gateway = Gateway::serve_with(&config, &LISTEN, None);
    let ready = gateway.admin_get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.body["status"]),
        (200, &json!("ready"))
    );
    let user = Client::new(&gateway.url).with(token, tenant);
    assert_eq!(user.get(METHODS).await.status, 401);
    let log = gateway.stop();
    assert!(
        log.contains("still the placeholder of `cedargate init`"),
        "{log}"
    );
}

#[test]
fn config_check_points_at_the_placeholder_issuer_until_it_is_replaced() {
    let (folder, _) = site();
    let config = folder.path().join("cedargate.toml");
    let text = fs::read_to_string(&config).unwrap();
    let placeholder = "https://replace-me.invalid";
    let line = text.lines().position(|line| line.contains(placeholder));

    let check = cedargate(folder.path(), &["config", "check", "--json"]);
    assert_eq!(check.status.code(), Some(0), "{}", stdout(&check));
    let report: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(report["ok"], true);
    let notes = report["findings"].as_array().unwrap();
    assert_eq!(notes.len(), 1, "{report}");
    assert_eq!(notes[0]["severity"], "note");
    assert_eq!(notes[0]["code"], "placeholder");
    assert_eq!(notes[0]["file"], "cedargate.toml");
    assert_eq!(notes[0]["line"], line.unwrap() + 1);

    let edited = text.replace(placeholder, "https://id.example.com");
    fs::write(&config, edited).unwrap();
    let check = cedargate(folder.path(), &["config", "check"]);
    assert_eq!(stderr(&check), "");
    assert_eq!(stdout(&check), "cedargate.toml is right\n");
}

#[test]
fn the_keys_that_configuration_comments_offer_are_valid() {
    let (folder, _) = site();
    let config = folder.path().join("cedargate.toml");
    let text = fs::read_to_string(&config).unwrap();
    let code = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    assert!(text.lines().filter(|line| code(line)).count() >= 8);
    let lines = text.lines().map(|line| match code(line) {
        true => line.trim_start_matches('#'),
        false => line,
    });
    fs::write(&config, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let check = cedargate(folder.path(), &["config", "check"]);
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
}

#[test]
fn secrets_are_their_owners_only_and_new_in_each_site() {
    let (one, _) = site();
    let (other, _) = site();
    assert_eq!(mode(&one.path().join("keys")), 0o700);
    let secrets = ["keys/pepper.key", "keys/step-up.p8"];
    for file in files(one.path()) {
        let secret = secrets.contains(&file.as_str());
        let path = one.path().join(&file);
        assert_eq!(mode(&path) & 0o077 == 0, secret, "{file}");
        assert_eq!(mode(&path) & 0o600, 0o600, "{file}");
        let same = fs::read(&path).unwrap() == fs::read(other.path().join(&file)).unwrap();
        let generated = secret || file == "placeholder.jwks.json";
        assert_eq!(same, !generated, "{file}");
    }
    let pepper = fs::read(one.path().join("keys/pepper.key")).unwrap();
    assert_eq!(pepper.len(), 32);
}

#[test]
fn the_private_half_of_the_placeholder_key_is_nowhere() {
    let (folder, _) = site();
    let jwks = fs::read(folder.path().join("placeholder.jwks.json")).unwrap();
    let jwks: Value = serde_json::from_slice(&jwks).unwrap();
    let key = jwks["keys"][0].as_object().unwrap();
    assert!(!key.contains_key("d"), "{jwks}");
    // The only other key of the site is that of step-ups: its public half must be another.
    let pkcs8 = fs::read(folder.path().join("keys/step-up.p8")).unwrap();
    let x = base64url::decode(key["x"].as_str().unwrap());
    assert!(!pkcs8.windows(x.len()).any(|part| part == x));
}

#[test]
fn git_ignores_secrets_and_data_and_nothing_else() {
    let (folder, _) = site();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    git(&["init", "--quiet"]);
    fs::create_dir(folder.path().join("accounts")).unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    for data in ["accounts/cedargate.redb", "data/pepper.key", "audit.jsonl"] {
        fs::write(folder.path().join(data), "").unwrap();
    }
    let ignored = git(&[
        "status",
        "--porcelain",
        "--ignored",
        "--untracked-files=all",
    ]);
    let mut ignored: Vec<_> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix("!! "))
        .collect();
    ignored.sort_unstable();
    let expected = [
        "accounts/cedargate.redb",
        "audit.jsonl",
        "data/pepper.key",
        "keys/pepper.key",
        "keys/step-up.p8",
    ];
    assert_eq!(ignored, expected);
}

#[test]
fn the_workflow_runs_commands_that_pass_in_a_new_site() {
    let (folder, _) = site();
    let workflow = folder.path().join(".github/workflows/policies.yml");
    let workflow = fs::read_to_string(workflow).unwrap();
    let version = concat!("VERSION: v", env!("CARGO_PKG_VERSION"), "\n");
    assert!(workflow.contains(version), "{workflow}");
    let commands = workflow
        .lines()
        .filter_map(|line| line.trim().strip_prefix("run: cedargate "));
    let commands: Vec<Vec<_>> = commands.map(|line| line.split(' ').collect()).collect();
    let expected = [
        &["policy", "check", "--format", "github"][..],
        &["policy", "test"],
    ];
    assert_eq!(commands, expected);
    for command in commands {
        let output = cedargate(folder.path(), &command);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    }
}

#[test]
fn a_folder_that_is_named_is_created_and_named_in_the_next_steps() {
    let folder = tempfile::tempdir().unwrap();
    let output = cedargate(folder.path(), &["init", "deep/site"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("Next, in deep/site:\n"),
        "{}",
        stdout(&output)
    );
    let (here, _) = site();
    assert_eq!(files(&folder.path().join("deep/site")), files(here.path()));
    assert_eq!(mode(&folder.path().join("deep/site")) & 0o700, 0o700);
    assert_ne!(
        mode(&folder.path().join("deep/site")),
        0o700,
        "only keys/ is private"
    );
}

#[test]
fn every_existing_file_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cedargate.toml"), "mine").unwrap();
    fs::create_dir(folder.path().join("keys")).unwrap();
    symlink("nowhere", folder.path().join("keys/pepper.key")).unwrap();
    fs::write(folder.path().join("README.md"), "not one of init's").unwrap();
    let before = files(folder.path());
    let output = cedargate(folder.path(), &["init"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    assert_eq!(said.matches("error[exists]").count(), 2, "{said}");
    assert!(said.contains("./cedargate.toml"), "{said}");
    assert!(said.contains("./keys/pepper.key"), "{said}");
    assert!(said.contains("nothing was written"), "{said}");
    assert_eq!(files(folder.path()), before);
    let kept = fs::read_to_string(folder.path().join("cedargate.toml")).unwrap();
    assert_eq!(kept, "mine");
}

#[test]
fn a_second_init_names_every_file_and_changes_none() {
    let (folder, _) = site();
    let pepper = fs::read(folder.path().join("keys/pepper.key")).unwrap();
    let output = cedargate(folder.path(), &["init"]);
    assert_eq!(output.status.code(), Some(2));
    let all = files(folder.path()).len();
    assert_eq!(stderr(&output).matches("error[exists]").count(), all);
    let after = fs::read(folder.path().join("keys/pepper.key")).unwrap();
    assert_eq!(after, pepper);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    // A file is in the way, then a folder in which even root cannot create files.
    for place in ["file/site", "/proc/cedargate-site"] {
        let output = cedargate(folder.path(), &["init", place]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(stdout(&output), "");
        let said = stderr(&output);
        assert!(said.contains("error[site]"), "{said}");
        assert!(said.contains(place), "{said}");
        assert!(
            said.contains("name a folder that you may write to"),
            "{said}"
        );
    }
    assert_eq!(files(folder.path()), ["file"]);
}

#[test]
fn a_failure_half_way_leaves_the_folder_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    // The folder of cases, which is written last, cannot be created over this link.
    symlink("nowhere", folder.path().join("tests")).unwrap();
    let output = cedargate(folder.path(), &["init"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("tests/policies"),
        "{}",
        stderr(&output)
    );
    let left = fs::read_dir(folder.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["tests"]);
}

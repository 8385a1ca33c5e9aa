//! Help, completions and the manual, and the commands `dev`, `serve`, `token`, `config check` and
//! `policy schema`.

use crate::support::deployment::{Deployment, SECURITY_KEYS_ONLY, TENANT};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::client::{Client, METHODS};
use crate::support::gateway::{Gateway, copy_policies};
use crate::support::program::{self, cedargate, send_signal, stderr, stdout};

#[test]
fn help_goes_to_stdout_and_wrong_usage_to_stderr() {
    let home = tempfile::tempdir().unwrap();
    for command in [
        &["--help"][..],
        &["dev", "--help"],
        &["init", "--help"],
        &["serve", "--help"],
        &["token", "--help"],
        &["config", "--help"],
        &["config", "check", "--help"],
        &["policy", "--help"],
        &["policy", "check", "--help"],
        &["policy", "diff", "--help"],
        &["policy", "explain", "--help"],
        &["policy", "format", "--help"],
        &["policy", "replay", "--help"],
        &["policy", "schema", "--help"],
        &["policy", "test", "--help"],
        &["completions", "--help"],
        &["manual", "--help"],
    ] {
        let output = cedargate(home.path(), command);
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert!(stdout(&output).contains("Examples:"), "{command:?}");
        assert_eq!(stderr(&output), "");
    }
    for command in [
        &[][..],
        &["sreve"],
        &["dev", "--port", "1"],
        &["policy", "schema", "--schema", "elsewhere"],
    ] {
        let output = cedargate(home.path(), command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert_eq!(stdout(&output), "", "{command:?}");
        assert!(stderr(&output).contains("Usage:"), "{command:?}");
    }
}

#[test]
fn dev_refuses_to_listen_beyond_loopback() {
    let home = tempfile::tempdir().unwrap();
    for flag in ["--listen", "--admin-listen"] {
        let output = cedargate(home.path(), &["dev", flag, "0.0.0.0:0"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("loopback only"),
            "{}",
            stderr(&output)
        );
    }
    assert!(!home.path().join("data").exists(), "nothing was begun");
}

#[test]
fn token_without_a_data_folder_is_refused_with_help() {
    let home = tempfile::tempdir().unwrap();
    let output = cedargate(
        home.path(),
        &["token", "--user", "alice", "--tenant", TENANT],
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    insta::assert_snapshot!(stderr(&output), @r"
    error[signing_key]: the development key does not exist
    --> ./data/signing-key.p8
     = help: start `cedargate dev` once, or name its data folder with --data
    ");
}

#[test]
fn the_schema_is_printed_and_renewed_byte_for_byte() {
    let home = tempfile::tempdir().unwrap();
    let printed = cedargate(home.path(), &["policy", "schema"]);
    assert_eq!(printed.status.code(), Some(0));
    assert!(stdout(&printed).contains("namespace Gate {"));
    let file = home.path().join("schema/gate.cedarschema");
    for (before, said) in [
        (None, "was written"),
        (Some("old"), "was written"),
        (None, "is up to date"),
    ] {
        if let Some(text) = before {
            std::fs::write(&file, text).unwrap();
        }
        let written = cedargate(home.path(), &["policy", "schema", "--write"]);
        assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
        let said = format!("./schema/gate.cedarschema {said}\n");
        assert_eq!(stdout(&written), said);
        assert_eq!(std::fs::read(&file).unwrap(), printed.stdout);
    }
}

#[test]
fn closed_stdout_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    let mut process = program::command(home.path(), &["policy", "schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(process.stdout.take());
    let mut complaint = String::new();
    let mut stderr = process.stderr.take().unwrap();
    stderr.read_to_string(&mut complaint).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert_eq!(complaint, "");
}

#[test]
fn config_check_reports_all_problems_as_text_and_as_json() {
    let home = tempfile::tempdir().unwrap();
    let text = "lisen = \"127.0.0.1:0\"\n\n[store]\nurl = \"ftp://x\"\n";
    std::fs::write(home.path().join("cedargate.toml"), text).unwrap();
    let output = cedargate(home.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("cedargate.toml:1:"),
        "{}",
        stderr(&output)
    );

    let output = cedargate(home.path(), &["config", "check", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "");
    let report: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(report["ok"], false);
    let findings = report["findings"].as_array().unwrap();
    let at_line = |line: u64| findings.iter().any(|one| one["line"] == line);
    assert!(at_line(1) && at_line(4), "{report}");
    assert!(
        findings.len() >= 3,
        "issuers and peppers are missing, too: {report}"
    );
}

#[test]
fn missing_configuration_is_reported_at_line_0() {
    let home = tempfile::tempdir().unwrap();
    let output = cedargate(home.path(), &["config", "check", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_str(stdout(&output)).unwrap();
    let finding = &report["findings"][0];
    assert_eq!(finding["code"], "unreadable_file");
    assert_eq!(finding["file"], "cedargate.toml");
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&0.into(), &0.into())
    );
    let help = cedargate(home.path(), &["config", "check", "--help"]);
    assert!(stdout(&help).contains("0 stands for the whole file"));
}

#[test]
fn help_for_token_says_where_its_key_comes_from() {
    let home = tempfile::tempdir().unwrap();
    let help = cedargate(home.path(), &["token", "--help"]);
    assert!(stdout(&help).contains("`cedargate dev` makes that key when it first runs"));
}

#[tokio::test]
async fn dev_is_ready_when_it_says_so_and_its_tokens_survive_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let gateway = Gateway::dev(home.path());
    let members: Vec<_> = gateway.ready.as_object().unwrap().keys().collect();
    let promised = ["url", "admin_url", "issuer", "audience", "tenant", "token"];
    assert_eq!(members, promised);
    assert_eq!(gateway.ready["tenant"], TENANT);
    assert_eq!(gateway.admin_get("/readyz").await.status, 200);

    let first = gateway.ready["token"].as_str().unwrap().to_owned();
    let nobody = Client::new(&gateway.url);
    let answer = nobody.with(&first, TENANT).get(METHODS).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    gateway.kill();

    let output = cedargate(home.path(), &["token", "--user", "bob", "--tenant", TENANT]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let gateway = Gateway::dev(home.path());
    let nobody = Client::new(&gateway.url);
    for token in [&first, stdout(&output).trim_end()] {
        let answer = nobody.with(token, TENANT).get(METHODS).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let answer = nobody.with(&first, SECURITY_KEYS_ONLY).get(METHODS).await;
    assert_eq!(answer.says(), (403, "tenant_mismatch"));
    gateway.stop();
}

#[test]
fn dev_shows_an_invalid_policy_and_exits_with_1() {
    let home = tempfile::tempdir().unwrap();
    copy_policies(home.path());
    std::fs::write(
        home.path().join("policies/bad.cedar"),
        "permit (principal\n",
    )
    .unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let output = cedargate(home.path(), &[&["dev"][..], &listen].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("bad.cedar:"),
        "{}",
        stderr(&output)
    );
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn serve_has_no_page_and_logs_one_event_for_each_request() {
    let deployment = Deployment::embedded();
    let gateway = Gateway::serve(&deployment.config());
    let token = deployment.token("alice");
    let nobody = Client::new(&gateway.url);
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/dev/page.js"),
        ("GET", "/dev/page.css"),
        ("GET", "/dev/records"),
        ("GET", "/dev/why"),
        ("POST", "/dev/token"),
    ] {
        for (caller, says) in [
            (nobody.clone(), (401, "unauthenticated")),
            (nobody.with(&token, TENANT), (404, "not_found")),
        ] {
            let request = caller.request(method, path).body(<_>::default());
            let answer = caller.send(request.unwrap()).await;
            assert_eq!(answer.says(), says, "{path}");
        }
    }
    let output = gateway.stop();
    assert!(!output.contains(&token), "no token in the log");
    let lines = output
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events: Vec<_> = lines
        .filter(|line| line.get("request_id").is_some())
        .collect();
    assert_eq!(events.len(), 12, "{output}");
    for event in &events {
        assert_eq!(event["route"], "unknown");
        assert_eq!(event["action"], "unknown");
        assert_eq!(
            event["effect"], "deny",
            "no shipped policy opens what is not there"
        );
        for member in [
            "principal",
            "tenant",
            "resource",
            "policies",
            "notices",
            "duration_us",
        ] {
            assert!(event.get(member).is_some(), "{member}: {event}");
        }
    }
}

#[tokio::test]
async fn stalled_reader_of_the_log_delays_neither_requests_nor_shutdown() {
    let deployment = Deployment::embedded();
    let mut process = program::command(deployment.home(), &["serve"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    let mut ready = String::new();
    while !ready.contains("listening") {
        assert_ne!(stdout.read_line(&mut ready).unwrap(), 0, "{ready}");
    }
    // each writes over 500 bytes, together more than the pipe and the reader's buffer hold
    let nobody = Client::new(&deployment.origin());
    for _ in 0..300 {
        assert_eq!(nobody.get("/v1/openapi.json").await.status, 200);
    }
    send_signal("-TERM", &process.id().to_string());
    assert_eq!(process.wait().unwrap().code(), Some(0));
    drop(stdout);
}

/// Every command with its full name, as `--help` lists them.
fn commands(home: &Path, above: &[&str]) -> Vec<String> {
    let help = cedargate(home, &[above, &["-h"]].concat());
    let listed = stdout(&help).split("\nCommands:\n").nth(1).unwrap();
    let names = listed.lines().take_while(|line| !line.is_empty());
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .flat_map(|name| {
            let full = [above, &[name]].concat();
            let below = match name {
                "policy" | "config" => commands(home, &full),
                _ => Vec::new(),
            };
            std::iter::once(full.join(" ")).chain(below)
        })
        .collect()
}

#[test]
fn completions_complete_every_command_and_parse_in_their_shell() {
    let home = tempfile::tempdir().unwrap();
    let commands = commands(home.path(), &[]);
    for (shell, parse) in [
        ("bash", Some("-n")),
        ("zsh", Some("-n")),
        ("fish", Some("--no-execute")),
        ("elvish", None),
        ("powershell", None),
    ] {
        let script = cedargate(home.path(), &["completions", shell]);
        assert_eq!(script.status.code(), Some(0), "{}", stderr(&script));
        for command in &commands {
            let name = command.rsplit(' ').next().unwrap();
            assert!(stdout(&script).contains(name), "{shell}: {command}");
        }
        let file = home.path().join(shell);
        std::fs::write(&file, &script.stdout).unwrap();
        let Some(flag) = parse else { continue };
        match Command::new(shell).arg(flag).arg(&file).output() {
            Ok(parsed) => assert!(parsed.status.success(), "{shell}: {}", stderr(&parsed)),
            Err(error) => eprintln!("{shell} is not installed, its script is not parsed: {error}"),
        }
    }
}

#[test]
fn a_shell_without_completions_is_refused_with_those_that_have_them() {
    let home = tempfile::tempdir().unwrap();
    let output = cedargate(home.path(), &["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    let shells = "[possible values: bash, elvish, fish, powershell, zsh]";
    assert!(said.contains(shells), "{said}");
}

#[test]
fn bash_completes_a_subcommand() {
    let home = tempfile::tempdir().unwrap();
    let script = cedargate(home.path(), &["completions", "bash"]);
    std::fs::write(home.path().join("script"), &script.stdout).unwrap();
    let completed = Command::new("bash")
        .args([
            "-euc",
            "source ./script; COMP_WORDS=(cedargate policy ch); COMP_CWORD=2; \
             _cedargate cedargate ch policy; echo \"${COMPREPLY[@]}\"",
        ])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert_eq!(stdout(&completed), "check\n", "{}", stderr(&completed));
}

#[test]
fn the_manual_has_a_section_for_every_command() {
    let home = tempfile::tempdir().unwrap();
    let manual = cedargate(home.path(), &["manual"]);
    assert_eq!(manual.status.code(), Some(0), "{}", stderr(&manual));
    let page = stdout(&manual);
    assert!(page.contains("\n.TH cedargate 1 "), "{page}");
    let commands = commands(home.path(), &[]);
    assert!(
        commands.contains(&"policy check".to_owned()),
        "{commands:?}"
    );
    for command in commands {
        let heading = format!(".SH \"CEDARGATE {}\"\n", command.to_uppercase());
        assert!(page.contains(&heading), "{command}");
    }
    assert!(
        page.contains("\n  cedargate policy test \\-\\-watch\n"),
        "{page}"
    );
    assert_eq!(page.matches("\n.TH ").count(), 1);
}

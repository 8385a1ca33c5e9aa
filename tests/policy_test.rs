//! `cedargate policy test`, as a person and a build server meet it.

mod bad_input;
mod mutation;
mod reports;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{copy, copy_policies};

/// A folder with policies, schema and cases.
struct Home(TempDir);

/// Everybody may begin; two factors are one too many.
const FEW: &str = r#"@id("open")
permit (principal, action in Gate::Action::"manageOwnMfa", resource);

@id("few")
@code("too_many")
@notice("Two are enough.")
forbid (principal, action == Gate::Action::"beginWebauthnRegistration", resource)
when { context.factors.count >= 2 };
"#;

const CONFIG: &str = "cedargate.toml";

/// [`FEW`] keeps no tenants apart.
const CANARIES_OFF: &str = "[policies]\ncanaries = \"off\"\n[[issuers]]\nname = \"corp\"\n";

impl Home {
    /// The shipped ones.
    fn shipped() -> Self {
        let home = tempfile::tempdir().unwrap();
        copy_policies(home.path());
        let cases = "tests/policies";
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&repository.join(cases), &home.path().join(cases));
        Self(home)
    }

    /// [`FEW`] with these cases in `t.json`.
    fn few(cases: &[Value]) -> Self {
        let home = tempfile::tempdir().unwrap();
        copy_policies(home.path());
        fs::remove_dir_all(home.path().join("policies")).unwrap();
        for folder in ["policies", "tests/policies"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let home = Self(home);
        home.write(CONFIG, CANARIES_OFF);
        home.write("policies/few.cedar", FEW);
        home.cases(cases);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn cases(&self, cases: &[Value]) {
        let text = serde_json::to_string_pretty(cases).unwrap();
        self.write("tests/policies/t.json", &text);
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, &text.replacen(from, to, 1));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
        command.args(["policy", "test"]);
        if self.path(CONFIG).exists() {
            command.args(["--config", CONFIG]);
        }
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("RUST_LOG");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    /// What `--json` prints, and the exit code.
    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.stderr, "");
        assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
        (ran.code, serde_json::from_str(&ran.stdout).unwrap())
    }
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

const ALICE: &str = "corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice";

/// Begins an enrolment with so many factors.
fn with_factors(count: u32, decision: &str, reason: &str) -> Value {
    let tenant = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
    let parents =
        json!([{"type": "Gate::Issuer", "id": "corp"}, {"type": "Gate::Tenant", "id": tenant}]);
    json!({
        "name": format!("with {count}"), "decision": decision, "reason": [reason], "num_errors": 0,
        "request": {
            "principal": format!("Gate::User::\"{ALICE}\""),
            "action": "Gate::Action::\"beginWebauthnRegistration\"",
            "resource": format!("Gate::Account::\"{ALICE}\""),
            "context": {
                "tenant": {"type": "Gate::Tenant", "id": tenant},
                "methodType": {"type": "Gate::MethodType", "id": "webauthn_fido"},
                "session": {"amr": [], "acr": "", "sinceStrong": "36500d", "sinceBackupCode": "36500d", "trusted": false, "authenticatorAge": "0s"},
                "factors": {"count": count, "methodTypes": [], "reset": false},
                "network": {"address": "203.0.113.7"}, "now": "2026-01-15T09:00:00Z",
            },
        },
        "entities": [
            {"uid": {"type": "Gate::User", "id": ALICE}, "parents": parents,
                "attrs": {"account": {"type": "Gate::Account", "id": ALICE}, "claims": {}}},
            {"uid": {"type": "Gate::Account", "id": ALICE}, "attrs": {}, "parents": parents},
        ],
    })
}

fn two() -> Value {
    with_factors(2, "deny", "few")
}

fn none() -> Value {
    with_factors(0, "allow", "open")
}

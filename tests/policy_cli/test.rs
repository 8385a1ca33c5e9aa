//! `cedargate policy test`.

mod bad_input;
mod mutation;
mod reports;
mod watch;

use std::fs;
use std::ops::Deref;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::case::second_factor;
use crate::support::policy_home::Home;
use crate::support::program::{stderr, stdout};

/// A folder with policies, schema and cases, in which `policy test` is run.
struct Site(Home);

impl Deref for Site {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.0
    }
}

/// Policies that let everybody begin, except users with two factors.
const FEW: &str = r#"@id("open")
permit (principal, action in Gate::Action::"manageOwnMfa", resource);

@id("few")
@code("too_many")
@notice("Two are enough.")
forbid (principal, action == Gate::Action::"beginWebauthnRegistration", resource)
when { context.factors.count >= 2 };
"#;

const CONFIG: &str = "cedargate.toml";

/// A configuration without canary requests, since [`FEW`] does not isolate tenants.
const CANARIES_OFF: &str = "[policies]\ncanaries = \"off\"\n[[issuers]]\nname = \"corp\"\n";

impl Site {
    /// A folder with the shipped policies and cases.
    fn shipped() -> Self {
        Self(Home::new())
    }

    /// A folder with [`FEW`] and these cases in `t.json`.
    fn few(cases: &[Value]) -> Self {
        let site = Self(Home::new());
        for folder in ["policies", "tests"] {
            fs::remove_dir_all(site.path(folder)).unwrap();
        }
        site.write(CONFIG, CANARIES_OFF);
        site.write("policies/few.cedar", FEW);
        site.cases(cases);
        site
    }

    fn cases(&self, cases: &[Value]) {
        let text = serde_json::to_string_pretty(cases).unwrap();
        self.write("tests/policies/t.json", text);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.command(&["policy", "test"]);
        if self.path(CONFIG).exists() {
            command.args(["--config", CONFIG, "--policies", "./policies"]);
        }
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    /// The exit code and the output of `--json`.
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
            stdout: stdout(output).to_owned(),
            stderr: stderr(output).to_owned(),
        }
    }
}

/// The case [`second_factor`] with so many factors, under [`FEW`].
fn with_factors(count: u32, decision: &str, reason: &str) -> Value {
    let mut case = second_factor();
    case["name"] = json!(format!("with {count}"));
    case["decision"] = json!(decision);
    case["reason"] = json!([reason]);
    case["request"]["context"]["factors"]["count"] = json!(count);
    case["request"]["context"]["factors"]["methodTypes"] = json!([]);
    // each test that compares them states its own
    let members = case.as_object_mut().unwrap();
    members.retain(|name, _| name != "notices" && name != "code");
    case
}

fn two() -> Value {
    with_factors(2, "deny", "few")
}

fn none() -> Value {
    with_factors(0, "allow", "open")
}

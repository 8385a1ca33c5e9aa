//! The crates that each package of the workspace depends on.

use std::process::Command;

/// The names of all crates that a package is built from.
fn crates_below(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names
        .filter(|name| *name != package)
        .map(str::to_owned)
        .collect()
}

/// A crate matches a forbidden name, or one that goes on behind it: `tokio`, `tokio-rustls`.
fn assert_without(package: &str, needed: &str, forbidden: &[&str]) {
    let crates = crates_below(package);
    assert!(crates.iter().any(|name| name == needed), "{crates:?}");
    let wrong: Vec<_> = crates
        .iter()
        .filter(|name| {
            let is = |forbidden: &&str| {
                let rest = name.strip_prefix(forbidden);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            };
            forbidden.iter().any(is)
        })
        .collect();
    assert!(wrong.is_empty(), "{package} depends on {wrong:?}");
}

/// The crates that only a server needs.
const SERVER: [&str; 4] = ["hyper", "tokio", "redis", "webauthn"];

#[test]
fn policy_crates_depend_on_no_server() {
    assert_without("cedargate-policy", "cedar-policy", &SERVER);
    assert_without("cedargate-policy-tools", "cedargate-policy", &SERVER);
    // the root package depends on them, so their names are right
    let crates = crates_below("cedargate");
    for name in ["hyper", "tokio", "redis", "webauthn-rs"] {
        assert!(crates.iter().any(|one| one == name), "{name}");
    }
}

#[test]
fn core_depends_on_no_server_and_no_cedar() {
    let forbidden = [&SERVER[..], &["cedar", "cedargate-policy"]].concat();
    assert_without("cedargate-core", "serde", &forbidden);
}

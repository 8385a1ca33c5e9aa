//! The documents' tables hold everything that there is, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

use super::read;
use crate::support::gateway::{Gateway, copy_policies};
use crate::support::program::cedargate;

/// The words between backquotes in the first cells of a document's tables.
fn first_cells(markdown: &str) -> Vec<&str> {
    let rows = markdown.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

/// The part of a document from one heading to the next of the same level.
fn section<'a>(markdown: &'a str, heading: &str) -> &'a str {
    let (_, rest) = markdown.split_once(&format!("\n{heading}\n")).unwrap();
    let level = heading.split(' ').next().unwrap();
    rest.split(&format!("\n{level} ")).next().unwrap()
}

/// The keys that there are, by section, as the program lists them where it meets one that is unknown.
fn keys_of(sections: &BTreeSet<&str>) -> BTreeMap<String, BTreeSet<String>> {
    let mut config = "zzzzzzzz = 1\n".to_owned();
    for section in sections {
        let list = matches!(*section, "issuers" | "relying_parties")
            || *section == "relying_parties.models";
        let (open, close) = if list { ("[[", "]]") } else { ("[", "]") };
        let _ = writeln!(config, "{open}{section}{close}\nzzzzzzzz = 1");
    }
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("cedargate.toml"), config).unwrap();
    let output = cedargate(home.path(), &["config", "check", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let unknown = findings.iter().filter(|it| it["code"] == "unknown_key");
    let keys = unknown.map(|finding| {
        let message = finding["message"].as_str().unwrap();
        let name = message.split('`').nth(1).unwrap().replace("[0]", "");
        let section = name.trim_end_matches("zzzzzzzz").trim_end_matches('.');
        let help = finding["help"].as_str().unwrap();
        let keys = help
            .split(", ")
            .map(|it| it.rsplit(' ').next().unwrap().to_owned());
        (section.to_owned(), keys.collect())
    });
    keys.collect()
}

#[test]
fn operations_lists_each_configuration_key_and_no_other() {
    let markdown = read("docs/operations.md");
    let listed: BTreeSet<_> = first_cells(section(&markdown, "## Every configuration key"))
        .into_iter()
        .collect();
    let sections: BTreeSet<_> = listed
        .iter()
        .filter_map(|key| Some(key.rsplit_once('.')?.0))
        .collect();
    let keys = keys_of(&sections);
    assert_eq!(keys.len(), sections.len() + 1, "{keys:#?}");
    let mut there: BTreeSet<String> = BTreeSet::new();
    for (section, names) in &keys {
        for name in names {
            let key = match section.as_str() {
                "" => name.clone(),
                section => format!("{section}.{name}"),
            };
            if !sections.contains(key.as_str()) {
                there.insert(key);
            }
        }
    }
    let listed: BTreeSet<_> = listed.into_iter().map(str::to_owned).collect();
    assert_eq!(listed, there);
}

fn get(url: &str) -> String {
    let output = Command::new("curl").args(["-s", url]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The metrics that the program registers: a family without a sample is in no answer.
fn metrics() -> BTreeSet<String> {
    let source = read("src/http/admin/metrics.rs");
    let calls = source.split("registry.register").skip(1);
    let names = calls.map(|call| {
        let name = call.split('"').nth(1).unwrap();
        let is_of = |what: &str| call.split(';').next().unwrap().contains(what);
        if is_of("Unit::Seconds") {
            format!("cedargate_{name}_seconds")
        } else if is_of("connections.clone()") || is_of("stale.clone()") {
            format!("cedargate_{name}")
        } else {
            format!("cedargate_{name}_total")
        }
    });
    names.collect()
}

#[test]
fn operations_lists_each_metric_and_no_other() {
    let home = tempfile::tempdir().unwrap();
    let gateway = Gateway::dev(home.path());
    get(&format!("{}/v1/openapi.json", gateway.url));
    let text = get(&format!("{}/metrics", gateway.admin_url));
    let there = metrics();
    let samples = text.lines().filter(|line| line.starts_with("cedargate_"));
    for sample in samples {
        let name = sample.split(['{', ' ']).next().unwrap();
        let is_known = there.iter().any(|metric| name.starts_with(metric.as_str()));
        assert!(is_known, "{name}");
    }
    let markdown = read("docs/operations.md");
    let cells = first_cells(section(&markdown, "## Metrics"));
    let listed: BTreeSet<_> = cells.into_iter().map(str::to_owned).collect();
    assert_eq!(listed, there);
}

#[test]
fn api_lists_each_operation_and_no_other() {
    let home = tempfile::tempdir().unwrap();
    let gateway = Gateway::dev(home.path());
    let text = get(&format!("{}/v1/openapi.json", gateway.url));
    let description: Value = serde_json::from_str(&text).unwrap();
    let mut there = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            there.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let markdown = read("docs/api.md");
    let cells = first_cells(section(&markdown, "## Operations"));
    // The section has a second table, of single words.
    let operations = cells.into_iter().filter(|cell| cell.contains(' '));
    let listed: BTreeSet<_> = operations.map(str::to_owned).collect();
    assert_eq!(listed, there);
}

/// The codes of a document's errors, which stand in the second column.
fn codes(markdown: &str) -> Vec<&str> {
    let rows = section(markdown, "## Errors").lines();
    let rows = rows.filter(|line| line.starts_with("| 4") || line.starts_with("| 5"));
    rows.filter_map(|row| {
        row.split(" | ")
            .nth(1)?
            .strip_prefix('`')?
            .strip_suffix('`')
    })
    .collect()
}

#[test]
fn each_code_that_api_lists_is_refused_as_the_code_of_a_policy() {
    let markdown = read("docs/api.md");
    // Policies may refuse with this one: the API fixes what it means.
    let codes = codes(&markdown)
        .into_iter()
        .filter(|it| *it != "tenant_mismatch");
    let codes: Vec<_> = codes.collect();
    assert_eq!(codes.len(), 20, "{codes:?}");
    let home = tempfile::tempdir().unwrap();
    copy_policies(home.path());
    let policies = codes.iter().enumerate().map(|(number, code)| {
        format!("@id(\"n{number}\") @code(\"{code}\") @notice(\"no\") forbid (principal, action in Gate::Action::\"enroll\", resource);\n")
    });
    let file = home.path().join("policies/codes.cedar");
    std::fs::write(file, policies.collect::<String>()).unwrap();
    let output = cedargate(home.path(), &["policy", "check", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let refused: BTreeSet<_> = findings
        .filter(|it| it["file"].as_str().unwrap().ends_with("codes.cedar"))
        .filter(|it| it["severity"] == "error")
        .filter_map(|it| it["line"].as_u64())
        .collect();
    assert_eq!(refused.len(), codes.len(), "{report:#}");
}

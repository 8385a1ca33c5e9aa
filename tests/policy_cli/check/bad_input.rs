//! Invalid files in the folders: each error names its place, and there is no panic.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::Value;

use super::{json, problems};
use crate::support::policy_home::Home;
use crate::support::program::stderr;

/// Checks that this is the only error, at this place. Line 0 stands for the whole file.
#[track_caller]
fn wrong(home: &Home, code: &str, (file, line, column): (&str, u64, u64), help: &str) {
    let (report, exit) = json(home, &[]);
    assert_eq!(exit, Some(1));
    only(&report, code, (file, line, column), help);
    let output = home.policy(&["check"]);
    let place = match line {
        0 => format!("--> ./{file}\n"),
        _ => format!("--> ./{file}:{line}:{column}\n"),
    };
    assert!(stderr(&output).contains(&place), "{}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[track_caller]
fn only(report: &Value, code: &str, (file, line, column): (&str, u64, u64), help: &str) {
    let problems = problems(report);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let one = problems[0];
    assert_eq!(one["severity"], "error", "{one}");
    assert_eq!(one["code"], code, "{one}");
    assert_eq!(one["file"], format!("./{file}"), "{one}");
    assert_eq!(
        (&one["line"], &one["column"]),
        (&line.into(), &column.into()),
        "{one}"
    );
    assert!(
        one["help"].as_str().unwrap_or_default().contains(help),
        "{one}"
    );
}

const FILE: &str = "policies/x.cedar";
const WHOLE: (&str, u64, u64) = (FILE, 0, 0);

#[test]
fn file_that_is_not_text_is_an_error_with_its_place() {
    let home = Home::new();
    home.write(FILE, "");
    wrong(&home, "empty_file", WHOLE, "delete it");
    home.write(FILE, b"// \xc3\xa9\npermit\xff");
    wrong(&home, "not_utf8", (FILE, 2, 7), "save it as UTF-8");
    let file = fs::File::create(home.path(FILE)).unwrap();
    file.set_len(50 << 20).unwrap();
    wrong(&home, "too_large", WHOLE, "split it");
}

#[test]
fn entry_that_is_not_a_file_is_an_error() {
    let home = Home::new();
    let path = home.path(FILE);
    fs::create_dir(&path).unwrap();
    wrong(&home, "not_a_file", WHOLE, "rename it");
    fs::remove_dir(&path).unwrap();
    symlink("nowhere.cedar", &path).unwrap();
    wrong(&home, "unreadable", WHOLE, "check that it exists");
    fs::remove_file(&path).unwrap();
    symlink(".", home.path("policies/loop")).unwrap();
    wrong(
        &home,
        "not_a_file",
        ("policies/loop", 0, 0),
        "remove the link",
    );
}

#[test]
fn unreadable_file_is_an_error() {
    let home = Home::new();
    home.write(FILE, "permit");
    let may = |name: &str, mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(home.path(name), permissions).unwrap();
    };
    may(FILE, 0o000);
    may("", 0o755);
    let program = home.path("cedargate");
    fs::copy(env!("CARGO_BIN_EXE_cedargate"), &program).unwrap();
    let mut command = Command::new(&program);
    command
        .args(["policy", "check", "--json"])
        .current_dir(home.folder());
    if fs::metadata(home.folder()).unwrap().uid() == 0 {
        // root may read everything
        command.gid(65_534).uid(65_534);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    only(&report, "unreadable", WHOLE, "may read it");
}

#[test]
fn contradictory_schema_is_an_error_with_its_place() {
    const SITE: &str = "schema/site.cedarschema";
    let home = Home::new();
    let twice =
        "namespace Site {\n  type Claims = { employment?: String };\n  type Claims = {};\n}\n";
    home.write(SITE, twice);
    wrong(&home, "schema_syntax", (SITE, 2, 8), "namespace Site {");
    let cycle = "namespace Site {\n  type Claims = { employment?: Claims };\n}\n";
    home.write(SITE, cycle);
    wrong(
        &home,
        "site_schema",
        (SITE, 2, 19),
        "String, Long, Bool or Set<String>",
    );
    home.write(
        SITE,
        "namespace Site {\n  type Claims = { employment?: String, employment?: Long };\n}\n",
    );
    wrong(&home, "site_schema", (SITE, 2, 40), "remove one of the two");
}

/// Mistakes that Cedar accepts, or refuses with less help: the report has the place and the
/// correction.
#[test]
fn common_mistake_in_a_policy_is_an_error_with_help() {
    let home = Home::new();
    let tenant = "0E0E0E0E-0000-4000-8000-000000000001";
    let lower = tenant.to_lowercase();
    let enroll = "action in Gate::Action::\"enroll\"";
    let forbid = |condition: &str| {
        format!(
            "@id(\"x\") @notice(\"No.\")\nforbid (principal, {enroll}, resource)\nwhen {{ {condition} }};"
        )
    };
    let head = |head: &str| {
        format!(
            "@id(\"x\") @notice(\"No.\")\nforbid ({head})\nwhen {{ context.factors.count > 7 }};"
        )
    };
    let notes = |annotations: &str| {
        format!(
            "@id(\"x\") @notice(\"No.\")\n{annotations}\n{}",
            &head(&format!("principal, {enroll}, resource"))[24..]
        )
    };
    for (text, code, (line, column), help) in [
        (
            head(&format!(
                "principal in Gate::Group::\"contractors\", {enroll}, resource"
            )),
            "entity_id",
            (2, 22),
            "<issuer>|<tenant>|contractors",
        ),
        (
            head(&format!(
                "principal in Gate::Tenant::\"{tenant}\", {enroll}, resource"
            )),
            "entity_id",
            (2, 22),
            lower.as_str(),
        ),
        (
            forbid("resource in Gate::Issuer::\"Corp\""),
            "entity_id",
            (3, 20),
            "\"corp\"",
        ),
        (
            "@id(\"x\")\npermit (principal, action, resource);".to_owned(),
            "permit_any_action",
            (1, 1),
            "name its actions",
        ),
        (
            "@id(\"x\")\npermit (principal, action in Gate::Action::\"administerMfa\", resource);"
                .to_owned(),
            "permit_administers",
            (1, 1),
            "principal in Gate::Group",
        ),
        (
            head("principal, action == Gate::Action::\"enroll\", resource"),
            "validation_warning",
            (1, 1),
            "write `in`",
        ),
        (
            head("principal, action in Gate::Action::\"enrol\", resource"),
            "validation",
            (2, 30),
            "enroll",
        ),
        (
            notes("@notise(\"No.\")"),
            "annotation_unknown",
            (2, 1),
            "@notice",
        ),
        (
            notes("@code(\"Bad Code\")"),
            "annotation_value",
            (2, 1),
            "a-z",
        ),
        (
            notes("@step_up(\"phr\")"),
            "annotation_place",
            (2, 1),
            "@max_age",
        ),
        (
            forbid("principal.claims has employmnt"),
            "has_undeclared",
            (3, 8),
            "\"employment\"",
        ),
        (
            forbid("context.factors.cuont > 7"),
            "validation",
            (3, 8),
            "count",
        ),
        (
            forbid("context.network.address == ip(\"203.0.113.0/24\")"),
            "ip_range",
            (3, 35),
            "isInRange",
        ),
        (
            forbid("context.network.address == ip(\"::ffff:cb00:7107\")"),
            "ip_mapped",
            (3, 35),
            "203.0.113.7",
        ),
        (forbid("1 + \"a\" == 2"), "validation", (3, 12), ""),
        (
            head(
                "principal, action in Gate::Action::\"mfa\", resource == Gate::Route::\"/v1/openapi.jsn\"",
            ),
            "entity_id",
            (2, 63),
            "/v1/openapi.json",
        ),
        (
            head(&format!("principal, {enroll}, resource")).replace("\"x\"", "\"own-factors\""),
            "id_repeated",
            (1, 1),
            "of its own",
        ),
        (
            head(&format!("principal, {enroll}, resource")).replace("@id(\"x\") ", ""),
            "id_missing",
            (1, 1),
            "@id",
        ),
    ] {
        home.write(FILE, &text);
        let (report, exit) = json(&home, &[]);
        assert_eq!(exit, Some(1), "{text}");
        let problems = problems(&report);
        let found = problems.iter().find(|one| one["code"] == code);
        let one = found.unwrap_or_else(|| panic!("{code}: {text}\n{problems:#?}"));
        assert_eq!(one["file"], format!("./{FILE}"));
        assert_eq!(
            (one["line"].as_u64(), one["column"].as_u64()),
            (Some(line), Some(column)),
            "{text}\n{one}"
        );
        assert!(
            one["help"].as_str().unwrap_or_default().contains(help),
            "{text}\n{one}"
        );
        let output = home.policy(&["check"]);
        let place = format!("--> ./{FILE}:{line}:{column}\n");
        assert!(stderr(&output).contains(&place), "{}", stderr(&output));
    }
}

#[test]
fn policy_nested_too_deep_is_an_error() {
    let home = Home::new();
    let deep = format!("when {{ {}true{} }};", "(".repeat(9999), ")".repeat(9999));
    home.write(
        FILE,
        format!("@id(\"x\")\nforbid (principal, action, resource)\n{deep}"),
    );
    wrong(&home, "nesting", (FILE, 3, 71), "several policies");
}

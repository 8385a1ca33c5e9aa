//! Reading policy and schema folders, and the findings about files that cannot be read.

use crate::tests::load_sources;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::{GATE_SCHEMA, Sources};
use cedargate_core::Finding;

const OPEN: &str =
    "@id(\"open\") permit (principal, action in Gate::Action::\"stepUp\", resource);";

/// Makes folders that load. Each test then breaks one of their files.
fn folders() -> TempDir {
    let root = TempDir::new().unwrap();
    fs::create_dir_all(root.path().join("policies/deep/er")).unwrap();
    fs::create_dir(root.path().join("schema")).unwrap();
    write(&root, "policies/deep/er/open.cedar", OPEN);
    write(&root, "schema/gate.cedarschema", GATE_SCHEMA);
    write(
        &root,
        "schema/site.cedarschema",
        "namespace Site { type Claims = {}; }",
    );
    root
}

fn write(root: &TempDir, name: &str, content: impl AsRef<[u8]>) {
    fs::write(root.path().join(name), content).unwrap();
}

fn read(root: &Path) -> Result<Sources, Vec<Finding>> {
    Sources::read(&root.join("policies"), &root.join("schema")).map_err(|findings| findings.0)
}

#[track_caller]
fn refused(root: &TempDir, code: &str, file: &str, message: &str) -> Finding {
    let mut findings = read(root.path()).unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let finding = findings.remove(0);
    assert_eq!(finding.code, code, "{finding}");
    assert_eq!(Path::new(&finding.file), root.path().join(file));
    assert!(finding.message.contains(message), "{finding}");
    finding
}

#[test]
fn files_are_read_in_order_of_their_names_and_other_files_are_ignored() {
    let root = folders();
    fs::create_dir(root.path().join("policies/.hidden")).unwrap();
    write(&root, "policies/.hidden/x.cedar", "not a policy");
    write(&root, "policies/.b.cedar.swp", "not a policy");
    write(&root, "policies/.b.cedar", "not a policy");
    write(&root, "policies/README.md", b"\xff");
    write(&root, "policies/b.cedar", "// b");
    write(&root, "policies/a.links.json", "[]");
    let sources = read(root.path()).unwrap();
    let names: Vec<_> = sources.all().map(|source| source.name.as_str()).collect();
    let expected = [
        "b.cedar",
        "deep/er/open.cedar",
        "a.links.json",
        "gate.cedarschema",
        "site.cedarschema",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        &*sources.policies[0].display_path,
        root.path().join("policies/b.cedar").to_str().unwrap()
    );
    load_sources(&sources).unwrap();
    // The revision does not depend on the location of the folders.
    let elsewhere = folders();
    write(&elsewhere, "policies/a.links.json", "[]");
    write(&elsewhere, "policies/b.cedar", "// b");
    let revision = |root: &TempDir| {
        load_sources(&read(root.path()).unwrap())
            .unwrap()
            .revision()
            .to_owned()
    };
    assert_eq!(revision(&root), revision(&elsewhere));
}

#[test]
fn finding_names_the_file_by_the_path_of_its_folder() {
    let root = folders();
    write(
        &root,
        "policies/deep/er/open.cedar",
        format!("// é\n{}", OPEN.replace("stepUp", "stepUpp")),
    );
    let findings = load_sources(&read(root.path()).unwrap()).unwrap_err().0;
    assert_eq!(
        Path::new(&findings[0].file),
        root.path().join("policies/deep/er/open.cedar")
    );
    assert_eq!(findings[0].line, 2);
}

#[test]
fn all_unreadable_files_are_reported_at_once() {
    let root = folders();
    fs::create_dir(root.path().join("policies/x.cedar")).unwrap();
    write(&root, "policies/y.cedar", "");
    fs::remove_file(root.path().join("schema/site.cedarschema")).unwrap();
    let codes: Vec<_> = read(root.path())
        .unwrap_err()
        .iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes, ["not_a_file", "empty_file", "unreadable"]);
}

#[test]
fn missing_or_empty_policy_folder_is_refused() {
    let root = folders();
    fs::remove_dir_all(root.path().join("policies")).unwrap();
    refused(&root, "unreadable", "policies", "cannot be read: ");
    fs::create_dir(root.path().join("policies")).unwrap();
    refused(&root, "no_policies", "policies", "no *.cedar file");
    fs::remove_dir(root.path().join("policies")).unwrap();
    write(&root, "policies", OPEN);
    refused(&root, "unreadable", "policies", "cannot be read: ");
}

#[test]
fn missing_schema_file_is_refused() {
    for (file, help) in [
        ("schema/gate.cedarschema", "cedargate policy schema --write"),
        ("schema/site.cedarschema", "type Claims"),
    ] {
        let root = folders();
        fs::remove_file(root.path().join(file)).unwrap();
        let finding = refused(&root, "unreadable", file, "there is no such file");
        assert!(finding.help.unwrap().contains(help));
    }
}

#[test]
fn file_that_is_not_utf8_or_empty_is_refused() {
    let root = folders();
    write(&root, "policies/latin.cedar", b"// ok\n// caf\xe9\n");
    let finding = refused(&root, "not_utf8", "policies/latin.cedar", "not UTF-8");
    assert_eq!((finding.line, finding.column), (2, 7));
    for blank in ["", " \n\t\n"] {
        write(&root, "policies/latin.cedar", blank);
        refused(&root, "empty_file", "policies/latin.cedar", "empty");
    }
}

#[test]
fn file_with_a_byte_order_mark_or_too_large_is_refused() {
    let root = folders();
    for name in [
        "policies/x.cedar",
        "policies/x.links.json",
        "schema/site.cedarschema",
    ] {
        let root = folders();
        write(&root, name, format!("\u{feff}{OPEN}"));
        let finding = refused(&root, "byte_order_mark", name, "byte order mark");
        assert_eq!((finding.line, finding.column), (1, 1));
        assert!(finding.help.unwrap().contains("without a byte order mark"));
    }
    write(&root, "policies/x.cedar", "// x\n".repeat(1 << 20));
    let finding = refused(&root, "too_large", "policies/x.cedar", "larger than 4 MiB");
    assert!(finding.help.unwrap().contains("several files"));
    // Lines may end with CRLF.
    let policy = "// é\n@id(\"x\")\nforbid (principal, action in Gate::Action::\"mfa\", resource)\nwhen { context.nothing };\n";
    write(&root, "policies/x.cedar", policy.replace('\n', "\r\n"));
    let finding = load_sources(&read(root.path()).unwrap())
        .unwrap_err()
        .0
        .remove(0);
    assert_eq!(
        (finding.code, finding.line, finding.column),
        ("validation", 4, 8)
    );
}

#[test]
fn folder_with_the_name_of_a_file_is_refused() {
    for name in ["policies/x.cedar", "policies/x.links.json"] {
        let root = folders();
        fs::create_dir(root.path().join(name)).unwrap();
        refused(&root, "not_a_file", name, "a folder");
    }
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_followed_and_circular_ones_refused() {
    use std::os::unix::fs::symlink;
    // In a mounted ConfigMap, files are symbolic links into a hidden folder.
    let root = folders();
    fs::create_dir(root.path().join("policies/..data")).unwrap();
    write(&root, "policies/..data/m.cedar", "// m");
    symlink("..data/m.cedar", root.path().join("policies/m.cedar")).unwrap();
    let sources = read(root.path()).unwrap();
    assert_eq!(
        sources
            .policies
            .iter()
            .map(|one| one.name.as_str())
            .collect::<Vec<_>>(),
        ["deep/er/open.cedar", "m.cedar"]
    );
    symlink("..", root.path().join("policies/deep/up")).unwrap();
    refused(&root, "not_a_file", "policies/deep/up", "leads back");
    fs::remove_file(root.path().join("policies/deep/up")).unwrap();
    symlink("nowhere", root.path().join("policies/n.cedar~")).unwrap();
    assert_eq!(read(root.path()).unwrap().policies.len(), 2);
    symlink("nowhere", root.path().join("policies/n.cedar")).unwrap();
    refused(&root, "unreadable", "policies/n.cedar", "cannot be read: ");
}

#[cfg(unix)]
#[test]
fn pipe_is_refused_without_waiting_for_a_writer() {
    let root = folders();
    let pipe = root.path().join("policies/p.cedar");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    refused(
        &root,
        "not_a_file",
        "policies/p.cedar",
        "not a regular file",
    );
}

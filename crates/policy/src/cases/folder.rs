//! Test files on a disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cedargate_core::{Finding, Findings};

use super::{Case, read};

/// Entities that cases name stand beside them, in files that are no cases.
const ENTITIES: [&str; 2] = [".entities.json", ".cedarentities.json"];

/// Reads the test files at these paths: a file whatever it is called, of a folder all `**/*.json`
/// but those of entities, in one order. What is right is read whatever else is wrong.
pub fn read_all(paths: &[PathBuf]) -> (Vec<Case>, Findings) {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            found.folder(path);
        } else {
            found.file(path);
        }
    }
    (found.cases, Findings(found.findings))
}

#[derive(Default)]
struct Found {
    cases: Vec<Case>,
    findings: Vec<Finding>,
}

impl Found {
    fn folder(&mut self, folder: &Path) {
        let listed = fs::read_dir(folder).and_then(|entries| {
            let paths = entries.map(|entry| Ok(entry?.path()));
            paths.collect::<io::Result<Vec<_>>>()
        });
        let mut paths = match listed {
            Ok(paths) => paths,
            Err(error) => return self.unreadable(folder, &error),
        };
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') {
                continue;
            }
            // A link to a folder is not followed: it could lead in a circle.
            if path.is_dir() && !path.is_symlink() {
                self.folder(&path);
            } else if name.ends_with(".json") && !ENTITIES.iter().any(|one| name.ends_with(one)) {
                self.file(&path);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.unreadable(path, &error),
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        match read(&path.display().to_string(), &text, folder) {
            Ok(cases) => self.cases.extend(cases),
            Err(findings) => self.findings.extend(findings.0),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let message = format!("cannot be read: {error}");
        let finding = Finding::error("unreadable", path.display().to_string(), message);
        self.findings
            .push(finding.help("name a test file, or a folder of them"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_is_read_whatever_else_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        for (name, text) in [
            ("b/c/z.json", r#"[{"name": "last"}]"#),
            ("b/broken.json", "[{"),
            ("a.json", "[{\"name\": \"first\"},\n {}]"),
            ("a.entities.json", "[]"),
            (".a.json", "["),
            ("notes.txt", "["),
        ] {
            fs::write(root.join(name), text).unwrap();
        }
        let missing = root.join("missing");
        let (cases, findings) = read_all(&[root.to_owned(), missing]);
        let seen: Vec<_> = cases
            .iter()
            .map(|case| (case.name.as_str(), case.line))
            .collect();
        assert_eq!(seen, [("first", 1), ("2", 2), ("last", 1)]);
        let codes: Vec<_> = findings.0.iter().map(|one| one.code).collect();
        assert_eq!(codes, ["test_syntax", "unreadable"]);
        assert!(findings.0[0].file.ends_with("b/broken.json"));
    }
}

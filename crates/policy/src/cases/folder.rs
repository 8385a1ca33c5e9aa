//! Finds and reads test files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cedargate_core::{Finding, Findings};

use super::{Case, read};

/// The endings of files that contain entities for the cases beside them.
const ENTITIES: [&str; 2] = [".entities.json", ".cedarentities.json"];

/// Reads the test files at these paths. A path to a file may have any name. In a folder, all `**/*.json`
/// files are read in the order of their paths, except hidden files, `*.entities.json` and
/// `*.cedarentities.json`.
///
/// Returns all cases that could be read, and a finding for each file that could not.
pub fn read_all(paths: &[PathBuf]) -> (Vec<Case>, Findings) {
    let mut reader = Reader::default();
    for path in paths {
        if path.is_dir() {
            reader.folder(path);
        } else {
            reader.file(path);
        }
    }
    (reader.cases, Findings(reader.findings))
}

#[derive(Default)]
struct Reader {
    cases: Vec<Case>,
    findings: Vec<Finding>,
}

impl Reader {
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
            // Links to folders are not followed, because they could form a cycle.
            if path.is_dir() && !path.is_symlink() {
                self.folder(&path);
            } else if name.ends_with(".json")
                && !ENTITIES.iter().any(|ending| name.ends_with(ending))
            {
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
    fn cases_are_read_in_order_beside_files_that_cannot_be_read() {
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
        let places: Vec<_> = cases
            .iter()
            .map(|case| (case.name.as_str(), case.line))
            .collect();
        assert_eq!(places, [("first", 1), ("2", 2), ("last", 1)]);
        let codes: Vec<_> = findings.0.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["test_syntax", "unreadable"]);
        assert!(findings.0[0].file.ends_with("b/broken.json"));
    }
}

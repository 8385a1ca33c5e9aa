//! Policy files in the format of Cedar's own formatter. What it gives is believed only when it says the
//! same as before, comments included.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cedar_policy_formatter::{Config, policies_str_to_pretty};

use cedargate_core::{Finding, Findings};

use cedargate_policy::analysis::{self, POLICIES, Parsed, Reader, Source, parse, with_room};

/// The line width of the Cedar CLI's `format` and of Cedar's editors, in columns: whoever uses them
/// gets the same.
pub const LINE_WIDTH: usize = 80;
const INDENT_WIDTH: isize = 2;

/// The time that Cedar's formatter takes grows with the square of the length: a file that is larger
/// would take minutes.
const MOST_BYTES: usize = 512 << 10;

/// How often the formatter is given its own output until that stays the same.
const MOST_ROUNDS: usize = 4;

/// A policy file.
#[derive(Clone, Debug)]
pub struct PolicyFile(Source);

/// Reads the policy files at these paths: of a folder all `**/*.cedar`. What can be read is read
/// whatever else cannot.
pub fn read(paths: &[PathBuf]) -> (Vec<PolicyFile>, Findings) {
    let mut reader = Reader::default();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            reader.folder(path, "", &mut BTreeSet::new());
        } else if name.ends_with(POLICIES) || fs::symlink_metadata(path).is_err() {
            reader.policy(path, &name);
        } else {
            let message = "this is no *.cedar file";
            let finding = Finding::error("not_a_policy", path.display().to_string(), message);
            let help = "name policy folders and *.cedar files";
            reader.findings.push(finding.help(help));
        }
    }
    reader.sort();
    let files = reader.policies.into_iter().map(PolicyFile).collect();
    (files, Findings(reader.findings))
}

impl PolicyFile {
    /// The path, as the person named it or its folder.
    pub fn path(&self) -> &Path {
        Path::new(&self.0.shown)
    }

    /// The text as it is.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The text as it should be, with lines of at most `line_width` columns where that is possible.
    ///
    /// # Errors
    /// It is no Cedar, or the formatter would lose something of it.
    pub fn formatted(&self, line_width: usize) -> Result<String, Findings> {
        with_room(|| self.settled(line_width)).unwrap_or_else(|error| {
            let message = format!("no thread to format on: {error}");
            Err(Findings(vec![self.refuse("system", message)]))
        })
    }

    fn settled(&self, line_width: usize) -> Result<String, Findings> {
        if self.text().len() > MOST_BYTES {
            let message = format!("this file is larger than {} KiB", MOST_BYTES >> 10);
            let finding = self.refuse("too_large", message);
            return Err(Findings(vec![finding.help("split it into several files")]));
        }
        let mut findings = Vec::new();
        let before = parse(&self.0, &mut findings);
        if !findings.is_empty() {
            return Err(Findings(findings));
        }
        let config = Config {
            line_width,
            indent_width: INDENT_WIDTH,
        };
        let mut text = self.text().to_owned();
        for _ in 0..MOST_ROUNDS {
            let next = policies_str_to_pretty(&text, &config).map_err(|error| {
                let said = error.chain().map(ToString::to_string).collect::<Vec<_>>();
                self.unchanged(&format!("Cedar's formatter fails: {}", said.join(": ")))
            })?;
            if next == text {
                self.compare(&before, &text)?;
                return Ok(text);
            }
            text = next;
        }
        Err(self.unchanged("Cedar's formatter would change it each time again"))
    }

    /// Sees that the formatted text says the same.
    fn compare(&self, before: &Parsed, text: &str) -> Result<(), Findings> {
        let after = Source {
            text: text.into(),
            ..self.0.clone()
        };
        let mut findings = Vec::new();
        let after = parse(&after, &mut findings);
        let same = before.bodies.len() == after.bodies.len()
            && before
                .bodies
                .iter()
                .zip(&after.bodies)
                .all(|(one, other)| one.syntax().is_same(other.syntax()));
        if !same || !findings.is_empty() {
            return Err(self.unchanged("formatted, it would say something else"));
        }
        match lost(&comments(self.text()), &comments(text)) {
            None => Ok(()),
            Some(comment) => {
                let at = self.text().find(comment).unwrap_or_default();
                let message = "Cedar's formatter would lose or repeat this comment";
                let finding = self
                    .refuse("format_refused", message)
                    .at(self.text(), at..at + comment.len())
                    .help("it was left as it is: put the comment on a line of its own, before or behind a policy or a condition");
                Err(Findings(vec![finding]))
            }
        }
    }

    fn unchanged(&self, message: &str) -> Findings {
        let finding = self.refuse("format_refused", message);
        Findings(vec![finding.help("it was left as it is")])
    }

    fn refuse(&self, code: &'static str, message: impl Into<String>) -> Finding {
        Finding::error(code, self.0.shown.as_str(), message)
    }
}

/// Sorted, without what is blank at their ends.
fn comments(text: &str) -> Vec<&str> {
    let mut comments: Vec<_> = analysis::comments(text).map(str::trim_end).collect();
    comments.sort_unstable();
    comments
}

/// A comment that is not as often there as before.
fn lost<'a>(before: &[&'a str], after: &[&'a str]) -> Option<&'a str> {
    let differing = before.iter().zip(after).find(|(one, other)| one != other);
    let first = differing.map(|(one, other)| *one.min(other));
    first.or_else(|| {
        let (shorter, longer) = if before.len() < after.len() {
            (before, after)
        } else {
            (after, before)
        };
        longer.get(shorter.len()).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_is_lost_or_repeated_is_found() {
        let lost = |before: &str, after: &str| {
            let (before, after) = (comments(before), comments(after));
            lost(&before, &after).map(str::to_owned)
        };
        let is = |comment: &str| Some(comment.to_owned());
        assert_eq!(lost("a // x \n// y\n\"// z\"", "// y\n b // x"), None);
        assert_eq!(lost("// x\n// y", "// y"), is("// x"));
        assert_eq!(lost("// x\n// y", "// x"), is("// y"));
        assert_eq!(lost("// x", "// x\n// x"), is("// x"));
        assert_eq!(lost("// x", ""), is("// x"));
    }

    #[test]
    fn a_policy_that_would_say_something_else_is_not_written() {
        let file = |text: &str| Source {
            name: "a.cedar".to_owned(),
            shown: "a.cedar".to_owned(),
            text: text.into(),
        };
        let text = "@id(\"a\") permit (principal == ?principal, action, resource) when { 1 < 2 };";
        let before = parse(&file(text), &mut Vec::new());
        let same = |after: &str| PolicyFile(file(text)).compare(&before, after).is_ok();
        assert!(same(&text.replace(' ', "\n")));
        for change in [
            text.replace("1 < 2", "1 < 3"),
            text.replace("\"a\"", "\"b\""),
            text.replace("permit", "forbid"),
            text.replace("== ?", "in ?"),
            text.replace("when { 1 < 2 }", ""),
            text.repeat(2),
            "permit".to_owned(),
        ] {
            assert!(!same(&change), "{change}");
        }
    }
}

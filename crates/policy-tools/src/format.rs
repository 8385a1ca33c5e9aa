//! Formats policy files with Cedar's own formatter, and checks that the result has the same policies and
//! the same comments.

mod statements;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use cedar_policy_formatter::{Config, policies_str_to_pretty};

use cedargate_core::{Finding, Findings, Severity};

use cedargate_policy::analysis::{
    self, FolderReader, POLICY_SUFFIX, ParsedPolicy, Source, on_large_stack, parse_file, spread,
};

/// The default line width in columns, which is that of the Cedar CLI and of Cedar's editor extensions.
pub const LINE_WIDTH: usize = 80;
const INDENT_WIDTH: isize = 2;

/// The limit on the size of a text that is formatted at once. The time of Cedar's formatter grows with the
/// square of the size, so larger texts take minutes.
const MAX_BYTES: usize = 512 << 10;

/// The number of times that the formatter may run on its own output until the output stays the same.
const MAX_ROUNDS: usize = 4;

/// The treatment of files that are not formatted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Writes them.
    Write,
    /// Leaves them unchanged and reports the first line that differs.
    Check,
}

/// The result of [`format_files`].
#[derive(Clone, Debug, Default)]
pub struct FormatReport {
    /// The number of files that were read.
    pub files: usize,
    /// The files that were written. With [`Mode::Check`], the files that are not formatted.
    pub changed: Vec<PathBuf>,
    /// Files that cannot be read, formatted or written and, with [`Mode::Check`], are not formatted.
    pub findings: Vec<Finding>,
}

/// Formats the policy files at these paths, which are files and folders. A file is either replaced as a whole
/// or left unchanged. After a problem with one file, the others are still formatted.
pub fn format_files(paths: &[PathBuf], line_width: usize, mode: Mode) -> FormatReport {
    let (files, unreadable) = read(paths);
    let mut report = FormatReport {
        files: files.len(),
        findings: unreadable.0,
        ..FormatReport::default()
    };
    let formatted = on_large_stack(|| spread(&files, |file| file.format(line_width)));
    let formatted = formatted.unwrap_or_else(|error| {
        let failed = |file: &PolicyFile| Err(file.no_thread(&error));
        files.iter().map(failed).collect()
    });
    for (file, formatted) in files.iter().zip(formatted) {
        match formatted {
            Ok(text) if text == file.text() => {}
            Ok(text) => report.add(file, &text, mode),
            Err(why) => report.findings.extend(why.0),
        }
    }
    report
}

impl FormatReport {
    fn add(&mut self, file: &PolicyFile, formatted: &str, mode: Mode) {
        match mode {
            Mode::Check => self.findings.push(file.first_difference(formatted)),
            Mode::Write => {
                if let Err(error) = replace(file.path(), formatted) {
                    let message = format!("cannot be written: {error}");
                    let finding = file.error("format_write", message);
                    let help = "the file is unchanged: check that it and its folder are writable";
                    return self.findings.push(finding.help(help));
                }
            }
        }
        self.changed.push(file.path().to_owned());
    }
}

/// One policy file.
#[derive(Clone, Debug)]
pub struct PolicyFile(Source);

/// Reads the policy files at these paths. A folder stands for all `**/*.cedar` in it. A file that cannot be
/// read yields a finding, and the others are still read.
pub fn read(paths: &[PathBuf]) -> (Vec<PolicyFile>, Findings) {
    let mut reader = FolderReader::default();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            reader.folder(path, "", &mut BTreeSet::new());
        } else if name.ends_with(POLICY_SUFFIX) || fs::symlink_metadata(path).is_err() {
            reader.policy(path, &name);
        } else {
            let message = "this is not a *.cedar file";
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
    /// Returns the path of the file, as the caller named the file or its folder.
    pub fn path(&self) -> &Path {
        Path::new(&*self.0.display_path)
    }

    /// Returns the text of the file.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns the formatted text, with lines of at most `line_width` columns where that is possible.
    ///
    /// # Errors
    /// The text is not Cedar or has a policy of more than 512 KiB, or the formatter would change a policy or
    /// lose a comment.
    pub fn formatted(&self, line_width: usize) -> Result<String, Findings> {
        on_large_stack(|| self.format(line_width))
            .unwrap_or_else(|error| Err(self.no_thread(&error)))
    }

    fn no_thread(&self, error: &io::Error) -> Findings {
        let message = format!("cannot start a thread to format this file: {error}");
        Findings(vec![self.error("system", message)])
    }

    /// Formats the file policy by policy. If that fails, the whole file is formatted, so that the message is
    /// about the file.
    fn format(&self, line_width: usize) -> Result<String, Findings> {
        let config = Config {
            line_width,
            indent_width: INDENT_WIDTH,
        };
        if let Some(text) = statements::formatted(&self.0, &config) {
            return Ok(text);
        }
        self.format_whole(&config)
    }

    /// Formats the file at once, for comparisons with formatting it policy by policy.
    #[cfg(test)]
    pub(crate) fn formatted_whole(&self, line_width: usize) -> Result<String, Findings> {
        let config = Config {
            line_width,
            indent_width: INDENT_WIDTH,
        };
        on_large_stack(|| self.format_whole(&config))
            .unwrap_or_else(|error| Err(self.no_thread(&error)))
    }

    fn format_whole(&self, config: &Config) -> Result<String, Findings> {
        if self.text().len() > MAX_BYTES {
            return Err(self.too_large());
        }
        let mut findings = Vec::new();
        let before = parse_file(&self.0, &mut findings);
        if !findings.is_empty() {
            return Err(Findings(findings));
        }
        let text =
            until_stable(self.text(), config).map_err(|why| self.unchanged(&why.to_string()))?;
        self.compare(&before, &text)?;
        Ok(text)
    }

    /// Returns the finding about a file that is too large to be formatted at once and cannot be formatted
    /// policy by policy.
    fn too_large(&self) -> Findings {
        let mut findings = Vec::new();
        parse_file(&self.0, &mut findings);
        if findings.is_empty() {
            let message = format!(
                "this file is larger than {} KiB and cannot be formatted policy by policy",
                MAX_BYTES >> 10
            );
            findings.push(
                self.error("too_large", message)
                    .help("split it into several files"),
            );
        }
        Findings(findings)
    }

    /// Checks that the formatted text has the same policies and comments.
    fn compare(&self, before: &[ParsedPolicy], text: &str) -> Result<(), Findings> {
        let mut findings = Vec::new();
        let after = parse_file(&self.0.with_text(text), &mut findings);
        if !are_identical(before, &after) || !findings.is_empty() {
            return Err(self.unchanged("Cedar's formatter would change what a policy means"));
        }
        match lost(&comments(self.text()), &comments(text)) {
            None => Ok(()),
            Some(comment) => {
                let at = self.text().find(comment).unwrap_or_default();
                let message = "Cedar's formatter would lose or repeat this comment";
                let finding = self
                    .error("format_refused", message)
                    .at(self.text(), at..at + comment.len())
                    .help("the file was left unchanged: put the comment on a line of its own, before or after a policy or a condition");
                Err(Findings(vec![finding]))
            }
        }
    }

    fn unchanged(&self, message: &str) -> Findings {
        let finding = self.error("format_refused", message);
        Findings(vec![finding.help("the file was left unchanged")])
    }

    fn error(&self, code: &'static str, message: impl Into<String>) -> Finding {
        Finding::error(code, &*self.0.display_path, message)
    }

    /// Returns a finding at the first line that the formatter would change.
    fn first_difference(&self, formatted: &str) -> Finding {
        let text = self.text();
        let mut at = 0;
        let mut wanted_lines = formatted.split_inclusive('\n');
        let mut wanted = wanted_lines.next();
        for line in text.split_inclusive('\n') {
            if Some(line) != wanted {
                break;
            }
            at += line.len();
            wanted = wanted_lines.next();
        }
        let line = text[at..].lines().next().unwrap_or_default();
        let advice = match wanted.map(|line| line.trim_end_matches('\n')) {
            Some("") => "write an empty line here".to_owned(),
            Some(same) if same == line => "end the line with one line feed".to_owned(),
            Some(wanted) => format!("write `{wanted}` here"),
            None => "end the file before this line".to_owned(),
        };
        let message = "this file is not formatted: this is the first line that differs";
        self.error("not_formatted", message)
            .at(text, at..at + line.len())
            .severity(Severity::Finding)
            .help(format!("{advice}, or run `cedargate policy format`"))
    }
}

/// Returns true if both are the same policies, apart from their places and the layout of the text.
fn are_identical(before: &[ParsedPolicy], after: &[ParsedPolicy]) -> bool {
    let mut pairs = before.iter().zip(after);
    before.len() == after.len()
        && pairs.all(|(one, other)| one.syntax().is_identical_to(other.syntax()))
}

/// The reason why a text is not formatted.
#[derive(Debug, thiserror::Error)]
enum FormatterError {
    #[error("Cedar's formatter fails: {0}")]
    Fails(String),
    #[error("Cedar's formatter changes its own output each time")]
    Unstable,
}

/// Formats a text again and again until it stays the same.
fn until_stable(text: &str, config: &Config) -> Result<String, FormatterError> {
    let mut text = text.to_owned();
    for _ in 0..MAX_ROUNDS {
        let next = policies_str_to_pretty(&text, config).map_err(|error| {
            let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
            FormatterError::Fails(causes.join(": "))
        })?;
        if next == text {
            return Ok(text);
        }
        text = next;
    }
    Err(FormatterError::Unstable)
}

/// Replaces a file in one step, so that a gateway that reads the folder never sees half a file. If the path
/// is a link, its target is replaced.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let permissions = fs::metadata(&path)?.permissions();
    if permissions.readonly() {
        // Replacing the file would ignore its permissions.
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            "it is read-only",
        ));
    }
    // The name begins with a dot, so that no gateway reads the file.
    let new = path.with_file_name(format!(".{name}.new"));
    let written = write(&new, text, permissions).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn write(path: &Path, text: &str, permissions: fs::Permissions) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(permissions)?;
    file.sync_all()
}

/// Returns the comments of a text, sorted and without trailing blanks.
fn comments(text: &str) -> Vec<&str> {
    let mut comments: Vec<_> = analysis::comments(text).map(str::trim_end).collect();
    comments.sort_unstable();
    comments
}

/// Returns a comment that does not occur as often as before.
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
    fn lost_or_repeated_comment_is_found() {
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
    fn formatted_text_with_another_meaning_is_refused() {
        let file = |text: &str| Source::new("a.cedar".to_owned(), "a.cedar", text.into());
        let text = "@id(\"a\") permit (principal == ?principal, action, resource) when { 1 < 2 };";
        let before = parse_file(&file(text), &mut Vec::new());
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

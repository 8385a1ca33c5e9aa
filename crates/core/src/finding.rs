//! Problems in files that people edit: the message, the place, and what to do.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// The severity of a finding, from the most to the least severe.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file does not load.
    Error,
    /// The file loads, and is probably not what its author meant.
    Finding,
    /// Information that needs no change.
    Note,
}

/// A problem at a place in a file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// A stable identifier of the kind of problem, such as `unknown_key`.
    pub code: &'static str,
    /// The path of the file as the user gave it. Empty if the problem is in no file.
    pub file: String,
    /// The line, counted from 1. 0 for the whole file.
    pub line: usize,
    /// The column in characters, counted from 1. 0 for the whole line or file.
    pub column: usize,
    /// The problem, in a sentence without a full stop.
    pub message: String,
    /// The way to solve it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line that [`Finding::render`] shows.
    #[serde(skip)]
    excerpt: Option<Excerpt>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Excerpt {
    text: String,
    first_line: usize,
    span: Range<usize>,
}

impl Finding {
    /// Returns an error about a whole file. `file` is empty for a problem that is in no file.
    pub fn error(code: &'static str, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            file: file.into(),
            line: 0,
            column: 0,
            message: message.into(),
            help: None,
            excerpt: None,
        }
    }

    /// Sets the place: a range of bytes of `text`, the whole content of the file.
    #[must_use]
    pub fn at(self, text: &str, span: Range<usize>) -> Self {
        let start = floor(text, span.start.min(text.len()));
        let line = text[..start].matches('\n').count() + 1;
        self.at_line(text, span, line)
    }

    /// Sets the place like [`Finding::at`]. The caller knows the number of the line on which `span` starts,
    /// so the lines before it are not counted again.
    #[must_use]
    pub fn at_line(mut self, text: &str, span: Range<usize>, line: usize) -> Self {
        let start = floor(text, span.start.min(text.len()));
        let end = floor(text, span.end.min(text.len())).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        self.line = line;
        self.column = text[line_start..start].chars().count() + 1;
        // A span of several lines is shown by its first line, so that no whole policy is printed.
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        self.excerpt = Some(Excerpt {
            text: text[line_start..line_end].to_owned(),
            first_line: self.line,
            span: start - line_start..end.min(line_end) - line_start,
        });
        self
    }

    /// Sets the place like [`Finding::at`], without an excerpt, for lines that may hold a secret.
    #[must_use]
    pub fn at_hidden(mut self, text: &str, span: Range<usize>) -> Self {
        self = self.at(text, span);
        self.excerpt = None;
        self
    }

    /// Sets the severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the help: the way to solve the problem.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the finding as text for people: message, place, excerpt and help, with ANSI colours if
    /// `colours` is true.
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Finding => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code));
        match &self.excerpt {
            Some(excerpt) => {
                let snippet = Snippet::source(excerpt.text.as_str())
                    .line_start(excerpt.first_line)
                    .path(self.file.as_str())
                    .annotation(AnnotationKind::Primary.span(excerpt.span.clone()));
                group = group.element(snippet);
            }
            None if self.file.is_empty() => {}
            None => {
                let mut origin = annotate_snippets::Origin::path(self.file.as_str());
                if self.line > 0 {
                    origin = origin.line(self.line).char_column(self.column);
                }
                group = group.element(origin);
            }
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// All problems that were found, in the order of files and lines.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
pub struct Findings(
    /// The problems. May be empty where a function returns findings beside a result.
    pub Vec<Finding>,
);

/// Returns the name in `known` that is most similar to `written`, if it is similar enough for `written`
/// to be a misspelling of it.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4)
        .min()
        .map(|(_, name)| name)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_counted_in_lines_and_characters() {
        let text = "eins\nzwäi drei\n";
        let finding = Finding::error("x", "a.toml", "no")
            .at(text, 11..15)
            .help("write 3");
        assert_eq!((finding.line, finding.column), (2, 6));
        insta::assert_snapshot!(finding, @r"
        error[x]: no
         --> a.toml:2:6
          |
        2 | zwäi drei
          |      ^^^^
          |
          = help: write 3
        ");
    }

    #[test]
    fn finding_without_a_place_names_its_file() {
        insta::assert_snapshot!(Finding::error("x", "a.toml", "cannot be read"), @r"
        error[x]: cannot be read
        --> a.toml
        ");
    }

    #[test]
    fn hidden_line_is_named_without_its_text() {
        let finding = Finding::error("x", "a.toml", "no").at_hidden("a\nurl = 'secret'", 8..16);
        insta::assert_snapshot!(finding, @r"
        error[x]: no
        --> a.toml:2:7
        ");
    }

    #[test]
    fn similar_name_is_suggested_and_a_different_one_is_not() {
        assert_eq!(nearest("lisen", ["listen", "store"]), Some("listen"));
        assert_eq!(nearest("colour", ["listen", "store"]), None);
    }
}

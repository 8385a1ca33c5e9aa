//! What is wrong in a file that a person edits: what, where, and what to do.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not load.
    Error,
    /// It loads, and is probably not what was meant.
    Finding,
    /// Good to know.
    Note,
}

/// One thing that is wrong, or worth saying, about a place in a file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable word for the kind of problem, such as `unknown_key`.
    pub code: &'static str,
    /// The file, as the person named it.
    pub file: String,
    /// From 1; 0 when it is the whole file.
    pub line: usize,
    /// In characters, from 1; 0 when it is the whole line or file.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The lines around it, and where in them it is.
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
    /// An error about a whole file, or about something that is in no file.
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

    /// Says where in `text`, the whole content of the file, it is: a range of bytes.
    #[must_use]
    pub fn at(mut self, text: &str, span: Range<usize>) -> Self {
        let start = floor(text, span.start.min(text.len()));
        let end = floor(text, span.end.min(text.len())).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        self.line = text[..start].matches('\n').count() + 1;
        self.column = text[line_start..start].chars().count() + 1;
        // A span over many lines is shown by its first: the place, not the whole policy again.
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        self.excerpt = Some(Excerpt {
            text: text[line_start..line_end].to_owned(),
            first_line: self.line,
            span: start - line_start..end.min(line_end) - line_start,
        });
        self
    }

    /// As [`Finding::at`], without an excerpt: for lines that hold a secret.
    #[must_use]
    pub fn at_hidden(mut self, text: &str, span: Range<usize>) -> Self {
        self = self.at(text, span);
        self.excerpt = None;
        self
    }

    /// Says how much it matters.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The finding as a person reads it: the message, the place, the excerpt, the help.
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

/// All that is wrong with what a person wrote, in the order of files and lines.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
pub struct Findings(pub Vec<Finding>);

/// The nearest of `known` to what was written, if it is near enough to be a slip of the hand.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|one| (strsim::damerau_levenshtein(written, one), one))
        .filter(|(distance, one)| *distance <= 1 + one.chars().count() / 4)
        .min()
        .map(|(_, one)| one)
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
    fn a_place_is_counted_in_lines_and_characters() {
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
    fn a_finding_without_a_place_names_the_file() {
        insta::assert_snapshot!(Finding::error("x", "a.toml", "cannot be read"), @r"
        error[x]: cannot be read
        --> a.toml
        ");
    }

    #[test]
    fn a_hidden_line_is_named_and_not_shown() {
        let finding = Finding::error("x", "a.toml", "no").at_hidden("a\nurl = 'secret'", 8..16);
        insta::assert_snapshot!(finding, @r"
        error[x]: no
        --> a.toml:2:7
        ");
    }

    #[test]
    fn near_misses_are_suggested_and_far_ones_are_not() {
        assert_eq!(nearest("lisen", ["listen", "store"]), Some("listen"));
        assert_eq!(nearest("colour", ["listen", "store"]), None);
    }
}

//! The problems of a configuration, collected so that all are reported at once.

use std::ops::Range;
use std::path::Path;

use cedargate_core::{Finding, Findings};

/// The place of a key or a value. The order of places is that of findings.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Place {
    /// A range of bytes of the file.
    File {
        start: usize,
        end: usize,
    },
    /// No place: the value is a default, or the key is missing.
    Nowhere,
    Variable(String),
    Flag(String),
}

impl From<Range<usize>> for Place {
    fn from(span: Range<usize>) -> Self {
        Place::File {
            start: span.start,
            end: span.end,
        }
    }
}

/// The problems found so far.
pub(super) struct Problems<'a> {
    file: String,
    text: &'a str,
    found: Vec<Problem>,
    /// The ranges of the file that no excerpt shows.
    secrets: Vec<Range<usize>>,
}

struct Problem {
    place: Place,
    code: &'static str,
    message: String,
    help: Option<String>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(file: Option<(&Path, &'a str)>) -> Self {
        Self {
            file: file.map_or_else(String::new, |(path, _)| path.display().to_string()),
            text: file.map_or("", |(_, text)| text),
            found: Vec::new(),
            secrets: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn add(
        &mut self,
        place: &Place,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.found.push(Problem {
            place: place.clone(),
            code,
            message: message.into(),
            help,
        });
    }

    /// Keeps the text at a place out of excerpts.
    pub(super) fn hide(&mut self, place: &Place) {
        if let Place::File { start, end } = place {
            self.secrets.push(*start..*end);
        }
    }

    /// Keeps the line around a byte of the file out of excerpts.
    pub(super) fn hide_line(&mut self, at: usize) {
        self.secrets.push(self.line_start(at)..at + 1);
    }

    /// Returns all problems in the order of their places.
    pub(super) fn into_findings(mut self) -> Findings {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by(|a, b| a.place.cmp(&b.place));
        Findings(
            found
                .into_iter()
                .map(|problem| self.finding(problem))
                .collect(),
        )
    }

    fn finding(&self, problem: Problem) -> Finding {
        let file = match &problem.place {
            Place::File { .. } | Place::Nowhere => self.file.clone(),
            Place::Variable(name) => format!("environment variable {name}"),
            Place::Flag(name) => format!("flag {name}"),
        };
        let mut finding = Finding::error(problem.code, file, problem.message);
        if let Place::File { start, end } = problem.place {
            finding = self.show(finding, start..end);
        }
        match problem.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }

    /// Adds an excerpt. It ends with the place and its closing brackets, because the value after an
    /// unknown key may be a secret.
    fn show(&self, finding: Finding, span: Range<usize>) -> Finding {
        let shown = self.line_start(span.start)..span.end;
        let is_secret =
            |secret: &Range<usize>| secret.start < shown.end && shown.start < secret.end;
        if self.secrets.iter().any(is_secret) {
            finding.at_hidden(self.text, span)
        } else {
            let end = span.end + self.brackets(span.end);
            let text = self.text.get(..end).unwrap_or(self.text);
            finding.at(text, span)
        }
    }

    /// Counts the bytes after a place that close its lists and tables.
    fn brackets(&self, at: usize) -> usize {
        let after = self.text.get(at..).unwrap_or_default();
        let rest = after.trim_start_matches([' ', ']', '}']);
        after[..after.len() - rest.len()].trim_end().len()
    }

    fn line_start(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1)
    }
}

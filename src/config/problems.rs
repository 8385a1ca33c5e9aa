//! What is wrong, collected until everything has been looked at.

use std::ops::Range;
use std::path::Path;

use cedargate_core::{Finding, Findings};

/// Where something was written. Ordered as findings are listed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Place {
    /// In the file: a range of bytes.
    File { start: usize, end: usize },
    /// Nowhere: it is a default, or missing.
    Nowhere,
    /// In this environment variable.
    Variable(String),
    /// In this flag.
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

    /// What is written there is never shown.
    pub(super) fn hide(&mut self, place: &Place) {
        if let Place::File { start, end } = place {
            self.secrets.push(*start..*end);
        }
    }

    /// The line that holds a place of the file is not shown.
    pub(super) fn hide_line(&mut self, at: usize) {
        self.secrets.push(self.line_start(at)..at + 1);
    }

    /// All of them, in the order of their places.
    pub(super) fn into_findings(mut self) -> Findings {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by(|one, other| one.place.cmp(&other.place));
        Findings(found.into_iter().map(|one| self.finding(one)).collect())
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

    /// With an excerpt that ends where the place does, but for closing brackets: what follows an
    /// unknown key may be a secret that nobody told us of.
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

    /// How many bytes behind a place close the lists and tables that it is in.
    fn brackets(&self, at: usize) -> usize {
        let behind = self.text.get(at..).unwrap_or_default();
        let further = behind.trim_start_matches([' ', ']', '}']);
        behind[..behind.len() - further.len()].trim_end().len()
    }

    fn line_start(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1)
    }
}

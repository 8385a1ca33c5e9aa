//! Where something stands in which file, and Cedar's own diagnostics as findings.

use std::ops::Range;

use miette::Diagnostic;

use cedargate_core::{Finding, Severity};

use super::files::Source;

/// A part of a file: a policy, a link.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    pub source: &'a Source,
    /// In bytes.
    pub span: Range<usize>,
}

impl<'a> Place<'a> {
    /// A whole file, said to be wrong at its beginning.
    pub fn of_file(source: &'a Source) -> Self {
        Self { source, span: 0..0 }
    }

    /// Another part of the same file.
    pub fn part(&self, span: Range<usize>) -> Self {
        Self {
            source: self.source,
            span,
        }
    }

    /// An error at these bytes of this file, or at this place when Cedar does not know them.
    pub fn error(
        &self,
        code: &'static str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
    ) -> Finding {
        let span = span.unwrap_or_else(|| self.span.clone());
        Finding::error(code, self.source.shown.as_str(), message).at(&self.source.text, span)
    }

    /// What Cedar says of this place. Its first label is the exact spot and often the better half of
    /// the message.
    pub fn diagnostic(&self, code: &'static str, said: &dyn Diagnostic) -> Finding {
        let label = said.labels().and_then(|mut labels| labels.next());
        let mut message = said.to_string();
        let mut span = self.span.clone();
        if let Some(label) = label {
            span = label.offset()..label.offset() + label.len();
            if let Some(text) = label.label().filter(|text| !text.is_empty()) {
                message = format!("{message}: {text}");
            }
        }
        let finding =
            Finding::error(code, self.source.shown.as_str(), message).at(&self.source.text, span);
        match said.help() {
            Some(help) => finding.help(help.to_string()),
            None => finding,
        }
    }

    /// `file:line`, for a finding that speaks of a second place.
    pub fn line(&self) -> String {
        format!("{}:{}", self.source.shown, self.line_number())
    }

    /// From 1.
    pub fn line_number(&self) -> usize {
        self.line_of(self.span.start)
    }

    fn line_of(&self, byte: usize) -> usize {
        let before = self.source.text.get(..byte).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    /// Whether one of the findings is an error on one of its lines.
    pub fn is_in_error(&self, findings: &[Finding]) -> bool {
        let lines = self.line_number()..=self.line_of(self.span.end);
        findings.iter().any(|one| {
            one.severity == Severity::Error
                && one.file == self.source.shown
                && lines.contains(&one.line)
        })
    }
}

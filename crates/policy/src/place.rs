//! Places in files, and Cedar's diagnostics as findings.

use std::ops::Range;

use miette::Diagnostic;

use cedargate_core::{Finding, Severity};

use super::files::Source;

/// A part of a file, such as a policy or a link.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The file.
    pub source: &'a Source,
    /// The range in bytes.
    pub span: Range<usize>,
}

impl<'a> Place<'a> {
    /// Returns the place for findings about a whole file: its beginning.
    pub fn of_file(source: &'a Source) -> Self {
        Self { source, span: 0..0 }
    }

    /// Returns another part of the same file.
    pub fn part(&self, span: Range<usize>) -> Self {
        Self {
            source: self.source,
            span,
        }
    }

    /// Makes an error at a span of the file in bytes, or at this place if `span` is `None`.
    pub fn error(
        &self,
        code: &'static str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
    ) -> Finding {
        let span = span.unwrap_or_else(|| self.span.clone());
        Finding::error(code, self.source.display_path.as_str(), message).at(&self.source.text, span)
    }

    /// Makes an error of Cedar's diagnostic. The first label of the diagnostic gives the exact place, and
    /// its text is appended to the message.
    pub fn diagnostic(&self, code: &'static str, diagnostic: &dyn Diagnostic) -> Finding {
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let mut message = diagnostic.to_string();
        let mut span = self.span.clone();
        if let Some(label) = label {
            span = label.offset()..label.offset() + label.len();
            if let Some(text) = label.label().filter(|text| !text.is_empty()) {
                message = format!("{message}: {text}");
            }
        }
        let finding = Finding::error(code, self.source.display_path.as_str(), message)
            .at(&self.source.text, span);
        match diagnostic.help() {
            Some(help) => finding.help(help.to_string()),
            None => finding,
        }
    }

    /// Returns `file:line`, for a finding that mentions a second place.
    pub fn line(&self) -> String {
        format!("{}:{}", self.source.display_path, self.line_number())
    }

    /// Returns the number of its first line, from 1.
    pub fn line_number(&self) -> usize {
        self.line_of(self.span.start)
    }

    fn line_of(&self, byte: usize) -> usize {
        let before = self.source.text.get(..byte).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    /// Returns true if one of the findings is an error on one of its lines.
    pub fn is_in_error(&self, findings: &[Finding]) -> bool {
        let lines = self.line_number()..=self.line_of(self.span.end);
        findings.iter().any(|one| {
            one.severity == Severity::Error
                && one.file == self.source.display_path
                && lines.contains(&one.line)
        })
    }
}

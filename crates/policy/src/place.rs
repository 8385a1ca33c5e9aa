//! Places in files, and Cedar's diagnostics as findings.

use std::ops::{Range, RangeInclusive};

use miette::Diagnostic;

use cedargate_core::Finding;

use super::files::Source;

/// A part of a file, such as a policy or a link.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The file.
    pub source: &'a Source,
    /// The range in the file in bytes.
    pub span: Range<usize>,
    /// The difference between positions in the file and Cedar's positions, which count from the beginning of
    /// the text that it parsed.
    shift: isize,
}

impl<'a> Place<'a> {
    /// Returns the place for findings about a whole file: its beginning.
    pub fn of_file(source: &'a Source) -> Self {
        Self {
            source,
            span: 0..0,
            shift: 0,
        }
    }

    /// Returns the place of a policy. `span` is in Cedar's positions, and `shift` is their difference from
    /// positions in the file.
    pub(crate) fn of_policy(source: &'a Source, shift: isize, span: Range<usize>) -> Self {
        let whole = Self {
            shift,
            ..Self::of_file(source)
        };
        whole.part(span)
    }

    /// Returns another part of the same text. `span` is in Cedar's positions.
    pub fn part(&self, span: Range<usize>) -> Self {
        Self {
            span: self.in_file(span),
            ..*self
        }
    }

    /// Returns the range in the file of a range in Cedar's positions.
    fn in_file(&self, span: Range<usize>) -> Range<usize> {
        let [start, end] =
            [span.start, span.end].map(|position| position.saturating_add_signed(self.shift));
        start..end
    }

    /// Returns the text of a range in Cedar's positions. Returns `None` if it is not in the file.
    pub(crate) fn text(&self, span: Range<usize>) -> Option<&'a str> {
        self.source.text.get(self.in_file(span))
    }

    /// Makes an error at a range in Cedar's positions, or at this place if `span` is `None`.
    pub fn error(
        &self,
        code: &'static str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
    ) -> Finding {
        self.finding(code, span, message.into())
    }

    fn finding(&self, code: &'static str, span: Option<Range<usize>>, message: String) -> Finding {
        let span = span.map_or_else(|| self.span.clone(), |span| self.in_file(span));
        let line = self.source.line_of(span.start);
        let finding = Finding::error(code, &*self.source.display_path, message);
        finding.at_line(&self.source.text, span, line)
    }

    /// Makes an error of Cedar's diagnostic. The first label of the diagnostic gives the exact place, and
    /// its text is appended to the message.
    pub fn diagnostic(&self, code: &'static str, diagnostic: &dyn Diagnostic) -> Finding {
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let mut message = diagnostic.to_string();
        let mut span = None;
        if let Some(label) = label {
            span = Some(label.offset()..label.offset() + label.len());
            if let Some(text) = label.label().filter(|text| !text.is_empty()) {
                message = format!("{message}: {text}");
            }
        }
        let finding = self.finding(code, span, message);
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
        self.source.line_of(self.span.start)
    }

    /// Returns the numbers of its first and its last line.
    pub fn lines(&self) -> RangeInclusive<usize> {
        self.line_number()..=self.source.line_of(self.span.end)
    }
}

//! The list of the policies of a bundle, with id, file and line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use cedar_policy::PolicyId;
use serde::Serialize;

/// A policy of a bundle with its place. A linked policy has the place of its link, and the text and the
/// annotations of its template.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyEntry {
    /// The `@id`, or the `link_id` of a linked policy.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// The path of the file, which begins with the folder as its user named it.
    pub file: String,
    /// The line in the file, from 1.
    pub line: usize,
    /// The annotations except `@id`. An annotation without a value has the empty value.
    pub annotations: BTreeMap<String, String>,
    /// The id of the template of a linked policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// True for `@mode("shadow")`: the policy is evaluated, and never determines a decision.
    pub shadow: bool,
    /// The place of the text, which is the template's for a linked policy.
    #[serde(skip)]
    pub(crate) text: PolicyText,
}

/// The text of a policy or a template in its file.
#[derive(Clone, Debug)]
pub(crate) struct PolicyText {
    pub(crate) file: String,
    /// The content of the whole file.
    pub(crate) source: Arc<str>,
    /// The range in `source` in bytes, annotations included.
    pub(crate) span: Range<usize>,
}

impl PolicyEntry {
    /// Returns the text of the policy, or of its template, annotations included.
    pub fn text(&self) -> &str {
        self.part(self.text.span.clone())
    }

    /// Returns the path of the file of [`PolicyEntry::text`].
    pub fn text_file(&self) -> &str {
        &self.text.file
    }

    /// Returns the offset of [`PolicyEntry::text`] in its file, in bytes.
    pub fn text_start(&self) -> usize {
        self.text.span.start
    }

    /// Returns the line on which [`PolicyEntry::text`] begins, from 1.
    pub fn text_line(&self) -> usize {
        self.line_of(self.text.span.start)
    }

    /// Returns a part of the file of [`PolicyEntry::text`], or an empty text if the span is not in it.
    pub fn part(&self, span: Range<usize>) -> &str {
        self.text.source.get(span).unwrap_or_default()
    }

    /// Returns the line of a byte in the file of [`PolicyEntry::text`], from 1.
    pub fn line_of(&self, byte: usize) -> usize {
        self.part(0..byte).matches('\n').count() + 1
    }

    /// Returns the id in Cedar's type.
    pub fn policy_id(&self) -> PolicyId {
        PolicyId::new(&self.id)
    }
}

//! The policies of a bundle as people know them: by id, file and line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet};
use serde::Serialize;

use super::Bundle;

/// A policy of a bundle, and where it stands. A linked policy stands where its link does, and has the
/// text and the annotations of its template.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyEntry {
    /// Its `@id`, or the `link_id`.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// The file, as the person named its folder.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// All but `@id`; `@name` alone has the empty value.
    pub annotations: BTreeMap<String, String>,
    /// The id of its template, if it is a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// `@mode("shadow")`: it is evaluated, and never counts.
    pub shadow: bool,
    /// Where its text stands: that of its template, if it is a link.
    #[serde(skip)]
    pub(crate) written: Written,
}

/// The text of a policy or a template in its file.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) file: String,
    /// All of the file.
    pub(crate) source: Arc<str>,
    /// In bytes, annotations included.
    pub(crate) span: Range<usize>,
}

impl PolicyEntry {
    /// Its text, annotations included; that of the template, if it is a link.
    pub fn text(&self) -> &str {
        self.part(self.written.span.clone())
    }

    /// The file in which [`PolicyEntry::text`] stands.
    pub fn text_file(&self) -> &str {
        &self.written.file
    }

    /// Returns where [`PolicyEntry::text`] begins in its file, in bytes.
    pub fn text_start(&self) -> usize {
        self.written.span.start
    }

    /// The line on which [`PolicyEntry::text`] begins, from 1.
    pub fn text_line(&self) -> usize {
        self.line_of(self.written.span.start)
    }

    /// Returns a part of the file in which the text stands; empty if there is no such part.
    pub fn part(&self, span: Range<usize>) -> &str {
        self.written.source.get(span).unwrap_or_default()
    }

    /// The line of a byte in the file of its text, from 1.
    pub fn line_of(&self, byte: usize) -> usize {
        self.part(0..byte).matches('\n').count() + 1
    }

    /// Returns the id as Cedar has it.
    pub fn policy_id(&self) -> PolicyId {
        PolicyId::new(&self.id)
    }
}

impl Bundle {
    /// Its policies in the order of their ids: links and shadow policies included, templates not.
    pub fn entries(&self) -> &[PolicyEntry] {
        &self.entries
    }

    /// All policies, those that do not count included.
    pub fn policies(&self) -> &PolicySet {
        self.with_shadow.as_ref().unwrap_or(&self.live)
    }
}

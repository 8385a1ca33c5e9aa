//! The list of the policies of a bundle, with id, file and line.

use std::ops::Range;
use std::sync::Arc;

use cedar_policy::PolicyId;
use serde::{Serialize, Serializer};

/// A policy of a bundle with its place. A linked policy has the place of its link, and the text and the
/// annotations of its template.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyEntry {
    /// The `@id`, or the `link_id` of a linked policy.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// The path of the file, which begins with the folder as its user named it.
    #[serde(serialize_with = "shared_text")]
    pub file: Arc<str>,
    /// The line in the file, from 1.
    pub line: usize,
    /// The annotations except `@id`. An annotation without a value has the empty value.
    pub annotations: WrittenAnnotations,
    /// The id of the template of a linked policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// True for `@mode("shadow")`: the policy is evaluated, and never determines a decision.
    pub shadow: bool,
    /// The place of the text, which is the template's for a linked policy.
    #[serde(skip)]
    pub(crate) text: PolicyText,
}

/// The annotations of a policy as its text has them, sorted by name. It serialises as a JSON object.
///
/// There is one for each policy of a bundle, so it is as small as possible and shared by the bundles that
/// have the policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrittenAnnotations(Arc<[(Box<str>, Box<str>)]>);

impl WrittenAnnotations {
    /// Returns the value of an annotation.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(one, _)| (**one).cmp(name));
        Some(&*self.0[at.ok()?].1)
    }

    /// Returns true if there is an annotation of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns names and values in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for WrittenAnnotations {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(written: I) -> Self {
        let written = written.into_iter();
        let mut sorted: Vec<_> = written
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        sorted.sort_unstable();
        Self(sorted.into())
    }
}

impl Serialize for WrittenAnnotations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

fn shared_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// The text of a policy or a template, and its place in its file.
#[derive(Clone, Debug)]
pub(crate) struct PolicyText {
    pub(crate) file: Arc<str>,
    /// The text that Cedar parsed, in which it counts positions. It has a few other policies too.
    pub(crate) source: Arc<str>,
    /// The range of the policy in `source` in bytes, annotations included.
    pub(crate) span: Range<usize>,
    /// The line of the file on which the policy begins, from 1.
    pub(crate) line: usize,
    /// The levels of the deepest expression.
    pub(crate) depth: usize,
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

    /// Returns the position of [`PolicyEntry::text`] in bytes, as Cedar counts the positions within it.
    pub fn text_start(&self) -> usize {
        self.text.span.start
    }

    /// Returns the line on which [`PolicyEntry::text`] begins, from 1.
    pub fn text_line(&self) -> usize {
        self.text.line
    }

    /// Returns the text between two of Cedar's positions, or an empty text if they are not in the policy.
    pub fn part(&self, span: Range<usize>) -> &str {
        self.text.source.get(span).unwrap_or_default()
    }

    /// Returns the line of the file of [`PolicyEntry::text`] at one of Cedar's positions, from 1.
    pub fn line_of(&self, position: usize) -> usize {
        let before = self.part(self.text.span.start..position);
        self.text.line + before.matches('\n').count()
    }

    /// Returns the id in Cedar's type.
    pub fn policy_id(&self) -> PolicyId {
        PolicyId::new(&self.id)
    }
}

//! The policies and templates of files.

use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet};

use crate::annotations::{self, Annotations};
use crate::catalogue::{PolicyEntry, PolicyText, WrittenAnnotations};
use crate::files::Source;
use crate::nesting;
use crate::place::Place;
use crate::rules::{ExaminedPolicy, HAS_UNDECLARED};
use crate::schema::SchemaIndex;
use crate::syntax::{PolicyOrTemplate, Syntax};
use cedargate_core::Finding;

use super::reuse::KnownPolicy;

/// A policy or a template of a file, before its annotations are read.
#[derive(Clone)]
pub struct ParsedPolicy {
    /// The policy. Its id is not that of its annotation.
    pub policy: PolicyOrTemplate,
    /// The distance of the text that Cedar parsed from the beginning of the file, in bytes.
    shift: isize,
    /// The levels of the deepest expression.
    depth: usize,
}

/// The number of policies that are parsed at once. Cedar's parser takes three times as long for each if they
/// are parsed one by one, and for a large file at once it takes several times the memory, most of which the
/// allocator does not return.
const AT_ONCE: usize = 16;

impl ParsedPolicy {
    /// Parses texts of policies. Each is given with the byte of its file at which it begins. The result for a
    /// text is `None` if it is anything but one policy or template, or too deep.
    pub(super) fn parse_all(texts: &[(&str, usize)]) -> Vec<Option<Self>> {
        let at_once = texts.chunks(AT_ONCE).map(|texts| {
            Self::parse_at_once(texts).unwrap_or_else(|| {
                let one_by_one = texts
                    .iter()
                    .map(|text| Self::parse_at_once(&[*text])?.pop()?);
                one_by_one.collect()
            })
        });
        at_once.flatten().collect()
    }

    /// Returns `None` if any of the texts is not one policy or template, or is too deep.
    fn parse_at_once(texts: &[(&str, usize)]) -> Option<Vec<Option<Self>>> {
        let mut joined = String::with_capacity(texts.iter().map(|(text, _)| text.len() + 1).sum());
        let mut places = Vec::with_capacity(texts.len());
        for (text, from) in texts {
            let depth = nesting::depth_of(text)?;
            places.push((joined.len(), from.checked_signed_diff(joined.len())?, depth));
            joined.push_str(text);
            joined.push('\n');
        }
        let policies = PolicyOrTemplate::parse(joined.trim_end())?;
        if policies.len() != texts.len() {
            return None;
        }
        let placed = policies
            .into_iter()
            .zip(places)
            .map(|(policy, (start, shift, depth))| {
                let is_there = policy.syntax().span().start == start;
                is_there.then_some(Some(Self {
                    policy,
                    shift,
                    depth,
                }))
            });
        placed.collect()
    }

    /// Returns the syntax tree.
    pub fn syntax(&self) -> Syntax<'_> {
        self.policy.syntax()
    }
}

/// Parses a policy file, and adds a finding for each syntax error. Returns the policies and templates in the
/// order of the file; none if there is an error.
pub fn parse_file(source: &Source, findings: &mut Vec<Finding>) -> Vec<ParsedPolicy> {
    let parsed = nesting::policies(&source.text).and_then(|spans| {
        let texts = spans
            .into_iter()
            .map(|span| (&source.text[span.clone()], span.start));
        let parsed = ParsedPolicy::parse_all(&texts.collect::<Vec<_>>());
        parsed.into_iter().collect::<Option<Vec<_>>>()
    });
    parsed.unwrap_or_else(|| parse_whole(source, findings))
}

/// Parses a policy file at once. If one of its policies has an error, Cedar's messages are about the whole
/// file.
pub(super) fn parse_whole(source: &Source, findings: &mut Vec<Finding>) -> Vec<ParsedPolicy> {
    let Some(depth) = nesting::depth(source, findings) else {
        return Vec::new();
    };
    let Some(policies) = PolicyOrTemplate::parse(&source.text) else {
        let errors = source.text.parse::<PolicySet>().err();
        let file = Place::of_file(source);
        let errors = errors.iter().flat_map(|errors| errors.iter());
        findings.extend(errors.map(|error| file.diagnostic("syntax", error)));
        return Vec::new();
    };
    let policies = policies.into_iter().map(|policy| ParsedPolicy {
        policy,
        shift: 0,
        depth,
    });
    policies.collect()
}

/// Parses a text that consists of one policy or one template. Returns `None` for any other text.
pub fn parse_one(text: &str) -> Option<PolicyOrTemplate> {
    let spans = nesting::policies(text)?;
    let [span] = spans.as_slice() else {
        return None;
    };
    let mut parsed = ParsedPolicy::parse_all(&[(&text[span.clone()], span.start)]);
    Some(parsed.pop()??.policy)
}

/// A policy or a template with its place, its id and its annotations.
pub struct Statement<'a> {
    /// The place of the policy in its file, annotations included.
    pub place: Place<'a>,
    /// The policy. Its id is its `@id`. A policy whose `@id` is missing or invalid has an id that no policy
    /// can have, so that the rest of the policy can still be checked.
    policy: PolicyOrTemplate,
    /// The annotations other than `@id`.
    pub annotations: Annotations,
    written: WrittenAnnotations,
    /// True if it has an `@id`, even an invalid one.
    pub(super) has_id: bool,
    /// True if one of our rules has reported that it never matches.
    pub(super) is_impossible: bool,
    /// The levels of the deepest expression.
    pub(super) depth: usize,
    /// The policy of a bundle that has the same text and was checked against the same schema.
    pub(super) known: Option<KnownPolicy<'a>>,
}

impl<'a> Statement<'a> {
    /// Reads the annotations of a policy or template. Does not check that its id is unique.
    pub(super) fn read(
        source: &'a Source,
        parsed: ParsedPolicy,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let syntax = parsed.syntax();
        let place = Place::of_policy(source, parsed.shift, syntax.span());
        let (id, annotations) = annotations::read(syntax, &place, findings);
        let written = syntax.annotations().map(|found| found.item);
        let written = written.map(|one| (one.name, one.value));
        Self {
            written: written.filter(|(name, _)| *name != "id").collect(),
            has_id: syntax.annotation("id").is_some(),
            policy: parsed
                .policy
                .with_id(&PolicyId::new(id.unwrap_or_default())),
            place,
            annotations,
            is_impossible: false,
            depth: parsed.depth,
            known: None,
        }
    }

    /// Checks the policy against the rules of the gateway.
    pub(super) fn check_rules(&mut self, schema: &SchemaIndex, findings: &mut Vec<Finding>) {
        let before = findings.len();
        self.examined(schema).check(findings);
        let mut found = findings[before..].iter();
        self.is_impossible = found.any(|finding| finding.code == HAS_UNDECLARED);
    }

    /// Removes the annotations from the syntax tree, for a bundle, which needs them no more.
    pub(super) fn drop_annotations(&mut self) {
        self.policy = self.policy.without_annotations();
    }

    /// Takes a policy over whose text begins at the byte `from` of the file.
    pub(super) fn of_known(
        source: &'a Source,
        from: usize,
        known: KnownPolicy<'a>,
    ) -> Option<Self> {
        let text = &known.entry.text;
        let shift = from.checked_signed_diff(text.span.start)?;
        Some(Self {
            place: Place::of_policy(source, shift, text.span.clone()),
            policy: known.policy()?,
            annotations: known.annotations.clone(),
            written: known.entry.annotations.clone(),
            has_id: true,
            is_impossible: false,
            depth: text.depth,
            known: Some(known),
        })
    }

    /// Returns the catalogue entry of this policy, or of a link to this template. `place` is the place of
    /// the policy or of the link.
    pub(super) fn entry(&self, place: &Place<'_>, id: &str) -> PolicyEntry {
        let syntax = self.policy.syntax();
        let file = Arc::clone(&place.source.display_path);
        PolicyEntry {
            id: id.to_owned(),
            effect: if syntax.forbids() { "forbid" } else { "permit" },
            line: place.line_number(),
            annotations: self.written.clone(),
            template: None,
            shadow: self.annotations.shadow,
            text: self.text(),
            file,
        }
    }

    fn text(&self) -> PolicyText {
        let syntax = self.policy.syntax();
        let source = self.place.source;
        PolicyText {
            file: Arc::clone(&source.display_path),
            source: match syntax.parsed_text() {
                Some(text) => Arc::clone(text),
                None => Arc::clone(&source.text),
            },
            span: syntax.span(),
            line: self.place.line_number(),
            depth: self.depth,
        }
    }

    /// Returns the place of the `@id`, or of the policy if it has none.
    pub(super) fn id_place(&self) -> Place<'a> {
        // The syntax tree may have lost its annotations.
        let parsed = parse_one(self.syntax().text());
        let annotation = parsed
            .as_ref()
            .and_then(|one| one.syntax().annotation("id"));
        match annotation.and_then(|annotation| annotation.span) {
            Some(span) => {
                let start = self.syntax().span().start;
                self.place.part(start + span.start..start + span.end)
            }
            None => self.place.clone(),
        }
    }

    /// Returns the id.
    pub fn id(&self) -> &str {
        self.policy.id()
    }

    /// Replaces the id.
    pub(super) fn set_id(&mut self, id: &PolicyId) {
        self.policy = self.policy.with_id(id);
        self.known = None;
    }

    pub(super) fn policy(&self) -> &PolicyOrTemplate {
        &self.policy
    }

    /// Returns the syntax tree of the policy.
    pub fn syntax(&self) -> Syntax<'_> {
        self.policy.syntax()
    }

    /// Returns true for a template.
    pub fn is_template(&self) -> bool {
        self.policy.is_template()
    }

    /// Returns the policy with all that the rules need.
    pub fn examined<'s>(&'s self, schema: &'s SchemaIndex) -> ExaminedPolicy<'s> {
        ExaminedPolicy::new(&self.policy, &self.place, &self.annotations, schema)
    }
}

//! Parses all policy files, on all cores.

use std::iter;
use std::ops::Range;

use crate::files::Source;
use crate::nesting;
use crate::parallel;
use cedargate_core::Finding;

use super::reuse::KnownPolicies;
use super::statement::{ParsedPolicy, Statement, parse_whole};

/// The content of all policy files.
pub(super) struct ParsedFiles<'a> {
    pub(super) statements: Vec<Statement<'a>>,
    /// The files with syntax errors or too deep nesting.
    pub(super) unparsed: Vec<&'a Source>,
}

/// The text of one policy in a file.
struct Part<'a> {
    /// The index of the file.
    file: usize,
    source: &'a Source,
    span: Range<usize>,
}

/// A policy with the findings about its annotations. `None` if its text is not one policy.
type ReadPart<'a> = Option<(Statement<'a>, Vec<Finding>)>;

/// The number of parts that one thread takes at once.
const TAKEN: usize = 64;

impl<'a> ParsedFiles<'a> {
    /// Parses all files. Policies that are in `known` are taken over. `finish` is called with each other one.
    pub(super) fn parse(
        sources: &'a [Source],
        known: &KnownPolicies<'a>,
        finish: impl Fn(&mut Statement<'a>, &mut Vec<Finding>) + Send + Sync,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let (parts, mut is_whole) = split(sources);
        let read = parallel::spread_chunks(&parts, TAKEN, |parts| read(parts, known, &finish));
        for (part, read) in parts.iter().zip(&read) {
            is_whole[part.file] |= read.is_none();
        }
        let mut files = Self {
            statements: Vec::with_capacity(parts.len()),
            unparsed: Vec::new(),
        };
        let mut read = iter::zip(&parts, read).peekable();
        for (file, source) in sources.iter().enumerate() {
            let parts = iter::from_fn(|| read.next_if(|(part, _)| part.file == file));
            if is_whole[file] {
                parts.for_each(drop);
                files.add_whole(source, &finish, findings);
            } else {
                files.add(parts.map(|(_, read)| read), findings);
            }
        }
        files
    }

    fn add(&mut self, read: impl Iterator<Item = ReadPart<'a>>, findings: &mut Vec<Finding>) {
        for (statement, more) in read.flatten() {
            self.statements.push(statement);
            findings.extend(more);
        }
    }

    fn add_whole(
        &mut self,
        source: &'a Source,
        finish: &impl Fn(&mut Statement<'a>, &mut Vec<Finding>),
        findings: &mut Vec<Finding>,
    ) {
        let before = findings.len();
        let parsed = parse_whole(source, findings);
        if findings.len() > before {
            self.unparsed.push(source);
        }
        for policy in parsed {
            let mut statement = Statement::read(source, policy, findings);
            finish(&mut statement, findings);
            self.statements.push(statement);
        }
    }

    /// Returns true if a file that could not be parsed contains this id.
    pub(super) fn is_in_unparsed(&self, id: &str) -> bool {
        self.unparsed.iter().any(|source| source.text.contains(id))
    }
}

/// Splits files into the texts of their policies. Also returns for each file whether it must be parsed as a
/// whole because it cannot be split.
fn split(sources: &[Source]) -> (Vec<Part<'_>>, Vec<bool>) {
    let split = parallel::spread(sources, |source| nesting::policies(&source.text));
    let is_whole = split.iter().map(Option::is_none).collect();
    let files = sources.iter().zip(split).enumerate();
    let parts = files.flat_map(|(file, (source, spans))| {
        let spans = spans.into_iter().flatten();
        spans.map(move |span| Part { file, source, span })
    });
    (parts.collect(), is_whole)
}

/// Takes over the known policies, and parses the others.
fn read<'a>(
    parts: &[Part<'a>],
    known: &KnownPolicies<'a>,
    finish: &impl Fn(&mut Statement<'a>, &mut Vec<Finding>),
) -> Vec<ReadPart<'a>> {
    let taken_over: Vec<_> = parts.iter().map(|part| part.known(known)).collect();
    let others = parts.iter().zip(&taken_over);
    let others = others.filter(|(_, known)| known.is_none());
    let texts: Vec<_> = others
        .map(|(part, _)| (&part.source.text[part.span.clone()], part.span.start))
        .collect();
    let mut parsed = ParsedPolicy::parse_all(&texts).into_iter();
    let read = parts.iter().zip(taken_over).map(|(part, known)| {
        if let Some(known) = known {
            return Some((known, Vec::new()));
        }
        let mut findings = Vec::new();
        let mut statement = Statement::read(part.source, parsed.next()??, &mut findings);
        finish(&mut statement, &mut findings);
        Some((statement, findings))
    });
    read.collect()
}

impl<'a> Part<'a> {
    fn known(&self, known: &KnownPolicies<'a>) -> Option<Statement<'a>> {
        let known = known.get(&self.source.text[self.span.clone()])?;
        Statement::of_known(self.source, self.span.start, known)
    }
}

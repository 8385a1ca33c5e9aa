//! Measures which policies and clauses some requests exercise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use cedargate_policy::analysis::{self, Syntax};
use cedargate_policy::{Bundle, ClauseOutcome, PolicyEntry, PolicyTrace, PreparedRequest};

use crate::{Error, Result};

/// The coverage of the policies of a bundle. Shadow policies are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// The policies and template links, sorted by id.
    pub policies: Vec<PolicyCoverage>,
    /// The texts of policies and templates, sorted by file and line. A template has one entry for all its
    /// links.
    pub texts: Vec<TextCoverage>,
}

/// The coverage of a policy or a template link.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyCoverage {
    /// The id of the policy or template link.
    pub id: String,
    /// The path of the file, as the command line names it or its folder.
    pub file: String,
    /// The line on which the policy or link begins, from 1.
    pub line: usize,
    /// The number of requests whose decision this policy determined.
    pub determined: usize,
}

/// The coverage of the text of a policy or template.
#[derive(Clone, Debug, PartialEq)]
pub struct TextCoverage {
    /// The id of the policy or template.
    pub id: String,
    /// The path of the file, as the command line names it or its folder.
    pub file: String,
    /// The lines of the text with its annotations, from 1.
    pub lines: Range<usize>,
    /// The number of requests whose decision this policy, or a link of this template, determined.
    pub determined: usize,
    /// The top-level clauses of the conditions, in order.
    pub clauses: Vec<ClauseCoverage>,
}

/// The coverage of a top-level clause. A request is not counted if the scope does not match or an earlier
/// clause is not satisfied, because Cedar then does not evaluate the clause.
#[derive(Clone, Debug, PartialEq)]
pub struct ClauseCoverage {
    /// The text of the clause.
    pub text: String,
    /// The lines of the clause, from 1.
    pub lines: Range<usize>,
    /// The number of requests for which the clause was true.
    pub seen_true: usize,
    /// The number of requests for which the clause was false.
    pub seen_false: usize,
}

impl ClauseCoverage {
    /// Returns true if the clause was true for a request and false for another.
    pub fn is_covered(&self) -> bool {
        self.seen_true > 0 && self.seen_false > 0
    }
}

impl Coverage {
    /// Decides these requests and counts the policies and clauses that each exercises.
    ///
    /// # Errors
    /// [`Error::Threads`] if no thread starts.
    pub fn measure(bundle: &Bundle, prepared: &[&PreparedRequest]) -> Result<Self> {
        let counted: Vec<_> = bundle
            .entries()
            .iter()
            .filter(|entry| !entry.shadow)
            .collect();
        let mut policies: BTreeMap<_, _> = counted
            .iter()
            .map(|entry| (entry.id.as_str(), policy(entry)))
            .collect();
        let mut texts: BTreeMap<_, _> = counted
            .iter()
            .map(|entry| (text_id(entry), text(bundle, entry)))
            .collect();
        let exercised = analysis::map(prepared, |prepared| Exercised::by(bundle, prepared));
        for Exercised { reason, traces } in &exercised.map_err(Error::Threads)? {
            let mut determining = BTreeSet::new();
            for (entry, trace) in traces {
                if reason.contains(&entry.id) {
                    determining.insert(text_id(entry));
                    if let Some(policy) = policies.get_mut(entry.id.as_str()) {
                        policy.determined += 1;
                    }
                }
                if let Some(text) = texts.get_mut(text_id(entry)) {
                    text.count(trace);
                }
            }
            for id in determining {
                if let Some(text) = texts.get_mut(id) {
                    text.determined += 1;
                }
            }
        }
        let mut texts: Vec<_> = texts.into_values().collect();
        texts.sort_by(|a, b| (&a.file, a.lines.start).cmp(&(&b.file, b.lines.start)));
        Ok(Self {
            policies: policies.into_values().collect(),
            texts,
        })
    }

    /// Returns the share of the policies that determined a decision.
    pub fn policies_covered(&self) -> Share {
        let covered = self.policies.iter().filter(|policy| policy.determined > 0);
        Share {
            part: covered.count(),
            whole: self.policies.len(),
        }
    }

    /// Returns the share of the clauses that were true for a request and false for another.
    pub fn clauses_covered(&self) -> Share {
        let clauses = || self.texts.iter().flat_map(|text| &text.clauses);
        Share {
            part: clauses().filter(|clause| clause.is_covered()).count(),
            whole: clauses().count(),
        }
    }
}

/// The policies that a request exercises.
struct Exercised {
    /// The determining policies.
    reason: Vec<String>,
    /// The policies whose scope matches.
    traces: Vec<(PolicyEntry, PolicyTrace)>,
}

impl Exercised {
    fn by(bundle: &Bundle, request: &PreparedRequest) -> Self {
        let part = bundle.analysis().part_for(request);
        let traces = part.trace(request).into_iter();
        Self {
            reason: part.evaluate(request).policies,
            traces: traces
                .map(|(entry, trace)| (entry.clone(), trace))
                .collect(),
        }
    }
}

/// A count and its total.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share {
    /// The count.
    pub part: usize,
    /// The total.
    pub whole: usize,
}

impl Share {
    /// Returns the percentage, rounded down to one decimal, so that only full coverage shows 100. The
    /// percentage of an empty total is 100.
    pub fn percent(self) -> f64 {
        let permille = (self.part * 1000).checked_div(self.whole);
        let permille = u32::try_from(permille.unwrap_or(1000)).unwrap_or_default();
        f64::from(permille) / 10.0
    }

    /// Returns true if the share is at least `percent`, without rounding.
    pub fn reaches(self, percent: f64) -> bool {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        number(self.part) * 100.0 >= percent * number(self.whole)
    }
}

/// Writes the share as `12/13 (92.3 %)`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({} %)", self.part, self.whole, self.percent())
    }
}

impl TextCoverage {
    /// Counts the clauses that Cedar evaluated. It evaluates no clause after one that failed.
    fn count(&mut self, trace: &PolicyTrace) {
        if !trace.in_scope() {
            return;
        }
        for (counted, clause) in self.clauses.iter_mut().zip(&trace.clauses) {
            match clause.outcome {
                ClauseOutcome::True => counted.seen_true += 1,
                ClauseOutcome::False => counted.seen_false += 1,
                ClauseOutcome::Error(_) | ClauseOutcome::NotReached => {}
            }
            if clause.fails() {
                break;
            }
        }
    }
}

fn text(bundle: &Bundle, entry: &PolicyEntry) -> TextCoverage {
    let policy = bundle.analysis().live().policy(&entry.policy_id());
    let clauses = policy.map(|policy| Syntax::from(policy).clauses());
    let clauses = clauses.into_iter().flatten().map(|clause| {
        let text = entry.part(clause.span());
        ClauseCoverage {
            text: text.to_owned(),
            lines: lines(entry.line_of(clause.span().start), text),
            seen_true: 0,
            seen_false: 0,
        }
    });
    TextCoverage {
        id: text_id(entry).to_owned(),
        file: entry.text_file().to_owned(),
        lines: lines(entry.text_line(), entry.text()),
        determined: 0,
        clauses: clauses.collect(),
    }
}

fn policy(entry: &PolicyEntry) -> PolicyCoverage {
    PolicyCoverage {
        id: entry.id.clone(),
        file: entry.file.to_string(),
        line: entry.line,
        determined: 0,
    }
}

/// Returns the id of the policy or template that has the text: a link has the text of its template.
fn text_id(entry: &PolicyEntry) -> &str {
    entry.template.as_ref().unwrap_or(&entry.id)
}

fn lines(first: usize, text: &str) -> Range<usize> {
    first..first + text.matches('\n').count() + 1
}

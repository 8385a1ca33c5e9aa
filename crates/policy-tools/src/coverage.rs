//! What of the policies the cases have touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::ops::Range;

use cedargate_policy::analysis::{self, Syntax};
use cedargate_policy::{Bundle, Inquiry, Look, PolicyEntry, Seen};

/// What some cases have touched of the policies that count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// The policies, links among them, in the order of their ids.
    pub policies: Vec<PolicyCoverage>,
    /// Their texts, in the order of files and lines; that of a template once, over all its links.
    pub texts: Vec<TextCoverage>,
}

/// In how many cases a policy determined the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyCoverage {
    /// Its id.
    pub id: String,
    /// Its file.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// So many cases.
    pub determined: usize,
}

/// What was seen of the text of a policy or template.
#[derive(Clone, Debug, PartialEq)]
pub struct TextCoverage {
    /// Its id.
    pub id: String,
    /// Its file.
    pub file: String,
    /// Its lines, annotations included, from 1.
    pub lines: Range<usize>,
    /// In how many cases it, or a link of it, determined the decision.
    pub determined: usize,
    /// The top-level clauses of its conditions, in their order.
    pub clauses: Vec<ClauseCoverage>,
}

/// How often a clause was evaluated, and to what. Of a case whose decision did not come to it,
/// because the head did not match or a clause before it failed, nothing is counted.
#[derive(Clone, Debug, PartialEq)]
pub struct ClauseCoverage {
    /// As it is written.
    pub text: String,
    /// The lines on which it stands, from 1.
    pub lines: Range<usize>,
    /// In so many cases it was true.
    pub seen_true: usize,
    /// In so many cases it was false.
    pub seen_false: usize,
}

impl ClauseCoverage {
    /// Whether it was seen true, and seen false.
    pub fn is_covered(&self) -> bool {
        self.seen_true > 0 && self.seen_false > 0
    }
}

impl Coverage {
    /// Measures what these inquiries touch of the policies of a bundle.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn measure(bundle: &Bundle, inquiries: &[&Inquiry]) -> io::Result<Self> {
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
        let touched = analysis::map(inquiries, |inquiry| {
            (bundle.answer(inquiry).reason, bundle.look(inquiry))
        })?;
        for (reason, looks) in &touched {
            let mut determining = BTreeSet::new();
            for (entry, look) in looks {
                if reason.contains(&entry.id) {
                    determining.insert(text_id(entry));
                    if let Some(policy) = policies.get_mut(entry.id.as_str()) {
                        policy.determined += 1;
                    }
                }
                if let Some(text) = texts.get_mut(text_id(entry)) {
                    text.count(look);
                }
            }
            for id in determining {
                texts.entry(id).and_modify(|text| text.determined += 1);
            }
        }
        let mut texts: Vec<_> = texts.into_values().collect();
        texts.sort_by(|a, b| (&a.file, a.lines.start).cmp(&(&b.file, b.lines.start)));
        Ok(Self {
            policies: policies.into_values().collect(),
            texts,
        })
    }

    /// How many policies determined a decision.
    pub fn policies_covered(&self) -> Share {
        let covered = self.policies.iter().filter(|one| one.determined > 0);
        Share {
            part: covered.count(),
            whole: self.policies.len(),
        }
    }

    /// How many clauses were seen both ways.
    pub fn clauses_covered(&self) -> Share {
        let clauses = || self.texts.iter().flat_map(|text| &text.clauses);
        Share {
            part: clauses().filter(|clause| clause.is_covered()).count(),
            whole: clauses().count(),
        }
    }
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share {
    /// So many.
    pub part: usize,
    /// Of so many.
    pub whole: usize,
}

impl Share {
    /// In percent, rounded down to one decimal: 100 is all. All of nothing is 100, too.
    pub fn percent(self) -> f64 {
        let permille = (self.part * 1000).checked_div(self.whole);
        let permille = u32::try_from(permille.unwrap_or(1000)).unwrap_or_default();
        f64::from(permille) / 10.0
    }

    /// Whether it is so many percent, to the last digit.
    pub fn reaches(self, percent: f64) -> bool {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        number(self.part) * 100.0 >= percent * number(self.whole)
    }
}

/// `12/13 (92.3 %)`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({} %)", self.part, self.whole, self.percent())
    }
}

impl TextCoverage {
    /// Counts what the decision came to: no clause behind one that failed.
    fn count(&mut self, look: &Look) {
        if !look.in_scope() {
            return;
        }
        for (counted, clause) in self.clauses.iter_mut().zip(&look.clauses) {
            match clause.seen {
                Seen::True => counted.seen_true += 1,
                Seen::False => counted.seen_false += 1,
                Seen::Error(_) | Seen::NotReached => {}
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
        file: entry.file.clone(),
        line: entry.line,
        determined: 0,
    }
}

/// A linked policy has the text of its template.
fn text_id(entry: &PolicyEntry) -> &str {
    entry.template.as_ref().unwrap_or(&entry.id)
}

fn lines(first: usize, text: &str) -> Range<usize> {
    first..first + text.matches('\n').count() + 1
}

//! Why a case came out as it did: how the policies stand to it whose heads match.

use std::fmt::Write as _;

use serde::Serialize;

use crate::policy::{Bundle, Inquiry, Verdict};

/// The policies whose heads match.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Explanation {
    policies: Vec<Policy>,
}

#[derive(Clone, Debug, Serialize)]
struct Policy {
    id: String,
    effect: &'static str,
    determined: bool,
    /// The clauses that kept it from applying.
    failed: Vec<Clause>,
}

#[derive(Clone, Debug, Serialize)]
struct Clause {
    text: String,
    file: String,
    line: usize,
}

impl Explanation {
    pub(super) fn of(bundle: &Bundle, inquiry: &Inquiry, verdict: &Verdict) -> Self {
        let looks = bundle.look(inquiry).into_iter();
        let in_scope = looks.filter(|(entry, look)| look.in_scope() && !entry.shadow);
        let policies = in_scope.map(|(entry, look)| Policy {
            id: entry.id.clone(),
            effect: entry.effect,
            determined: verdict.reason.contains(&entry.id),
            failed: look
                .clauses
                .iter()
                .filter(|clause| clause.fails())
                .map(|clause| Clause {
                    text: clause.text.clone(),
                    file: entry.text_file().to_owned(),
                    line: clause.line,
                })
                .collect(),
        });
        Self {
            policies: policies.collect(),
        }
    }

    /// In lines, for a person.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for policy in &self.policies {
            let Policy { id, effect, .. } = policy;
            let stands = match (policy.determined, policy.failed.is_empty()) {
                (true, _) => "determined the decision",
                (false, true) => "applied, and did not count",
                (false, false) => "did not apply:",
            };
            let _ = writeln!(text, "{effect} {id} {stands}");
            for Clause {
                text: clause,
                file,
                line,
            } in &policy.failed
            {
                let _ = writeln!(text, "  {file}:{line}: {clause}");
            }
        }
        if text.is_empty() {
            text.push_str("the head of no policy matched\n");
        }
        text
    }
}

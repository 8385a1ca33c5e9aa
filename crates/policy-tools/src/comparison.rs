//! Two bundles side by side: what becomes of a request under the one and the other, and which of the
//! policies that differ is the cause.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use cedar_policy::PolicyId;
use serde::Serialize;

use cedargate_core::{Finding, Findings};

use crate::difference::Differences;
use cedargate_policy::analysis::with_room;
use cedargate_policy::{Bundle, Inquiry, Verdict};

/// Two bundles, and how they differ.
#[derive(Debug)]
pub struct Comparison<'a> {
    old: &'a Bundle,
    new: &'a Bundle,
    differences: Differences,
    /// The policies that were added, removed or changed in meaning, by id; with each, the new bundle
    /// as it would be without that one difference, once it was asked for.
    undone: Vec<(String, OnceLock<Option<Bundle>>)>,
}

/// What a change of an answer means to the caller.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What was refused is allowed.
    Widening,
    /// What was allowed is refused.
    Narrowing,
    /// Allowed or refused as before, for other reasons, or with other notices, errors or another code.
    Answer,
}

impl Kind {
    /// What lies between two answers; `None` when they are the same.
    pub fn between(old: &Verdict, new: &Verdict) -> Option<Self> {
        match (old.decision, new.decision) {
            _ if old == new => None,
            (before, after) if before == after => Some(Kind::Answer),
            (_, "allow") => Some(Kind::Widening),
            _ => Some(Kind::Narrowing),
        }
    }
}

/// An answer that is not the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What it means to the caller.
    pub kind: Kind,
    /// The ids of the policies that cause it, sorted. None: no policy alone does.
    pub policies: Vec<String>,
    /// What the old policies say.
    pub old: Verdict,
    /// What the new policies say.
    pub new: Verdict,
}

/// What became of one request under two bundles.
#[derive(Clone, Debug, PartialEq)]
pub enum Compared {
    /// The same answer.
    Same,
    /// Another answer.
    Changed(Change),
    /// One of the two, or neither, could be asked: for each the answer, or why not.
    Unasked {
        /// Of the old bundle.
        old: Result<Verdict, String>,
        /// Of the new bundle.
        new: Result<Verdict, String>,
    },
}

impl<'a> Comparison<'a> {
    /// Holds two bundles side by side.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn of(old: &'a Bundle, new: &'a Bundle) -> Result<Self, Findings> {
        let differences = with_room(|| Differences::between(old, new)).map_err(|error| {
            let message = format!("no thread to compare the policies on: {error}");
            Findings(vec![Finding::error("system", "", message)])
        })?;
        let touched = [
            &differences.added,
            &differences.removed,
            &differences.changed,
        ];
        let touched = touched.into_iter().flatten();
        let ids: BTreeSet<_> = touched
            .filter(|one| !one.is_template)
            .map(|one| one.id.clone())
            .collect();
        Ok(Self {
            old,
            new,
            differences,
            undone: ids.into_iter().map(|id| (id, OnceLock::new())).collect(),
        })
    }

    /// How the policies differ.
    pub fn differences(&self) -> &Differences {
        &self.differences
    }

    /// Asks both bundles one thing. `read` holds it against the schema of a bundle, and says why that
    /// cannot be.
    pub fn ask(&self, read: impl Fn(&Bundle) -> Result<Inquiry, String>) -> Compared {
        let for_new = read(self.new);
        let for_old = (!self.differences.claims.is_empty()).then(|| read(self.old));
        let (old, new) = match (for_old.as_ref().unwrap_or(&for_new), &for_new) {
            (Ok(for_old), Ok(for_new)) => (self.old.answer(for_old), self.new.answer(for_new)),
            (old, new) => {
                let answer = |bundle: &Bundle, inquiry: &Result<Inquiry, String>| match inquiry {
                    Ok(inquiry) => Ok(bundle.answer(inquiry)),
                    Err(why) => Err(why.clone()),
                };
                return Compared::Unasked {
                    old: answer(self.old, old),
                    new: answer(self.new, new),
                };
            }
        };
        match (Kind::between(&old, &new), for_new) {
            (Some(kind), Ok(inquiry)) => Compared::Changed(Change {
                kind,
                policies: self.causes(&inquiry, &old, &new),
                old,
                new,
            }),
            _ => Compared::Same,
        }
    }

    /// Of the policies that differ, those that determine one of the two answers and not the other.
    /// If there is none: those that determine both and, undone alone, change the new answer; else
    /// whichever do, undone alone; else, as it takes several together, those that determine either.
    fn causes(&self, inquiry: &Inquiry, old: &Verdict, new: &Verdict) -> Vec<String> {
        let determines = |id: &str, verdict: &Verdict| verdict.reason.iter().any(|one| one == id);
        let some = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
            let ids = self.undone.iter().map(|(id, _)| id);
            ids.filter(|id| wanted(id)).cloned().collect()
        };
        let either = |id: &str| determines(id, old) || determines(id, new);
        let one_of_both = |id: &str| determines(id, old) != determines(id, new);
        let turns = |id: &str| {
            let undone = self.undone(id);
            undone.is_some_and(|undone| undone.answer(inquiry) != *new)
        };
        let attempts: [&dyn Fn(&str) -> bool; 4] =
            [&one_of_both, &|id| either(id) && turns(id), &turns, &either];
        let found = attempts.into_iter().map(some).find(|ids| !ids.is_empty());
        found.unwrap_or_default()
    }

    fn undone(&self, id: &str) -> Option<&Bundle> {
        let (_, undone) = self.undone.iter().find(|(known, _)| known == id)?;
        let undone = undone.get_or_init(|| {
            self.new
                .analysis()
                .with_policy_of(self.old, &PolicyId::new(id))
        });
        undone.as_ref()
    }
}

/// The policies that a change of an answer is put down to where nothing is known but the answers: the
/// forbids that came or went, else the permits; if the effect is as before, those that determine one of
/// the two answers and not the other, else all that determine them. Sorted.
pub fn suspects(old: &Verdict, new: &Verdict) -> Vec<String> {
    let ids = |verdict: &Verdict| -> BTreeSet<String> { verdict.reason.iter().cloned().collect() };
    // A deny is determined by forbids alone, an allow by permits alone.
    let (denied, allowed) = match Kind::between(old, new) {
        Some(Kind::Widening) => (ids(old), ids(new)),
        Some(Kind::Narrowing) => (ids(new), ids(old)),
        _ => {
            let parted = ids(old).symmetric_difference(&ids(new)).cloned().collect();
            (parted, ids(new))
        }
    };
    let found = if denied.is_empty() { allowed } else { denied };
    found.into_iter().collect()
}

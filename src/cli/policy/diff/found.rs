//! What was found, of cases and recorded decisions in any order.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::policy::counted::Counted;
use crate::policy::cases::Case;
use crate::policy::{Recorded, Verdict};
use cedargate_policy_tools::comparison::{Change, Compared, Kind};

/// Cases go before recorded decisions; each by its number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Place {
    Case(usize),
    Line(usize),
}

/// What was asked of both sides.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Asked {
    Case {
        case: String,
        file: String,
        line: usize,
    },
    Decision {
        decision_id: String,
        /// In the log, from 1.
        line: usize,
        principal: String,
        action: String,
        resource: String,
    },
}

/// What is not answered alike.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    pub(super) asked: Asked,
    pub(super) old: Verdict,
    pub(super) new: Verdict,
}

/// What could not be asked of one of the sides, or of neither: the answers, or why there is none.
#[derive(Clone, Debug)]
pub(super) struct Unasked {
    pub(super) asked: Asked,
    pub(super) old: Result<Verdict, String>,
    pub(super) new: Result<Verdict, String>,
}

/// All that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// By kind, and by the policies that cause it.
    pub(super) groups: BTreeMap<(Kind, Vec<String>), Counted<Place, Changed>>,
    pub(super) unasked: Counted<Place, Unasked>,
    unasked_of_one: usize,
    /// Lines of the log that hold no decision, and why.
    pub(super) unread: Counted<usize, String>,
    pub(super) cases: usize,
    pub(super) decisions: usize,
    /// Recorded decisions of which something was kept out of the log.
    pub(super) masked: usize,
    most: usize,
}

impl Found {
    /// Nothing yet. `most` of each group are kept.
    pub(super) fn keeping(most: usize) -> Self {
        Self {
            groups: BTreeMap::new(),
            unasked: Counted::keeping(most),
            unasked_of_one: 0,
            unread: Counted::keeping(most),
            cases: 0,
            decisions: 0,
            masked: 0,
            most,
        }
    }

    /// As this one was in the beginning.
    pub(super) fn another(&self) -> Self {
        Self::keeping(self.most)
    }

    pub(super) fn case(&mut self, number: usize, case: &Case, compared: Compared) {
        self.cases += 1;
        self.add(Place::Case(number), compared, || Asked::Case {
            case: case.name.clone(),
            file: case.file.clone(),
            line: case.line,
        });
    }

    pub(super) fn decision(&mut self, line: usize, recorded: &Recorded, compared: Compared) {
        self.decisions += 1;
        self.masked += usize::from(!recorded.hidden.is_empty());
        let written = |name: &str| {
            let text = recorded.input().get(name).and_then(|value| value.as_str());
            text.unwrap_or_default().to_owned()
        };
        self.add(Place::Line(line), compared, || Asked::Decision {
            decision_id: recorded.decision_id.clone(),
            line,
            principal: written("principal"),
            action: written("action"),
            resource: written("resource"),
        });
    }

    pub(super) fn unread(&mut self, line: usize, why: String) {
        self.unread.add(line, || why);
    }

    fn add(&mut self, place: Place, compared: Compared, asked: impl FnOnce() -> Asked) {
        match compared {
            Compared::Same => {}
            Compared::Changed(Change {
                kind,
                policies,
                old,
                new,
            }) => {
                let group = self.groups.entry((kind, policies));
                let group = group.or_insert_with(|| Counted::keeping(self.most));
                group.add(place, || Changed {
                    asked: asked(),
                    old,
                    new,
                });
            }
            Compared::Unasked { old, new } => {
                self.unasked_of_one += usize::from(old.is_ok() || new.is_ok());
                self.unasked.add(place, || Unasked {
                    asked: asked(),
                    old,
                    new,
                });
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (key, group) in other.groups {
            let mine = self.groups.entry(key);
            mine.or_insert_with(|| Counted::keeping(self.most))
                .merge(group);
        }
        self.unasked.merge(other.unasked);
        self.unasked_of_one += other.unasked_of_one;
        self.unread.merge(other.unread);
        self.cases += other.cases;
        self.decisions += other.decisions;
        self.masked += other.masked;
    }

    /// How many changes of a kind there are.
    pub(super) fn count(&self, kind: Kind) -> usize {
        let groups = self.groups.iter().filter(|((one, _), _)| *one == kind);
        groups.map(|(_, group)| group.count()).sum()
    }

    pub(super) fn changes(&self) -> usize {
        self.groups.values().map(Counted::count).sum()
    }

    /// How many requests one side answers, and the other cannot be asked.
    pub(super) fn unasked_of_one(&self) -> usize {
        self.unasked_of_one
    }
}

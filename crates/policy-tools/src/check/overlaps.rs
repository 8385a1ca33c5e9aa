//! Compares policies with each other. Finds policies that are alike, policies that change no decision, and
//! permits that are probably meant to narrow another permit. A finding follows from the heads and from equal
//! parts of the conditions, so it is certain. Pairs that need a deeper analysis are not reported.

mod candidates;
mod head;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::Effect;

use cedargate_core::{Finding, Severity};
use cedargate_policy::PolicyEntry;
use cedargate_policy::analysis::{
    Annotations, AssembledPolicies, NormalForm, Place, SchemaIndex, Syntax, spread,
};

use candidates::Candidates;
use head::{Head, Reach};

/// Adds at most one finding for each policy. Policies with errors are not compared.
pub(super) fn check(
    assembled: &AssembledPolicies<'_>,
    schema: &SchemaIndex,
    findings: &mut Vec<Finding>,
) {
    let errors = ErrorLines::of(findings);
    let reach = Reach::default();
    let placed: Vec<_> = assembled.entries.iter().zip(&assembled.places).collect();
    let compared = spread(&placed, |(entry, place)| {
        if errors.touch(place) {
            return None;
        }
        ComparedPolicy::of(entry, place, assembled, (schema, &reach))
    });
    drop(errors);
    let mut compared: Vec<_> = compared.into_iter().flatten().collect();
    compared.sort_by_key(|one| (&*one.place.source.display_path, one.place.span.start));
    let candidates = Candidates::of(&compared);
    let indexes: Vec<_> = (0..compared.len()).collect();
    let found = spread(&indexes, |index| overlap(*index, &compared, &candidates));
    findings.extend(found.into_iter().flatten());
}

/// Returns the first finding about a policy and any other one. Other policies are tried in the order of
/// files and lines.
fn overlap(
    index: usize,
    compared: &[ComparedPolicy<'_>],
    candidates: &Candidates<'_>,
) -> Option<Finding> {
    let one = &compared[index];
    let first = |others: Vec<usize>,
                 finding: &dyn Fn(&ComparedPolicy<'_>, bool) -> Option<Finding>| {
        let mut others = others.into_iter().filter(|other| *other != index);
        others.find_map(|other| finding(&compared[other], other < index))
    };
    first(candidates.alike(one), &|other, is_earlier| {
        one.alike(other, is_earlier)
    })
    .or_else(|| {
        first(candidates.covering(one), &|other, is_earlier| {
            one.useless(other, is_earlier)
        })
    })
    .or_else(|| {
        first(candidates.wider_permits(one), &|other, is_earlier| {
            one.narrows(other, is_earlier)
        })
    })
}

/// The lines of files on which there are errors.
struct ErrorLines<'f>(HashMap<&'f str, BTreeSet<usize>>);

impl<'f> ErrorLines<'f> {
    fn of(findings: &'f [Finding]) -> Self {
        let mut lines: HashMap<_, BTreeSet<_>> = HashMap::new();
        for one in findings
            .iter()
            .filter(|one| one.severity == Severity::Error)
        {
            lines.entry(one.file.as_str()).or_default().insert(one.line);
        }
        Self(lines)
    }

    /// Returns true if there is an error on one of the lines of a policy.
    fn touch(&self, place: &Place<'_>) -> bool {
        let lines = self.0.get(&*place.source.display_path);
        lines.is_some_and(|lines| lines.range(place.lines()).next().is_some())
    }
}

struct ComparedPolicy<'a> {
    id: &'a str,
    place: &'a Place<'a>,
    annotations: &'a Annotations,
    syntax: Syntax<'a>,
    head: Head,
    condition: NormalForm,
    may_err: bool,
}

impl<'a> ComparedPolicy<'a> {
    /// Returns `None` if the policy can never match, which is reported elsewhere.
    fn of(
        entry: &PolicyEntry,
        place: &'a Place<'a>,
        assembled: &'a AssembledPolicies<'_>,
        (schema, reach): (&SchemaIndex, &Reach),
    ) -> Option<Self> {
        let policy = assembled.set.policy(&entry.policy_id())?;
        let head = Head::of(policy, schema, reach)?;
        let syntax = Syntax::from(policy);
        Some(Self {
            id: policy.id().as_ref(),
            place,
            annotations: assembled.annotations.get(policy.id())?,
            syntax,
            head,
            condition: syntax.normal_form(),
            may_err: syntax.may_err(),
        })
    }

    fn effect(&self) -> Effect {
        if self.syntax.forbids() {
            Effect::Forbid
        } else {
            Effect::Permit
        }
    }

    fn kind(&self) -> &'static str {
        if self.syntax.forbids() {
            "forbid"
        } else {
            "permit"
        }
    }

    fn named(&self) -> String {
        format!("{:?} ({})", self.id, self.place.line())
    }

    /// Returns true if this policy matches every request that the other can match.
    fn covers(&self, other: &Self) -> bool {
        self.head.covers(&other.head) && other.condition.implies(&self.condition)
    }

    fn alike(&self, other: &Self, is_earlier: bool) -> Option<Finding> {
        let same = is_earlier
            && self.effect() == other.effect()
            && self.annotations.shadow == other.annotations.shadow
            && self.head.names_same(&other.head)
            && self.condition == other.condition
            && !self.may_err;
        if !same {
            return None;
        }
        let own = self.own_annotations(other);
        let differing = if own.is_empty() {
            "its id".to_owned()
        } else {
            format!("its id and {}", own.join(", "))
        };
        let message = format!(
            "this {} differs from {} only in {differing}",
            self.kind(),
            other.named()
        );
        Some(self.finding("alike", message, "remove one of the two"))
    }

    fn useless(&self, other: &Self, is_earlier: bool) -> Option<Finding> {
        let (mine, its) = (self.effect(), other.effect());
        // Different step-ups may lift two forbids that refuse the same requests.
        let step_up = &self.annotations.step_up;
        let same_step_up = step_up.is_none() || *step_up == other.annotations.step_up;
        let certain = !self.may_err
            && !self.annotations.shadow
            && !other.annotations.shadow
            && (mine == its || its == Effect::Forbid)
            && same_step_up;
        if !certain || !other.covers(self) || (mine == its && !is_earlier && self.covers(other)) {
            return None;
        }
        let verb = |effect| match effect {
            Effect::Forbid => "forbids",
            Effect::Permit => "permits",
        };
        let mut message = format!(
            "this {} changes no decision: {} {} every request that it {}",
            self.kind(),
            other.named(),
            verb(its),
            verb(mine)
        );
        let own = self.own_annotations(other);
        let answers = own
            .iter()
            .filter(|one| ["@notice", "@code"].contains(&one.as_str()));
        let answers: Vec<_> = answers.map(String::as_str).collect();
        if mine == Effect::Forbid && !answers.is_empty() {
            message = format!("{message}; only its {} is added", answers.join(" and its "));
        }
        let help = format!("remove it, or narrow {:?}", other.id);
        Some(self.finding("useless", message, help))
    }

    fn narrows(&self, other: &Self, is_earlier: bool) -> Option<Finding> {
        let permits = self.effect() == Effect::Permit && other.effect() == Effect::Permit;
        let live = !self.annotations.shadow && !other.annotations.shadow;
        if !permits || !live || !other.head.covers(&self.head) {
            return None;
        }
        if !is_earlier && self.head.covers(&other.head) {
            return None;
        }
        let message = format!(
            "this permit is within the scope of {}: it does not restrict that permit",
            other.named()
        );
        let help = "to narrow that permit, write a forbid: a permit only adds permissions";
        Some(self.finding("permit_within", message, help))
    }

    fn finding(&self, code: &'static str, message: String, help: impl Into<String>) -> Finding {
        let finding = self.place.error(code, None, message);
        finding.severity(Severity::Finding).help(help)
    }

    /// Returns the sorted annotations that differ from those of the other policy.
    fn own_annotations(&self, other: &Self) -> Vec<String> {
        let read = |syntax: Syntax<'a>| -> BTreeMap<&str, &str> {
            let found = syntax.annotations();
            found.map(|one| (one.item.name, one.item.value)).collect()
        };
        let (mine, its) = (read(self.syntax), read(other.syntax));
        let names: BTreeSet<_> = mine.keys().chain(its.keys()).collect();
        let own = names
            .into_iter()
            .filter(|name| mine.get(*name) != its.get(*name));
        own.filter(|name| **name != "id")
            .map(|name| format!("@{name}"))
            .collect()
    }
}

//! Policies held against each other: alike, useless, or meant to narrow what only a forbid can narrow.
//! What is said here is certain: it is told from the heads and from parts of conditions that are the
//! same, and where that does not suffice, nothing is said.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, EntityUid, Policy, PrincipalConstraint,
    ResourceConstraint,
};

use cedargate_core::{Finding, Severity};
use cedargate_policy::analysis::{Annotations, Assembled, Normal, Place, SchemaIndex, Syntax};

/// Says what each policy is beside the others; those that are in error are left out, as what becomes of
/// them is not known.
pub(super) fn compare(
    assembled: &Assembled<'_>,
    schema: &SchemaIndex,
    findings: &mut Vec<Finding>,
) {
    let policies = assembled.set.policies();
    let mut known: Vec<_> = policies
        .filter_map(|policy| Known::of(policy, assembled, schema))
        .filter(|one| !one.place.is_in_error(findings))
        .collect();
    known.sort_by_key(|one| (&*one.place.source.shown, one.place.span.start));
    for (index, one) in known.iter().enumerate() {
        let (earlier, later) = (&known[..index], &known[index + 1..]);
        let others = || {
            earlier
                .iter()
                .map(|other| (other, true))
                .chain(later.iter().map(|other| (other, false)))
        };
        let said = others()
            .find_map(|(other, earlier)| one.alike(other, earlier))
            .or_else(|| others().find_map(|(other, earlier)| one.useless(other, earlier)))
            .or_else(|| others().find_map(|(other, earlier)| one.narrows(other, earlier)));
        findings.extend(said);
    }
}

/// What a head asks of principal or resource.
#[derive(Debug, Eq, PartialEq)]
enum Asked {
    Any,
    Is(EntityTypeName),
    Eq(EntityUid),
    In(EntityUid),
    IsIn(EntityTypeName, EntityUid),
}

impl From<PrincipalConstraint> for Asked {
    fn from(asked: PrincipalConstraint) -> Self {
        match asked {
            PrincipalConstraint::Any => Asked::Any,
            PrincipalConstraint::Is(of) => Asked::Is(of),
            PrincipalConstraint::Eq(uid) => Asked::Eq(uid),
            PrincipalConstraint::In(uid) => Asked::In(uid),
            PrincipalConstraint::IsIn(of, uid) => Asked::IsIn(of, uid),
        }
    }
}

impl From<ResourceConstraint> for Asked {
    fn from(asked: ResourceConstraint) -> Self {
        match asked {
            ResourceConstraint::Any => Asked::Any,
            ResourceConstraint::Is(of) => Asked::Is(of),
            ResourceConstraint::Eq(uid) => Asked::Eq(uid),
            ResourceConstraint::In(uid) => Asked::In(uid),
            ResourceConstraint::IsIn(of, uid) => Asked::IsIn(of, uid),
        }
    }
}

impl Asked {
    /// Whether all that meets `other`, which can only be of these types, meets this.
    fn covers(&self, other: &Self, types: &BTreeSet<EntityTypeName>) -> bool {
        let only = |of: &EntityTypeName| types.iter().all(|one| one == of);
        let inside = |uid: &EntityUid| matches!(other, Asked::Eq(one) | Asked::In(one) | Asked::IsIn(_, one) if one == uid);
        match self {
            Asked::Any => true,
            Asked::Is(of) => only(of),
            Asked::Eq(uid) => matches!(other, Asked::Eq(one) if one == uid),
            Asked::In(uid) => inside(uid),
            Asked::IsIn(of, uid) => only(of) && inside(uid),
        }
    }
}

struct Known<'a> {
    id: &'a str,
    place: &'a Place<'a>,
    annotations: &'a Annotations,
    syntax: Syntax<'a>,
    principal: Asked,
    resource: Asked,
    /// The actions that the head names, those of its groups included.
    actions: BTreeSet<EntityUid>,
    /// The actions and types for which it can match.
    reached: Reached,
    condition: Normal,
    may_err: bool,
}

#[derive(Default)]
struct Reached {
    principals: BTreeSet<EntityTypeName>,
    actions: BTreeSet<EntityUid>,
    resources: BTreeSet<EntityTypeName>,
}

impl<'a> Known<'a> {
    /// None of a policy that can never match: that is an error of its own.
    fn of(policy: &'a Policy, assembled: &'a Assembled<'_>, schema: &SchemaIndex) -> Option<Self> {
        let mut reached = Reached::default();
        for env in policy.get_valid_request_envs(&schema.cedar) {
            reached.principals.insert(env.principal().clone());
            reached.actions.insert(env.action().clone());
            reached.resources.insert(env.resource().clone());
        }
        if reached.actions.is_empty() {
            return None;
        }
        let (place, _) = assembled.places.get(policy.id())?;
        let syntax = Syntax::from(policy);
        Some(Self {
            id: policy.id().as_ref(),
            place,
            annotations: assembled.annotations.get(policy.id())?,
            syntax,
            principal: policy.principal_constraint().into(),
            resource: policy.resource_constraint().into(),
            actions: named_actions(&policy.action_constraint(), schema),
            reached,
            condition: syntax.condition(),
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

    /// Whether every request that the other one's head can match, this one's head matches.
    fn covers_head(&self, other: &Self) -> bool {
        self.principal
            .covers(&other.principal, &other.reached.principals)
            && other.reached.actions.is_subset(&self.actions)
            && self
                .resource
                .covers(&other.resource, &other.reached.resources)
    }

    /// Whether every request that the other one matches, this one matches.
    fn covers(&self, other: &Self) -> bool {
        self.covers_head(other) && other.condition.implies(&self.condition)
    }

    fn alike(&self, other: &Self, is_earlier: bool) -> Option<Finding> {
        let same = is_earlier
            && self.effect() == other.effect()
            && self.annotations.shadow == other.annotations.shadow
            && self.principal == other.principal
            && self.resource == other.resource
            && self.actions == other.actions
            && self.condition == other.condition
            && !self.may_err;
        if !same {
            return None;
        }
        let own = self.own_annotations(other);
        let but = if own.is_empty() {
            "its id".to_owned()
        } else {
            format!("its id and {}", own.join(", "))
        };
        let message = format!(
            "this {} is like {} in all but {but}",
            self.kind(),
            other.named()
        );
        Some(self.finding("alike", message, "remove one of the two"))
    }

    fn useless(&self, other: &Self, is_earlier: bool) -> Option<Finding> {
        let (mine, its) = (self.effect(), other.effect());
        // What forbids as much may yet be lifted otherwise.
        let step_up = &self.annotations.step_up;
        let lifted_alike = step_up.is_none() || *step_up == other.annotations.step_up;
        let certain = !self.may_err
            && !self.annotations.shadow
            && !other.annotations.shadow
            && (mine == its || its == Effect::Forbid)
            && lifted_alike;
        if !certain || !other.covers(self) || (mine == its && !is_earlier && self.covers(other)) {
            return None;
        }
        let verb = |effect| match effect {
            Effect::Forbid => "forbids",
            Effect::Permit => "permits",
        };
        let mut message = format!(
            "this {} changes no decision: {} {} all that it {}",
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
        if !permits || !live || !other.covers_head(self) {
            return None;
        }
        if !is_earlier && self.covers_head(other) {
            return None;
        }
        let message = format!(
            "this permit is within the scope of {}: it takes nothing away from what that one permits",
            other.named()
        );
        let help = "to narrow it, write a forbid: a permit only ever adds";
        Some(self.finding("permit_within", message, help))
    }

    fn finding(&self, code: &'static str, message: String, help: impl Into<String>) -> Finding {
        let finding = self.place.error(code, None, message);
        finding.severity(Severity::Finding).help(help)
    }

    /// The annotations that are not the other one's, sorted.
    fn own_annotations(&self, other: &Self) -> Vec<String> {
        let read = |syntax: Syntax<'a>| -> BTreeMap<&str, &str> {
            let found = syntax.annotations();
            found.map(|one| (one.what.name, one.what.value)).collect()
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

fn named_actions(named: &ActionConstraint, schema: &SchemaIndex) -> BTreeSet<EntityUid> {
    let is_named = |action: &EntityUid| match named {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == action,
        ActionConstraint::In(some) => some
            .iter()
            .any(|one| one == action || schema.is_in(action, one.id().unescaped())),
    };
    let actions = schema.cedar.actions();
    actions.filter(|one| is_named(one)).cloned().collect()
}

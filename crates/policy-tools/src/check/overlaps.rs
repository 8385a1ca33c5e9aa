//! Compares policies with each other. Finds policies that are alike, policies that change no decision, and
//! permits that are probably meant to narrow another permit. A finding follows from the heads and from equal
//! parts of the conditions, so it is certain. Pairs that need a deeper analysis are not reported.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, EntityUid, Policy, PrincipalConstraint,
    ResourceConstraint,
};

use cedargate_core::{Finding, Severity};
use cedargate_policy::analysis::{
    Annotations, AssembledPolicies, NormalForm, Place, SchemaIndex, Syntax,
};

/// Adds at most one finding for each policy. Policies with errors are not compared.
pub(super) fn check(
    assembled: &AssembledPolicies<'_>,
    schema: &SchemaIndex,
    findings: &mut Vec<Finding>,
) {
    let policies = assembled.set.policies();
    let mut compared: Vec<_> = policies
        .filter_map(|policy| ComparedPolicy::of(policy, assembled, schema))
        .filter(|one| !one.place.is_in_error(findings))
        .collect();
    compared.sort_by_key(|one| (&*one.place.source.display_path, one.place.span.start));
    for (index, one) in compared.iter().enumerate() {
        let (earlier, later) = (&compared[..index], &compared[index + 1..]);
        let others = || {
            earlier
                .iter()
                .map(|other| (other, true))
                .chain(later.iter().map(|other| (other, false)))
        };
        let found = others()
            .find_map(|(other, earlier)| one.alike(other, earlier))
            .or_else(|| others().find_map(|(other, earlier)| one.useless(other, earlier)))
            .or_else(|| others().find_map(|(other, earlier)| one.narrows(other, earlier)));
        findings.extend(found);
    }
}

/// The constraint of a head on the principal or the resource.
#[derive(Debug, Eq, PartialEq)]
enum Scope {
    Any,
    Is(EntityTypeName),
    Eq(EntityUid),
    In(EntityUid),
    IsIn(EntityTypeName, EntityUid),
}

impl From<PrincipalConstraint> for Scope {
    fn from(constraint: PrincipalConstraint) -> Self {
        match constraint {
            PrincipalConstraint::Any => Scope::Any,
            PrincipalConstraint::Is(of) => Scope::Is(of),
            PrincipalConstraint::Eq(uid) => Scope::Eq(uid),
            PrincipalConstraint::In(uid) => Scope::In(uid),
            PrincipalConstraint::IsIn(of, uid) => Scope::IsIn(of, uid),
        }
    }
}

impl From<ResourceConstraint> for Scope {
    fn from(constraint: ResourceConstraint) -> Self {
        match constraint {
            ResourceConstraint::Any => Scope::Any,
            ResourceConstraint::Is(of) => Scope::Is(of),
            ResourceConstraint::Eq(uid) => Scope::Eq(uid),
            ResourceConstraint::In(uid) => Scope::In(uid),
            ResourceConstraint::IsIn(of, uid) => Scope::IsIn(of, uid),
        }
    }
}

impl Scope {
    /// Returns true if every entity of `types` that meets `other` meets this constraint.
    fn covers(&self, other: &Self, types: &BTreeSet<EntityTypeName>) -> bool {
        let only = |of: &EntityTypeName| types.iter().all(|one| one == of);
        let inside = |uid: &EntityUid| matches!(other, Scope::Eq(one) | Scope::In(one) | Scope::IsIn(_, one) if one == uid);
        match self {
            Scope::Any => true,
            Scope::Is(of) => only(of),
            Scope::Eq(uid) => matches!(other, Scope::Eq(one) if one == uid),
            Scope::In(uid) => inside(uid),
            Scope::IsIn(of, uid) => only(of) && inside(uid),
        }
    }
}

struct ComparedPolicy<'a> {
    id: &'a str,
    place: &'a Place<'a>,
    annotations: &'a Annotations,
    syntax: Syntax<'a>,
    principal: Scope,
    resource: Scope,
    /// The actions that the head names, directly or by a group.
    actions: BTreeSet<EntityUid>,
    /// The actions and types for which the policy can match.
    reached: Reached,
    condition: NormalForm,
    may_err: bool,
}

#[derive(Default)]
struct Reached {
    principals: BTreeSet<EntityTypeName>,
    actions: BTreeSet<EntityUid>,
    resources: BTreeSet<EntityTypeName>,
}

impl<'a> ComparedPolicy<'a> {
    /// Returns `None` if the policy can never match, which is reported elsewhere.
    fn of(
        policy: &'a Policy,
        assembled: &'a AssembledPolicies<'_>,
        schema: &SchemaIndex,
    ) -> Option<Self> {
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

    /// Returns true if this head matches every request that the other head can match.
    fn covers_head(&self, other: &Self) -> bool {
        self.principal
            .covers(&other.principal, &other.reached.principals)
            && other.reached.actions.is_subset(&self.actions)
            && self
                .resource
                .covers(&other.resource, &other.reached.resources)
    }

    /// Returns true if this policy matches every request that the other can match.
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
        if !permits || !live || !other.covers_head(self) {
            return None;
        }
        if !is_earlier && self.covers_head(other) {
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

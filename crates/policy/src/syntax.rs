//! The syntax of policies, in the form that the rules and tools need. Cedar's public interface exposes
//! neither places nor expressions, and cedar-policy-core promises no stable interface: its syntax tree is
//! read only in this module and, for the index, in [`engine`](crate::engine).

mod clauses;
mod equivalence;
mod evaluator;
mod expression;
mod literals;
mod membership;
mod mutation_sites;
mod needs;
mod normal_form;
mod parsed;
mod paths;
mod reads;
mod values;

use std::ops::Range;

use cedar_policy_core::ast::{
    self, ActionConstraint, Effect, Expr, PrincipalConstraint, PrincipalOrResourceConstraint,
    ResourceConstraint,
};

use expression::range;

pub use clauses::Clause;
pub(crate) use evaluator::{PartEvaluator, PolicyPart, ScopeConstraint};
pub use literals::{HasTest, IpLiteral};
pub(crate) use membership::{RequiredPrincipal, names_users};
pub use mutation_sites::{MutationSite, SiteKind};
pub use normal_form::NormalForm;
pub use parsed::PolicyOrTemplate;
pub(crate) use reads::Reads;
pub(crate) use values::duration;
pub use values::duration_millis;

/// The syntax tree of a policy or a template.
#[derive(Clone, Copy)]
pub struct Syntax<'a>(&'a ast::Template);

/// An item of a policy with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// The item.
    pub item: T,
    /// The range in the file in bytes. `None` if Cedar does not know it.
    pub span: Option<Range<usize>>,
}

/// An annotation `@name("value")`. `@name` without a value has the empty value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annotation<'a> {
    /// The name without `@`.
    pub name: &'a str,
    /// The value.
    pub value: &'a str,
}

impl<'a> From<&'a cedar_policy::Policy> for Syntax<'a> {
    fn from(policy: &'a cedar_policy::Policy) -> Self {
        Self(AsRef::<ast::Policy>::as_ref(policy).template())
    }
}

impl<'a> From<&'a cedar_policy::Template> for Syntax<'a> {
    fn from(template: &'a cedar_policy::Template) -> Self {
        Self(template.as_ref())
    }
}

impl<'a> Syntax<'a> {
    /// Returns the range of the policy in its file in bytes, annotations included. Cedar leaves the
    /// annotations out of the range of some policies.
    pub fn span(self) -> Range<usize> {
        self.0.loc().map_or(0..0, range)
    }

    /// Returns true for a `forbid`.
    pub fn forbids(self) -> bool {
        self.0.effect() == Effect::Forbid
    }

    /// Returns the annotations with their places.
    pub fn annotations(self) -> impl Iterator<Item = Located<Annotation<'a>>> {
        self.0.annotations().map(|(name, annotation)| Located {
            item: Annotation {
                name: name.as_ref(),
                value: annotation.val.as_str(),
            },
            span: annotation.loc.as_ref().map(range),
        })
    }

    /// Returns the annotation of this name.
    pub fn annotation(self, name: &str) -> Option<Located<Annotation<'a>>> {
        self.annotations().find(|found| found.item.name == name)
    }

    /// Returns true if the scope restricts the action.
    pub fn names_action(self) -> bool {
        !matches!(self.0.action_constraint(), ActionConstraint::Any)
    }

    /// Returns true if the scope restricts principal and resource at most to a type.
    pub fn names_neither_principal_nor_resource(self) -> bool {
        use PrincipalOrResourceConstraint::{Any, Is};
        let principal = PrincipalConstraint::as_inner(self.0.principal_constraint());
        let resource = ResourceConstraint::as_inner(self.0.resource_constraint());
        [principal, resource]
            .into_iter()
            .all(|constraint| matches!(constraint, Any | Is(_)))
    }

    /// Returns all expressions in the conditions, each before those within it.
    fn expressions(self) -> impl Iterator<Item = &'a Expr> {
        self.0
            .non_scope_constraints()
            .into_iter()
            .flat_map(Expr::subexpressions)
    }
}

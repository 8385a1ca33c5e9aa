//! Policies and templates as they are parsed.

use std::sync::Arc;

use cedar_policy::{Policy, PolicyId, PolicySet, PolicySetError, Template};
use cedar_policy_core::ast;
use cedar_policy_core::parser::{self, Loc};

use super::Syntax;

/// A policy or a template, as Cedar parses it. Its syntax tree refers to a copy of the text, and there is no
/// second copy.
#[derive(Clone)]
pub enum PolicyOrTemplate {
    /// A policy without slots.
    Policy(ast::Policy),
    /// A policy with the slot `?principal`, `?resource` or both.
    Template(Arc<ast::Template>),
}

impl PolicyOrTemplate {
    /// Parses a text into its policies and templates, in their order. Returns `None` if Cedar finds an error.
    ///
    /// The text must not be nested too deeply.
    pub(crate) fn parse(text: &str) -> Option<Vec<Self>> {
        let parsed = parser::parse_policyset(text).ok()?;
        let policies = parsed.policies().cloned().map(Self::Policy);
        let templates = parsed.templates().cloned();
        let templates = templates.map(|template| Self::Template(Arc::new(template)));
        let mut all: Vec<_> = policies.chain(templates).collect();
        all.sort_by_key(|one| one.syntax().span().start);
        Some(all)
    }

    /// Returns the policy of this id in a set, or the template if it has no such policy.
    pub(crate) fn in_set(set: &PolicySet, id: &PolicyId) -> Option<Self> {
        if let Some(policy) = set.policy(id) {
            return Some(Self::Policy(AsRef::<ast::Policy>::as_ref(policy).clone()));
        }
        let template: &ast::Template = set.template(id)?.as_ref();
        Some(Self::Template(Arc::new(template.clone())))
    }

    /// Adds it to a set. Returns an error if the set has its id already.
    pub(crate) fn add_to(&self, set: &mut PolicySet) -> Result<(), Box<PolicySetError>> {
        let added = match self {
            PolicyOrTemplate::Policy(policy) => set.add(policy.clone().into()),
            PolicyOrTemplate::Template(template) => {
                set.add_template(ast::Template::clone(template).into())
            }
        };
        added.map_err(Box::new)
    }

    /// Returns its syntax tree.
    pub fn syntax(&self) -> Syntax<'_> {
        match self {
            PolicyOrTemplate::Policy(policy) => Syntax(policy.template()),
            PolicyOrTemplate::Template(template) => Syntax(template),
        }
    }

    /// Returns the id.
    pub fn id(&self) -> &str {
        match self {
            PolicyOrTemplate::Policy(policy) => policy.id().as_ref(),
            PolicyOrTemplate::Template(template) => template.id().as_ref(),
        }
    }

    /// Returns the same policy or template with another id.
    #[must_use]
    pub(crate) fn with_id(&self, id: &PolicyId) -> Self {
        let id = ast::PolicyID::from_string(AsRef::<str>::as_ref(id));
        match self {
            PolicyOrTemplate::Policy(policy) => Self::Policy(policy.new_id(id)),
            PolicyOrTemplate::Template(template) => Self::Template(Arc::new(template.new_id(id))),
        }
    }

    /// Returns the same policy or template without its annotations, which take a third of its memory.
    #[must_use]
    pub(crate) fn without_annotations(&self) -> Self {
        let template = self.syntax().0;
        let conditions = template.non_scope_constraints();
        let bare = ast::Template::new(
            template.id().clone(),
            template.loc().cloned(),
            ast::Annotations::new(),
            template.effect(),
            template.principal_constraint().clone(),
            template.action_constraint().clone(),
            template.resource_constraint().clone(),
            conditions.cloned(),
        );
        if self.is_template() {
            return Self::Template(Arc::new(bare));
        }
        match ast::StaticPolicy::try_from(bare) {
            Ok(policy) => Self::Policy(policy.into()),
            // A policy has no slots.
            Err(_) => self.clone(),
        }
    }

    /// Returns true for a template.
    pub fn is_template(&self) -> bool {
        matches!(self, PolicyOrTemplate::Template(_))
    }

    /// Returns the policy as Cedar's public type. Returns `None` for a template.
    pub fn policy(&self) -> Option<Policy> {
        match self {
            PolicyOrTemplate::Policy(policy) => Some(policy.clone().into()),
            PolicyOrTemplate::Template(_) => None,
        }
    }

    /// Returns the template as Cedar's public type. Returns `None` for a policy.
    pub fn template(&self) -> Option<Template> {
        match self {
            PolicyOrTemplate::Policy(_) => None,
            PolicyOrTemplate::Template(template) => Some(ast::Template::clone(template).into()),
        }
    }
}

impl<'a> Syntax<'a> {
    /// Returns the text that Cedar parsed, in which it counts positions. It may have more than this policy.
    pub(crate) fn parsed_text(self) -> Option<&'a Arc<str>> {
        Some(&self.0.loc()?.src)
    }

    /// Returns the text of the policy, annotations included.
    pub fn text(self) -> &'a str {
        self.0.loc().and_then(Loc::snippet).unwrap_or_default()
    }
}

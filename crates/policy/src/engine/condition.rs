//! The last level of the index: the equality that conditions begin with.
//!
//! A policy is not satisfied if one of the first operands of `&&` in its conditions is false, as long as
//! no operand before it can fail: the policy must then not be left out, since its failure counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy_core::ast::{
    BinaryOp, Context, EntityUID, Expr, ExprKind, Literal, PartialValue, Value, ValueKind, Var,
};
use cedar_policy_core::entities::Dereference;
use smol_str::SmolStr;

use super::scope::{Constraint, Map};
use super::view::RequestView;

/// The first operands of the conditions of a policy.
#[derive(Default)]
pub(super) struct Leading {
    principal: Option<Vec<Constraint>>,
    resource: Option<Vec<Constraint>>,
    pub(super) equality: Option<Equality>,
}

/// An attribute that is equal to one of some literals.
pub(super) struct Equality {
    attribute: Attribute,
    literals: Vec<Literal>,
}

/// An attribute that conditions read.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Attribute {
    path: Path,
    /// True if a `has` comes first, so that without the attribute the condition is false and does not
    /// fail.
    guarded: bool,
}

/// The path of a variable or an attribute, such as `context.session.acr`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Path {
    root: Var,
    names: Vec<Box<str>>,
}

impl Path {
    /// Returns true if the `has` that tests for this attribute can fail. `principal has claims` cannot;
    /// `principal.claims has department` fails for a principal without claims.
    fn guard_can_fail(&self) -> bool {
        self.names.len() > 1
    }
}

impl Leading {
    /// Reads the first operands of `&&` of a condition.
    pub(super) fn of(condition: Option<&Expr>) -> Self {
        let mut leading = Self::default();
        let mut guards: Vec<Path> = Vec::new();
        for operand in condition.map(operands).unwrap_or_default() {
            if let Some((variable, constraints)) = membership(operand) {
                let narrowed = match variable {
                    Var::Principal => &mut leading.principal,
                    Var::Resource => &mut leading.resource,
                    Var::Action | Var::Context => continue,
                };
                if !guards.iter().any(Path::guard_can_fail) {
                    narrowed.get_or_insert(constraints);
                }
            } else if let Some(guard) = guard(operand) {
                guards.push(guard);
            } else {
                leading.equality = equality(operand, &guards);
                break;
            }
        }
        leading
    }

    /// Returns the constraints on the principal, of which one must match.
    pub(super) fn principals(&self, scope: Constraint) -> Vec<Constraint> {
        narrowed(scope, self.principal.as_ref())
    }

    /// Returns the constraints on the resource, of which one must match.
    pub(super) fn resources(&self, scope: Constraint) -> Vec<Constraint> {
        narrowed(scope, self.resource.as_ref())
    }
}

fn narrowed(scope: Constraint, leading: Option<&Vec<Constraint>>) -> Vec<Constraint> {
    match (scope, leading) {
        (Constraint::Any, Some(leading)) => leading.clone(),
        (scope, _) => vec![scope],
    }
}

/// Returns the operands of `&&` in the order of their evaluation.
fn operands(condition: &Expr) -> Vec<&Expr> {
    let mut operands = Vec::new();
    let mut open = vec![condition];
    while let Some(expression) = open.pop() {
        match expression.expr_kind() {
            ExprKind::And { left, right } => open.extend([&**right, &**left]),
            _ => operands.push(expression),
        }
    }
    operands
}

/// Reads `principal == E`, `principal in E`, `principal in [E, …]` and `principal is T`, and the same with
/// `resource` and `action`. None of them can fail.
fn membership(operand: &Expr) -> Option<(Var, Vec<Constraint>)> {
    match operand.expr_kind() {
        ExprKind::Is { expr, entity_type } => {
            let constraint = Constraint::OfType(Arc::new(entity_type.clone()));
            Some((variable(expr)?, vec![constraint]))
        }
        ExprKind::BinaryApp {
            op: BinaryOp::Eq,
            arg1,
            arg2,
        } => {
            let (variable, uid) = match (variable(arg1), variable(arg2)) {
                (Some(variable), None) => (variable, entity(arg2)?),
                (None, Some(variable)) => (variable, entity(arg1)?),
                _ => return None,
            };
            Some((variable, vec![Constraint::Equal(uid)]))
        }
        ExprKind::BinaryApp {
            op: BinaryOp::In,
            arg1,
            arg2,
        } => {
            let groups = match arg2.expr_kind() {
                ExprKind::Set(items) => items.iter().map(entity).collect::<Option<Vec<_>>>()?,
                _ => vec![entity(arg2)?],
            };
            let constraints = groups.into_iter().map(Constraint::Within);
            Some((variable(arg1)?, constraints.collect()))
        }
        _ => None,
    }
}

/// Returns the variable that an expression is, if it is an entity in every request.
fn variable(expression: &Expr) -> Option<Var> {
    match expression.expr_kind() {
        ExprKind::Var(variable) if *variable != Var::Context => Some(*variable),
        _ => None,
    }
}

fn entity(expression: &Expr) -> Option<Arc<EntityUID>> {
    match literal(expression)? {
        Literal::EntityUID(uid) => Some(Arc::clone(uid)),
        _ => None,
    }
}

fn literal(expression: &Expr) -> Option<&Literal> {
    match expression.expr_kind() {
        ExprKind::Lit(literal) => Some(literal),
        _ => None,
    }
}

/// Reads `variable has name` and `variable.name has name`.
fn guard(operand: &Expr) -> Option<Path> {
    let ExprKind::HasAttr { expr, attr } = operand.expr_kind() else {
        return None;
    };
    let mut path = path(expr)?;
    path.names.push(attr.as_str().into());
    Some(path)
}

/// Reads `attribute == literal`, `literal == attribute` and `[literal, …].contains(attribute)`. Returns
/// `None` if a guard before it can fail although the attribute has a value.
fn equality(operand: &Expr, guards: &[Path]) -> Option<Equality> {
    let ExprKind::BinaryApp { op, arg1, arg2 } = operand.expr_kind() else {
        return None;
    };
    let (read, mut literals) = match (op, arg1.expr_kind(), arg2.expr_kind()) {
        (BinaryOp::Eq, _, ExprKind::Lit(literal)) => (arg1, vec![literal.clone()]),
        (BinaryOp::Eq, ExprKind::Lit(literal), _) => (arg2, vec![literal.clone()]),
        (BinaryOp::Contains, ExprKind::Set(items), _) => {
            let literals = items.iter().map(|item| literal(item).cloned());
            (arg2, literals.collect::<Option<_>>()?)
        }
        _ => return None,
    };
    literals.sort_unstable();
    literals.dedup();
    let path = path(read).filter(|path| !path.names.is_empty())?;
    let mut others = guards.iter().filter(|guard| **guard != path);
    if others.any(Path::guard_can_fail) {
        return None;
    }
    let guarded = guards.contains(&path);
    Some(Equality {
        attribute: Attribute { path, guarded },
        literals,
    })
}

fn path(expression: &Expr) -> Option<Path> {
    match expression.expr_kind() {
        ExprKind::Var(variable) => Some(Path {
            root: *variable,
            names: Vec::new(),
        }),
        ExprKind::GetAttr { expr, attr } => {
            let mut path = path(expr)?;
            path.names.push(attr.as_str().into());
            Some(path)
        }
        _ => None,
    }
}

/// The policies by the equality that their conditions begin with.
#[derive(Debug, Default)]
pub(super) struct ByCondition {
    /// The policies whose conditions begin with something else.
    others: Vec<u32>,
    by_attribute: Map<Attribute, ByLiteral>,
}

#[derive(Debug, Default)]
struct ByLiteral {
    all: Vec<u32>,
    by_literal: Map<Literal, Vec<u32>>,
}

impl ByCondition {
    /// Adds the policy at this position.
    pub(super) fn add(&mut self, equality: Option<&Equality>, at: u32) {
        let Some(equality) = equality else {
            return self.others.push(at);
        };
        let by_literal = self
            .by_attribute
            .entry(equality.attribute.clone())
            .or_default();
        by_literal.all.push(at);
        for literal in &equality.literals {
            let equal = by_literal.by_literal.entry(literal.clone()).or_default();
            equal.push(at);
        }
    }

    /// Adds the positions of the policies that the request can satisfy to `found`.
    pub(super) fn matching(&self, view: &RequestView<'_>, found: &mut Vec<u32>) {
        found.extend(&self.others);
        for (attribute, by_literal) in &self.by_attribute {
            let equal = match attribute.value(view) {
                Found::Literal(literal) => by_literal.by_literal.get(literal),
                Found::Absent if attribute.guarded => None,
                Found::Absent | Found::Other => Some(&by_literal.all),
            };
            found.extend(equal.into_iter().flatten());
        }
    }
}

/// The value of an attribute in a request.
enum Found<'r> {
    Literal(&'r Literal),
    /// The record or entity that would have the attribute does not have it.
    Absent,
    /// Another value, or no record or entity that could have the attribute.
    Other,
}

/// A record or an entity.
enum Owner<'r> {
    Record(&'r BTreeMap<SmolStr, Value>),
    Entity(&'r EntityUID),
}

impl<'r> Owner<'r> {
    fn new(value: &'r Value) -> Option<Self> {
        match value.value_kind() {
            ValueKind::Record(members) => Some(Self::Record(members)),
            ValueKind::Lit(Literal::EntityUID(uid)) => Some(Self::Entity(uid)),
            _ => None,
        }
    }
}

impl Attribute {
    fn value<'r>(&self, view: &RequestView<'r>) -> Found<'r> {
        let request = view.request;
        let root = match self.path.root {
            Var::Principal => request.principal().uid().map(Owner::Entity),
            Var::Action => request.action().uid().map(Owner::Entity),
            Var::Resource => request.resource().uid().map(Owner::Entity),
            Var::Context => match request.context() {
                Some(Context::Value(members)) => Some(Owner::Record(members)),
                _ => None,
            },
        };
        let Some((last, names)) = self.path.names.split_last() else {
            return Found::Other;
        };
        let owner = names.iter().try_fold(root, |owner, name| {
            let value = member(owner?, name, view)??;
            Some(Owner::new(value))
        });
        let Some(owner) = owner.flatten() else {
            return Found::Other;
        };
        match member(owner, last, view) {
            Some(None) => Found::Absent,
            Some(Some(value)) => match value.value_kind() {
                ValueKind::Lit(literal) => Found::Literal(literal),
                _ => Found::Other,
            },
            None => Found::Other,
        }
    }
}

/// Returns a member of a record or an attribute of an entity. Returns `None` if the request does not have
/// the entity, and `Some(None)` if there is no such member.
fn member<'r>(owner: Owner<'r>, name: &str, view: &RequestView<'r>) -> Option<Option<&'r Value>> {
    match owner {
        Owner::Record(members) => Some(members.get(name)),
        Owner::Entity(uid) => match view.entities.entity(uid) {
            Dereference::Data(entity) => match entity.get(name) {
                None => Some(None),
                Some(PartialValue::Value(value)) => Some(Some(value)),
                Some(PartialValue::Residual(_)) => None,
            },
            _ => None,
        },
    }
}

//! Our own view of a policy's syntax: what it says where, in words that the rules need. Cedar's public
//! interface tells no places and no expressions, and cedar-policy-core promises no stable interface:
//! so its syntax tree is read here and below, and nowhere else.

mod likeness;
mod membership;
mod needs;
mod normal;
mod paths;
mod reader;
mod reads;
mod sites;
mod values;

use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Range;

use cedar_policy::{Context, Entities, EntityUid, EvalResult, Expression, Request};
use cedar_policy_core::ast::{
    self, ActionConstraint, BinaryOp, Effect, Expr, ExprKind, Literal, PrincipalConstraint,
    PrincipalOrResourceConstraint, ResourceConstraint, UnaryOp, Var,
};
use cedar_policy_core::parser::Loc;

pub(crate) use membership::{Required, names_users};
pub use normal::Normal;
pub(crate) use paths::Observed;
pub(crate) use reader::{Head, Part, Reader};
pub use sites::{Site, Slip};

/// A policy or a template, as it is written.
#[derive(Clone, Copy)]
pub struct Syntax<'a>(&'a ast::Template);

/// Something in a policy, and where in its file it stands, in bytes, if Cedar knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    pub what: T,
    pub span: Option<Range<usize>>,
}

/// `@name("value")`; `@name` alone has the empty value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annotation<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

/// `has`: the names that are asked for, and of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Has<'a> {
    pub name: &'a str,
    /// Of `principal.claims`.
    pub of_claims: bool,
}

/// `ip("…")`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ip {
    pub address: IpAddr,
    /// The length of the prefix, if it is shorter than the address: then it is a range.
    pub prefix: Option<u8>,
    /// It is what `isInRange` is asked of.
    pub as_range: bool,
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
    /// Where it stands in its file, in bytes; without its annotations when Cedar knows no better.
    pub fn span(self) -> Range<usize> {
        self.0.loc().map_or(0..0, range)
    }

    pub fn forbids(self) -> bool {
        self.0.effect() == Effect::Forbid
    }

    pub fn annotations(self) -> impl Iterator<Item = Found<Annotation<'a>>> {
        self.0.annotations().map(|(name, annotation)| Found {
            what: Annotation {
                name: name.as_ref(),
                value: annotation.val.as_str(),
            },
            span: annotation.loc.as_ref().map(range),
        })
    }

    pub fn annotation(self, name: &str) -> Option<Found<Annotation<'a>>> {
        self.annotations().find(|found| found.what.name == name)
    }

    /// Whether its head says anything about the action.
    pub fn names_action(self) -> bool {
        !matches!(self.0.action_constraint(), ActionConstraint::Any)
    }

    /// Whether its head names no principal and no resource: at most their types.
    pub fn is_of_all(self) -> bool {
        use PrincipalOrResourceConstraint::{Any, Is};
        let principal = PrincipalConstraint::as_inner(self.0.principal_constraint());
        let resource = ResourceConstraint::as_inner(self.0.resource_constraint());
        [principal, resource]
            .into_iter()
            .all(|asked| matches!(asked, Any | Is(_)))
    }

    /// Every entity that it names, in its head and in its conditions, but for actions in the head.
    pub fn entities(self) -> Vec<Found<EntityUid>> {
        let principal = PrincipalConstraint::as_inner(self.0.principal_constraint());
        let resource = ResourceConstraint::as_inner(self.0.resource_constraint());
        let head = [principal.get_euid(), resource.get_euid()];
        let head = head.into_iter().flatten().map(|uid| Found {
            what: EntityUid::from(uid.as_ref().clone()),
            span: uid.loc().map(range),
        });
        let named = self
            .parts()
            .filter_map(|part| Some(found(part, entity(part)?.clone().into())));
        head.chain(named).collect()
    }

    /// The entities in its conditions that are compared otherwise than by `in`.
    pub fn entities_outside_in(self) -> Vec<Found<EntityUid>> {
        let mut behind_in = HashSet::new();
        for part in self.parts() {
            if let ExprKind::BinaryApp { op, arg2, .. } = part.expr_kind()
                && *op == BinaryOp::In
            {
                behind_in.extend(arg2.subexpressions().map(std::ptr::from_ref));
            }
        }
        let outside = self
            .parts()
            .filter(|part| !behind_in.contains(&std::ptr::from_ref(*part)));
        outside
            .filter_map(|part| Some(found(part, entity(part)?.clone().into())))
            .collect()
    }

    /// Every name that a `has` asks for.
    pub fn asked_names(self) -> Vec<Found<Has<'a>>> {
        let mut asked = Vec::new();
        for part in self.parts() {
            let (of, names): (_, Vec<&str>) = match part.expr_kind() {
                ExprKind::HasAttr { expr, attr } => (expr, vec![attr]),
                ExprKind::ExtHasAttr { expr, attrs } => {
                    (expr, attrs.iter().map(AsRef::as_ref).collect())
                }
                _ => continue,
            };
            let mut of_claims = attribute(of, "claims").is_some();
            for name in names {
                asked.push(found(part, Has { name, of_claims }));
                of_claims = name == "claims";
            }
        }
        asked
    }

    /// Every `ip("…")`.
    pub fn ips(self) -> Vec<Found<Ip>> {
        let ranges: HashSet<_> = self
            .parts()
            .filter_map(|part| match part.expr_kind() {
                ExprKind::ExtensionFunctionApp { fn_name, args }
                    if fn_name.to_string() == "isInRange" =>
                {
                    args.get(1).map(std::ptr::from_ref)
                }
                _ => None,
            })
            .collect();
        self.parts()
            .filter_map(|part| {
                let (address, prefix) = ip(part)?;
                let as_range = ranges.contains(&std::ptr::from_ref(part));
                Some(found(
                    part,
                    Ip {
                        address,
                        prefix,
                        as_range,
                    },
                ))
            })
            .collect()
    }

    /// The ages, in milliseconds, of the last strong sign-in up to which it may not match:
    /// `context.session.sinceStrong <= duration("…")` where that takes the policy out of the way, and
    /// `>` where it brings it about. (To Cedar `a > b` is `!(a <= b)`, and `unless` is a `!` too.)
    pub fn lifted_by_sign_in(self) -> Vec<i64> {
        let mut ages = Vec::new();
        let mut open: Vec<_> = self
            .0
            .non_scope_constraints()
            .map(|whole| (whole, true))
            .into_iter()
            .collect();
        while let Some((part, holds)) = open.pop() {
            match part.expr_kind() {
                ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                    open.extend([(&**left, holds), (&**right, holds)]);
                }
                ExprKind::UnaryApp {
                    op: UnaryOp::Not,
                    arg,
                } => open.push((&**arg, !holds)),
                ExprKind::If {
                    then_expr,
                    else_expr,
                    ..
                } => open.extend([(&**then_expr, holds), (&**else_expr, holds)]),
                _ if !holds => ages.extend(since_strong_limit(part)),
                _ => {}
            }
        }
        ages
    }

    /// The top-level clauses of its conditions, in their order: what `when` joins with `&&`, and what
    /// `unless` joins with `||`.
    pub fn clauses(self) -> Vec<Clause<'a>> {
        let mut clauses = Vec::new();
        let mut open: Vec<_> = self.0.non_scope_constraints().into_iter().collect();
        while let Some(part) = open.pop() {
            match part.expr_kind() {
                ExprKind::And { left, right } if sites::is_written(left, right) => {
                    open.extend([&**right, &**left]);
                }
                ExprKind::UnaryApp {
                    op: UnaryOp::Not,
                    arg,
                } if is_unless(part) => clauses.extend(unless(arg)),
                _ => clauses.push(Clause {
                    part,
                    unless: false,
                }),
            }
        }
        clauses
    }

    /// All parts of its conditions, the conditions themselves first.
    fn parts(self) -> impl Iterator<Item = &'a Expr> {
        self.0
            .non_scope_constraints()
            .into_iter()
            .flat_map(Expr::subexpressions)
    }
}

/// A top-level clause of a policy's conditions.
#[derive(Clone, Copy)]
pub struct Clause<'a> {
    part: &'a Expr,
    /// It stands in `unless`: the policy applies where it is false.
    pub unless: bool,
}

impl Clause<'_> {
    /// Where it stands in its file, in bytes.
    pub fn span(self) -> Range<usize> {
        self.part.source_loc().map_or(0..0, range)
    }
}

/// Cedar reads `unless { … }` as a `!` that stands where the word does.
fn is_unless(part: &Expr) -> bool {
    let written = part.source_loc().and_then(Loc::snippet);
    written.is_some_and(|text| text.starts_with("unless"))
}

fn unless(condition: &Expr) -> Vec<Clause<'_>> {
    let mut clauses = Vec::new();
    let mut open = vec![condition];
    while let Some(part) = open.pop() {
        match part.expr_kind() {
            ExprKind::Or { left, right } => open.extend([&**right, &**left]),
            _ => clauses.push(Clause { part, unless: true }),
        }
    }
    clauses
}

/// The bytes that a location spans.
fn range(loc: &Loc) -> Range<usize> {
    loc.start()..loc.end()
}

fn found<T>(part: &Expr, what: T) -> Found<T> {
    let span = part.source_loc().map(range);
    Found { what, span }
}

fn is_variable(part: &Expr, variable: Var) -> bool {
    matches!(part.expr_kind(), ExprKind::Var(named) if *named == variable)
}

fn entity(part: &Expr) -> Option<&ast::EntityUID> {
    match part.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(uid),
        _ => None,
    }
}

fn since_strong_limit(part: &Expr) -> Option<i64> {
    let ExprKind::BinaryApp {
        op: BinaryOp::LessEq,
        arg1,
        arg2,
    } = part.expr_kind()
    else {
        return None;
    };
    let session = attribute(arg1, "sinceStrong")?;
    let context = attribute(session, "session")?;
    is_variable(context, Var::Context).then_some(())?;
    duration_millis(call(arg2, "duration")?)
}

fn attribute<'a>(part: &'a Expr, name: &str) -> Option<&'a Expr> {
    match part.expr_kind() {
        ExprKind::GetAttr { expr, attr } if attr == name => Some(expr),
        _ => None,
    }
}

/// The literal in `name("…")`.
fn call<'a>(part: &'a Expr, name: &str) -> Option<&'a str> {
    let ExprKind::ExtensionFunctionApp { fn_name, args } = part.expr_kind() else {
        return None;
    };
    match args.first()?.expr_kind() {
        ExprKind::Lit(Literal::String(text)) if fn_name.to_string() == name => Some(text),
        _ => None,
    }
}

/// The address in `ip("…")`, and the length of its prefix if that is a part of it.
fn ip(part: &Expr) -> Option<(IpAddr, Option<u8>)> {
    let text = call(part, "ip")?;
    let Some((address, prefix)) = text.split_once('/') else {
        return Some((text.parse().ok()?, None));
    };
    let (address, prefix): (IpAddr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
    let whole = if address.is_ipv4() { 32 } else { 128 };
    Some((address, (prefix < whole).then_some(prefix)))
}

/// A Cedar duration in milliseconds, as Cedar reads it.
pub fn duration_millis(text: &str) -> Option<i64> {
    // The text becomes part of an expression: nothing but what durations are written with.
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        .then_some(())?;
    let expression: Expression = format!("duration(\"{text}\").toMilliseconds()")
        .parse()
        .ok()?;
    // Cedar evaluates nothing without a request; this expression asks nothing of it.
    let nobody: EntityUid = "Gate::Anonymous::\"anonymous\"".parse().ok()?;
    let context = Context::empty();
    let request = Request::new(nobody.clone(), nobody.clone(), nobody, context, None).ok()?;
    match cedar_policy::eval_expression(&request, &Entities::empty(), &expression) {
        Ok(EvalResult::Long(millis)) => Some(millis),
        _ => None,
    }
}

/// So many seconds as a Cedar duration: `1h6m40s`.
pub(crate) fn duration(seconds: u64) -> String {
    let millis = i64::try_from(seconds)
        .ok()
        .and_then(|it| it.checked_mul(1000));
    values::duration(millis.unwrap_or(i64::MAX))
}

//! The entities, attribute names and addresses that a policy names.

use std::collections::HashSet;
use std::net::IpAddr;

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, PrincipalConstraint, ResourceConstraint};

use super::expression::{attribute, call, entity, located, range};
use super::{Located, Syntax};

/// A name that a `has` tests for.
#[derive(Clone, Debug, PartialEq)]
pub struct HasTest<'a> {
    /// The name of the attribute.
    pub name: &'a str,
    /// True for a member of `claims`.
    pub of_claims: bool,
}

/// The literal `ip("…")`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IpLiteral {
    /// The address without its prefix.
    pub address: IpAddr,
    /// The length of the prefix in bits. `None` for a single address.
    pub prefix: Option<u8>,
    /// True if it is the argument of `isInRange`.
    pub as_range: bool,
}

impl<'a> Syntax<'a> {
    /// Returns the entities in the scope and in the conditions, except actions in the scope.
    pub fn entities(self) -> Vec<Located<EntityUid>> {
        let principal = PrincipalConstraint::as_inner(self.0.principal_constraint());
        let resource = ResourceConstraint::as_inner(self.0.resource_constraint());
        let scope = [principal.get_euid(), resource.get_euid()];
        let scope = scope.into_iter().flatten().map(|uid| Located {
            item: EntityUid::from(uid.as_ref().clone()),
            span: uid.loc().map(range),
        });
        scope
            .chain(self.expressions().filter_map(located_entity))
            .collect()
    }

    /// Returns the entities in the conditions that are not on the right of `in`.
    pub fn entities_compared_without_in(self) -> Vec<Located<EntityUid>> {
        let mut right_of_in = HashSet::new();
        for expression in self.expressions() {
            if let ExprKind::BinaryApp { op, arg2, .. } = expression.expr_kind()
                && *op == BinaryOp::In
            {
                right_of_in.extend(arg2.subexpressions().map(std::ptr::from_ref));
            }
        }
        self.expressions()
            .filter(|expression| !right_of_in.contains(&std::ptr::from_ref(*expression)))
            .filter_map(located_entity)
            .collect()
    }

    /// Returns the names that `has` tests for. `a has b.c` tests for `b` and for `c`.
    pub fn has_tests(self) -> Vec<Located<HasTest<'a>>> {
        let mut tests = Vec::new();
        for expression in self.expressions() {
            let (tested, names): (_, Vec<&str>) = match expression.expr_kind() {
                ExprKind::HasAttr { expr, attr } => (expr, vec![attr]),
                ExprKind::ExtHasAttr { expr, attrs } => {
                    (expr, attrs.iter().map(AsRef::as_ref).collect())
                }
                _ => continue,
            };
            let mut of_claims = attribute(tested, "claims").is_some();
            for name in names {
                tests.push(located(expression, HasTest { name, of_claims }));
                of_claims = name == "claims";
            }
        }
        tests
    }

    /// Returns the literals `ip("…")`.
    pub fn ip_literals(self) -> Vec<Located<IpLiteral>> {
        let ranges: HashSet<_> = self
            .expressions()
            .filter_map(|expression| match expression.expr_kind() {
                ExprKind::ExtensionFunctionApp { fn_name, args }
                    if fn_name.to_string() == "isInRange" =>
                {
                    args.get(1).map(std::ptr::from_ref)
                }
                _ => None,
            })
            .collect();
        let literals = self.expressions().filter_map(|expression| {
            let (address, prefix) = address_and_prefix(expression)?;
            let as_range = ranges.contains(&std::ptr::from_ref(expression));
            let literal = IpLiteral {
                address,
                prefix,
                as_range,
            };
            Some(located(expression, literal))
        });
        literals.collect()
    }
}

fn located_entity(expression: &Expr) -> Option<Located<EntityUid>> {
    Some(located(expression, entity(expression)?.clone().into()))
}

/// Parses `ip("…")`. A prefix as long as the address is left out.
fn address_and_prefix(expression: &Expr) -> Option<(IpAddr, Option<u8>)> {
    let text = call(expression, "ip")?;
    let Some((address, prefix)) = text.split_once('/') else {
        return Some((text.parse().ok()?, None));
    };
    let (address, prefix): (IpAddr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
    let address_bits = if address.is_ipv4() { 32 } else { 128 };
    Some((address, (prefix < address_bits).then_some(prefix)))
}

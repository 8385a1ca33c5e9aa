//! The members of contexts and the attributes of authenticators, as `gate.cedarschema` declares them.
//!
//! All code that builds requests, reads them from JSON, masks them, or completes those of older releases
//! uses this one description.

use std::collections::BTreeMap;
use std::ops::BitOrAssign;
use std::sync::{Arc, LazyLock};

use cedar_policy_core::ast::{Context, Value};
use serde_json::Value as Json;
use smol_str::SmolStr;

use cedargate_core::{Authenticator, Confirmation, Factors, Timestamp};

use crate::AuthorizationRequest;
use crate::values::{TYPES, datetime, entity, ip, never, record, seconds, set, string, strings};

/// The type of a leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Address,
    Bool,
    Datetime,
    Duration,
    Entity,
    Entities,
    Long,
    Text,
    Texts,
}

/// A member that is not a record.
pub(crate) struct Leaf<F> {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Builds the value.
    pub(crate) build: F,
}

/// A member of the context.
pub(crate) enum Member {
    Record(&'static str, &'static [ContextLeaf]),
    Leaf(ContextLeaf),
}

/// A leaf of the context.
pub(crate) struct ContextLeaf {
    /// The leaf. It builds `None` if the context of the request has no such member.
    pub(crate) leaf: Leaf<fn(&AuthorizationRequest<'_>) -> Option<Value>>,
    /// The JSON of the value that replaces a masked one: the weakest value.
    neutral: &'static str,
    /// True if requests that were written for an older release may lack it. They get the neutral value.
    pub(crate) is_new: bool,
}

impl ContextLeaf {
    const fn new(
        name: &'static str,
        kind: Kind,
        neutral: &'static str,
        build: fn(&AuthorizationRequest<'_>) -> Option<Value>,
    ) -> Self {
        Self {
            leaf: Leaf { name, kind, build },
            neutral,
            is_new: false,
        }
    }

    const fn new_in_this_release(self) -> Self {
        Self {
            is_new: true,
            ..self
        }
    }

    /// Returns the value that replaces a masked one.
    pub(crate) fn neutral(&self) -> Json {
        serde_json::from_str(self.neutral).expect("each neutral value is JSON")
    }
}

/// The members of all contexts, in the order of names.
pub(crate) static CONTEXT: &[Member] = &[
    Member::Record("factors", FACTORS),
    Member::Leaf(ContextLeaf::new(
        "methodType",
        Kind::Entity,
        r#"{"type": "Gate::MethodType", "id": "webauthn_passkey"}"#,
        |request| {
            let method_type = request.method_type()?;
            Some(entity(&TYPES.method_type, method_type))
        },
    )),
    Member::Record("network", NETWORK),
    Member::Leaf(ContextLeaf::new(
        "now",
        Kind::Datetime,
        r#""1970-01-01T00:00:00.000Z""#,
        |request| Some(datetime(request.now)),
    )),
    Member::Record("session", SESSION),
    Member::Leaf(ContextLeaf::new(
        "tenant",
        Kind::Entity,
        r#"{"type": "Gate::Tenant", "id": "00000000-0000-0000-0000-000000000000"}"#,
        |request| Some(entity(&TYPES.tenant, request.tenant()?)),
    )),
];

const FACTORS: &[ContextLeaf] = &[
    ContextLeaf::new("count", Kind::Long, "0", |request| {
        Some(count(request.factors()?))
    }),
    ContextLeaf::new("methodTypes", Kind::Entities, "[]", |request| {
        Some(method_types(request.factors()?))
    }),
    ContextLeaf::new("reset", Kind::Bool, "false", |request| {
        Some(request.factors()?.reset.into())
    })
    .new_in_this_release(),
];

const NETWORK: &[ContextLeaf] = &[ContextLeaf::new(
    "address",
    Kind::Address,
    r#""0.0.0.0""#,
    |request| Some(ip(request.address)),
)];

const SESSION: &[ContextLeaf] = &[
    ContextLeaf::new("acr", Kind::Text, r#""""#, |request| {
        Some(string(&request.session()?.acr))
    }),
    ContextLeaf::new("amr", Kind::Texts, "[]", |request| {
        Some(strings(&request.session()?.amr))
    }),
    ContextLeaf::new("authenticatorAge", Kind::Duration, r#""0s""#, |request| {
        Some(match request.session()?.confirmation {
            Confirmation::Nothing => seconds(0),
            Confirmation::SignIn => never(),
            Confirmation::Authenticator { enrolled_at, .. } => {
                seconds(request.now.since(enrolled_at).as_secs())
            }
        })
    })
    .new_in_this_release(),
    ContextLeaf::new(
        "sinceBackupCode",
        Kind::Duration,
        r#""36500d""#,
        |request| {
            let code = request.session()?.code.as_ref();
            Some(since(request, code.map(|code| code.at)))
        },
    ),
    ContextLeaf::new("sinceStrong", Kind::Duration, r#""36500d""#, |request| {
        Some(since(request, request.session()?.strong_at))
    }),
    ContextLeaf::new("trusted", Kind::Bool, "false", |request| {
        Some(request.session()?.trusted().into())
    })
    .new_in_this_release(),
];

fn since(request: &AuthorizationRequest<'_>, moment: Option<Timestamp>) -> Value {
    moment.map_or_else(never, |moment| seconds(request.now.since(moment).as_secs()))
}

fn count(factors: &Factors) -> Value {
    i64::try_from(factors.count).unwrap_or(i64::MAX).into()
}

fn method_types(factors: &Factors) -> Value {
    let types = factors.method_types.iter();
    set(types.map(|method_type| entity(&TYPES.method_type, method_type)))
}

/// Builds `context.factors`.
pub(crate) fn factors(factors: &Factors) -> Value {
    record([
        ("count", count(factors)),
        ("methodTypes", method_types(factors)),
        ("reset", factors.reset.into()),
    ])
}

/// Builds the context of a request.
pub(crate) fn context(request: &AuthorizationRequest<'_>) -> Context {
    context_with(request, Leaves::ALL)
}

/// Builds the context of a request with these leaves only. A record without a wanted leaf is left out.
pub(crate) fn context_with(request: &AuthorizationRequest<'_>, wanted: Leaves) -> Context {
    let mut at = 0;
    let mut context = BTreeMap::new();
    for member in CONTEXT {
        let (name, value) = match member {
            Member::Leaf(leaf) => {
                let is_wanted = wanted.contains(at);
                at += 1;
                (
                    leaf.leaf.name,
                    is_wanted.then(|| (leaf.leaf.build)(request)).flatten(),
                )
            }
            Member::Record(name, leaves) => {
                let first = at;
                at += leaves.len();
                let leaves = leaves.iter().zip(first..);
                let leaves = leaves.filter(|(_, at)| wanted.contains(*at));
                let build = |(leaf, _): (&ContextLeaf, _)| {
                    Some((leaf.leaf.name, (leaf.leaf.build)(request)?))
                };
                // All leaves of a record are missing if one is.
                let members = leaves.map(build).collect::<Option<Vec<_>>>();
                (*name, members.filter(|built| !built.is_empty()).map(record))
            }
        };
        context.extend(value.map(|value| (SmolStr::new_static(name), value)));
    }
    Context::Value(Arc::new(context))
}

/// Some leaves of the context, by their positions in [`leaves`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Leaves(u32);

/// Counts the leaves, so that a bit stands for each.
const _: () = {
    let (mut count, mut at) = (0, 0);
    while at < CONTEXT.len() {
        count += match &CONTEXT[at] {
            Member::Leaf(_) => 1,
            Member::Record(_, leaves) => leaves.len(),
        };
        at += 1;
    }
    assert!(count <= 32, "`Leaves` has a bit for each leaf");
};

impl Leaves {
    pub(crate) const ALL: Self = Self(u32::MAX);

    fn contains(self, at: usize) -> bool {
        self.0 & (1 << at) != 0
    }

    /// Adds the leaves that an expression reads whose longest path is this one: the leaf, the record that
    /// it is in, or a part of it.
    pub(crate) fn add_read(&mut self, path: &str) {
        static PATHS: LazyLock<Vec<String>> =
            LazyLock::new(|| leaves().map(|(path, _)| path).collect());
        let is_in = |inner: &str, outer: &str| {
            let rest = inner.strip_prefix(outer);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        for (at, leaf) in PATHS.iter().enumerate() {
            if is_in(path, leaf) || is_in(leaf, path) {
                self.0 |= 1 << at;
            }
        }
    }
}

impl BitOrAssign for Leaves {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Returns the leaves of the context with their paths, such as `context.session.acr`, in the order of
/// paths.
pub(crate) fn leaves() -> impl Iterator<Item = (String, &'static ContextLeaf)> {
    CONTEXT.iter().flat_map(|member| {
        let (record, leaves) = match member {
            Member::Leaf(leaf) => ("context".to_owned(), std::slice::from_ref(leaf)),
            Member::Record(name, leaves) => (format!("context.{name}"), *leaves),
        };
        let leaves = leaves.iter();
        leaves.map(move |member| (format!("{record}.{}", member.leaf.name), member))
    })
}

/// An attribute of an authenticator.
type AuthenticatorLeaf = Leaf<fn(&Authenticator) -> Value>;

/// The attributes of a `Gate::Authenticator`.
pub(crate) static AUTHENTICATOR: &[AuthenticatorLeaf] = &[
    Leaf {
        name: "methodType",
        kind: Kind::Entity,
        build: |record| entity(&TYPES.method_type, record.method_type),
    },
    Leaf {
        name: "provenModel",
        kind: Kind::Entity,
        build: |record| model(record.proven_model),
    },
    Leaf {
        name: "claimedModel",
        kind: Kind::Entity,
        build: |record| model(record.claimed_model),
    },
    Leaf {
        name: "claimedTransports",
        kind: Kind::Texts,
        build: |record| strings(&record.claimed_transports),
    },
    Leaf {
        name: "userVerified",
        kind: Kind::Bool,
        build: |record| record.user_verified.into(),
    },
    Leaf {
        name: "backupEligible",
        kind: Kind::Bool,
        build: |record| record.backup_eligible.into(),
    },
    Leaf {
        name: "backedUp",
        kind: Kind::Bool,
        build: |record| record.backed_up.into(),
    },
];

/// Builds a `Gate::AuthenticatorModel`, whose id is all zero if the model is unknown.
fn model(model: Option<uuid::Uuid>) -> Value {
    entity(&TYPES.model, model.unwrap_or_default())
}

//! The vocabulary of cedargate: tenants, users, authenticators, actions, findings and decisions.
//!
//! The crate holds values: how they are parsed, and the one way in which each is written. It knows no
//! Cedar, does no I/O and reads no clock.

mod account;
mod action;
mod bytes;
mod caller;
mod decision;
mod finding;
mod id;
pub mod json;
mod method_type;
mod origin;
pub mod path;
mod session;
mod timestamp;

pub use account::{Authenticator, Confirmer, Factors, Means};
pub use action::Action;
pub use bytes::Bytes;
pub use caller::{Member, User, Visitor};
pub use decision::{Decided, DecisionInput, Effect, Recourse, Shadow, StepUp};
pub use finding::{Finding, Findings, Severity, nearest};
pub use id::{GroupId, IdError, IssuerName, Tenant, UserId, hyphenated};
pub use method_type::MethodType;
pub use origin::Origin;
pub use session::{CodeKind, CodeSetId, CodeUse, Confirmation, Session, SessionKey};
pub use timestamp::Timestamp;

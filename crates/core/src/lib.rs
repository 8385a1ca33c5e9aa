//! The vocabulary of cedargate: ids, callers, authenticators, actions, decisions and findings.
//!
//! ```
//! use cedargate_core::{GateAction, Tenant, UserId};
//!
//! # fn main() -> Result<(), cedargate_core::IdError> {
//! let alice: UserId = "corp|2489e9ad-2ee2-8e00-8ec9-32d5f69181c0|alice".parse()?;
//! assert_eq!(alice.issuer.as_str(), "corp");
//! let tenant: Tenant = "2489E9AD-2EE2-8E00-8EC9-32D5F69181C0".parse()?;
//! assert_eq!(alice.tenant, Some(tenant));
//! assert_eq!(GateAction::ListMfaMethods.as_str(), "listMfaMethods");
//! # Ok(())
//! # }
//! ```
//!
//! - Ids: [`UserId`], [`GroupId`], [`Tenant`], [`IssuerName`], and the path patterns in [`path`].
//! - Callers: [`User`] with its [`Session`], [`Visitor`] and [`Member`].
//! - Accounts: [`Authenticator`], [`MethodType`], and the facts about them: [`Factors`] and [`Means`].
//! - Decisions: [`Action`], [`Decision`], [`Effect`] and [`StepUp`].
//! - Problems in files: [`Finding`], with its place and an excerpt.
//! - Values: [`Bytes`], [`Origin`], [`Timestamp`], and a strict [`json`] parser.
//!
//! The crate does not depend on Cedar, does no I/O and reads no clock. Each value has one spelling, in
//! which it is parsed and written.

#![warn(missing_docs)]

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
pub use action::{Action, GateAction, Target};
pub use bytes::Bytes;
pub use caller::{Member, User, Visitor};
pub use decision::{Decision, Effect, Recourse, STEP_UP_ACR, ShadowDecision, StepUp};
pub use finding::{Finding, Findings, Severity, nearest};
pub use id::{GroupId, IdError, IssuerName, Tenant, UserId, hyphenated};
pub use method_type::{MethodType, UnknownMethodType};
pub use origin::{Origin, OriginError};
pub use session::{CodeKind, CodeSetId, CodeUse, Confirmation, Session, SessionKey};
pub use timestamp::Timestamp;

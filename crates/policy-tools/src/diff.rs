//! Compares two bundles. Lists the differences between their policies, and the test cases and recorded
//! decisions that they decide differently.
//!
//! [`Sides::named`] finds the two folders or git revisions, [`Comparison`] holds the bundles side by side,
//! and [`compare`] decides cases and recorded decisions with both.

mod canonical;
mod comparison;
mod differences;
mod git;
mod requests;
mod sides;

pub use comparison::{ChangeKind, ChangedDecision, Comparison, ComparisonResult, suspects};
pub use differences::{ClaimDifferences, ListedPolicy, PolicyDifferences, RenamedPolicy};
pub use requests::{
    ComparedRequest, RequestChange, RequestDifferences, RequestPosition, UndecidedRequest, compare,
};
pub use sides::{Side, SideSources, Sides};

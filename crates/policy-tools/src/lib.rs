//! Tools for the Cedar policies of cedargate: what `cedargate policy …` does, as a library.

mod canonical;
pub mod check;
pub mod comparison;
pub mod coverage;
pub mod difference;
pub mod format;
pub mod mutation;
mod policy_files;
#[cfg(test)]
mod tests;

pub use policy_files::PolicyFiles;

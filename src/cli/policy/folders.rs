//! Where the policy tools find the policies.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::Failure;
use crate::policy::{Bundle, Sources};

/// The policies that a tool works on.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Folders {
    /// The policy folder.
    #[arg(long, value_name = "FOLDER", default_value = "./policies")]
    pub(super) policies: PathBuf,
    /// The schema folder.
    #[arg(long, value_name = "FOLDER", default_value = "./schema")]
    pub(super) schema: PathBuf,
}

impl Folders {
    /// Reads and loads them.
    ///
    /// # Errors
    /// All that keeps them from loading; exit code 1.
    pub(super) fn load(&self) -> Result<Bundle, Failure> {
        let sources = Sources::read(&self.policies, &self.schema).map_err(Failure::policies)?;
        Bundle::load(&sources).map_err(Failure::policies)
    }
}

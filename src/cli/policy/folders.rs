//! Where the policy tools find the policies.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::config;
use crate::policy::{Bundle, Requirements, Sources};

/// The policies that a tool works on.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Folders {
    /// The policy folder.
    #[arg(long, value_name = "FOLDER", default_value = "./policies")]
    pub(super) policies: PathBuf,
    /// The schema folder.
    #[arg(long, value_name = "FOLDER", default_value = "./schema")]
    pub(super) schema: PathBuf,
    /// Require of the policies what [policies] of this configuration requires (`canaries`, `required`).
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl Folders {
    /// Reads and loads them.
    ///
    /// # Errors
    /// All that keeps them from loading; exit code 1.
    pub(super) fn load(&self) -> Result<Bundle, Failure> {
        self.load_with(&self.requirements()?)
    }

    /// As [`Folders::load`], for a tool that says why policies decide as they do: whatever loads may be
    /// asked, canary requests too.
    ///
    /// # Errors
    /// As [`Folders::load`].
    pub(super) fn load_any(&self) -> Result<Bundle, Failure> {
        self.load_with(&Requirements::none())
    }

    fn load_with(&self, requirements: &Requirements) -> Result<Bundle, Failure> {
        let sources = Sources::read(&self.policies, &self.schema).map_err(Failure::policies)?;
        Bundle::load_with(&sources, requirements).map_err(Failure::policies)
    }

    /// What is required of policies to be put in force.
    ///
    /// # Errors
    /// What is wrong with the configuration; exit code 2.
    pub(super) fn requirements(&self) -> Result<Requirements, Failure> {
        let read = |file: &Path| config::load_for_policies(std::env::vars_os(), file);
        match self.config.as_deref().map(read) {
            None => Ok(Requirements::default()),
            Some(Ok(configuration)) => Ok(configuration.requirements),
            Some(Err(findings)) => Err(Failure::configuration(findings)),
        }
    }
}

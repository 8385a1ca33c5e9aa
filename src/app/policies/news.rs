//! The outcomes of loads, and the news about them.

use std::sync::Arc;

use crate::gate::InForce;
use cedargate_core::Finding;

/// The reason why the policies in force are not those in the folders.
#[derive(Debug)]
pub struct LoadFailure {
    /// The findings that keep the policies from loading. Never empty.
    pub findings: Vec<Finding>,
}

#[derive(Clone)]
pub enum ReloadOutcome {
    /// The policies had changed, and are now in force.
    Replaced(Arc<InForce>),
    /// The policies are those that were in force already.
    Unchanged(Arc<InForce>),
    /// The policies do not load.
    Failed(Arc<LoadFailure>),
}

/// A change that is reported to the operator, once.
pub enum News<'a> {
    /// Other policies are in force.
    Replaced(&'a InForce),
    /// A requested load changed nothing.
    Unchanged(&'a InForce),
    /// The folders load again, and hold the policies that are in force.
    Recovered(&'a InForce),
    /// The folders do not load, or fail for a new reason. The policies in force stay.
    Failed(&'a LoadFailure, &'a InForce),
}

/// Receives the news about policies, for the log or the terminal.
pub trait Observer: Send + Sync {
    /// Called on the thread that loads.
    fn notify(&self, news: &News<'_>);
}

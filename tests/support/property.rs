//! Properties that are checked on generated cases. The unit tests of the packages include this file too.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The number of times that cases had an outcome, by its name.
#[derive(Default)]
pub(crate) struct Tally(RefCell<BTreeMap<&'static str, usize>>);

impl Tally {
    /// Counts an outcome so many times.
    pub(crate) fn add(&self, outcome: &'static str, times: usize) {
        *self.0.borrow_mut().entry(outcome).or_default() += times;
    }
}

/// Checks a property on this many generated cases. Each outcome in `needed` must be counted at least that
/// often: a property can hold only because the cases are too much alike.
#[track_caller]
pub(crate) fn check<S: Strategy>(
    cases: u32,
    strategy: &S,
    needed: &[(&'static str, usize)],
    property: impl Fn(S::Value, &Tally) -> Result<(), TestCaseError>,
) {
    let tally = Tally::default();
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let checked = runner.run(strategy, |case| property(case, &tally));
    if let Err(error) = checked {
        panic!("{error}");
    }
    let tally = tally.0.into_inner();
    for (outcome, least) in needed {
        let times = tally.get(outcome).copied().unwrap_or_default();
        assert!(
            times >= *least,
            "{outcome}: {times} of {cases} cases, not {least}"
        );
    }
}

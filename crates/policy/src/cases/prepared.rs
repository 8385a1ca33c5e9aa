//! Cases that were read with a schema, which any bundle with that schema can run.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use cedargate_core::Decision;

use crate::members::{member, string, strings};
use crate::{Bundle, PreparedRequest, RequestError, parallel};

use super::Case;

/// The request of a case and the expected decision.
#[derive(Clone, Debug)]
pub struct PreparedCase {
    /// The request.
    pub request: PreparedRequest,
    /// The expected decision.
    pub expected: Expected,
}

impl PreparedCase {
    /// Decides the request. Returns the decision and a message for each member that is not as expected.
    pub fn run(&self, bundle: &Bundle) -> (Decision, Vec<String>) {
        let actual = bundle.evaluate(&self.request);
        let failures = self.expected.differences(&actual);
        (actual, failures)
    }

    /// Returns true if the decision is as expected.
    pub fn holds(&self, bundle: &Bundle) -> bool {
        self.run(bundle).1.is_empty()
    }
}

/// The result of running a valid case.
#[derive(Clone, Debug)]
pub struct CaseRun {
    /// The case.
    pub case: PreparedCase,
    /// The decision.
    pub actual: Decision,
    /// A message for each member that is not as expected. Empty if the case passed.
    pub failures: Vec<String>,
}

/// Runs cases on all cores. Returns the results in the order of the cases, with the error of each invalid
/// case, for [`Case::finding`].
///
/// # Errors
/// The system starts no thread.
pub fn run_all(bundle: &Bundle, cases: &[Case]) -> io::Result<Vec<Result<CaseRun, RequestError>>> {
    parallel::map(cases, |case| {
        let case = case.prepare(bundle)?;
        let (actual, failures) = case.run(bundle);
        Ok(CaseRun {
            case,
            actual,
            failures,
        })
    })
}

/// The expected decision of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// `allow` or `deny`.
    pub decision: String,
    /// Ids that must be among the determining policies.
    pub reason: Vec<String>,
    /// The exact number of evaluation errors.
    pub num_errors: u64,
    /// The exact notices in their order, if the case has the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notices: Option<Vec<String>>,
    /// The code of the error response, if the case has the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Expected {
    pub(super) fn read(case: &Map<String, Value>) -> Result<Self, RequestError> {
        let decision = string(case, "decision")?;
        if !matches!(decision, "allow" | "deny") {
            let problem = format!(" is \"allow\" or \"deny\", not {decision:?}");
            return Err(RequestError::invalid("decision", problem));
        }
        let num_errors = member(case, "num_errors")?.as_u64();
        Ok(Self {
            decision: decision.to_owned(),
            reason: strings(member(case, "reason")?, "reason")?,
            num_errors: num_errors
                .ok_or_else(|| RequestError::invalid("num_errors", " is not a whole number"))?,
            notices: case
                .get("notices")
                .map(|value| strings(value, "notices"))
                .transpose()?,
            code: case
                .get("code")
                .map(|_| string(case, "code").map(str::to_owned))
                .transpose()?,
        })
    }

    /// Returns a message for each member of the decision that is not as expected.
    fn differences(&self, actual: &Decision) -> Vec<String> {
        let mut failures = Vec::new();
        if self.decision != actual.as_cedar() {
            failures.push(format!(
                "decision: expected {:?}, was {:?}",
                self.decision,
                actual.as_cedar()
            ));
        }
        for id in self
            .reason
            .iter()
            .filter(|id| !actual.policies.contains(id))
        {
            failures.push(format!(
                "reason: {id:?} did not determine the decision, {:?} did",
                actual.policies
            ));
        }
        if self.num_errors != actual.errors.len() as u64 {
            failures.push(format!(
                "num_errors: expected {}, was {:?}",
                self.num_errors, actual.errors
            ));
        }
        if let Some(expected) = &self.notices
            && *expected != actual.notices
        {
            failures.push(format!(
                "notices: expected {expected:?}, was {:?}",
                actual.notices
            ));
        }
        if let Some(expected) = &self.code
            && Some(expected.as_str()) != actual.code()
        {
            failures.push(match actual.code() {
                Some(code) => format!("code: expected {expected:?}, was {code:?}"),
                None => format!("code: expected {expected:?}, was none"),
            });
        }
        failures
    }
}

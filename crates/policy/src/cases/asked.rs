//! A case as one bundle understands it: read once, asked of any bundle with the same schema.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::inquiry::{Inquiry, Verdict, member, string, strings};
use crate::{Bundle, parallel};

use super::Case;

/// What a case asks, and what it expects.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is asked.
    pub inquiry: Inquiry,
    /// What is expected.
    pub expected: Expected,
}

impl Asked {
    /// Asks a bundle: what it says, and a sentence for each member that is not as expected.
    pub fn run(&self, bundle: &Bundle) -> (Verdict, Vec<String>) {
        let actual = bundle.answer(&self.inquiry);
        let failures = self.expected.differs(&actual);
        (actual, failures)
    }

    /// Whether all is as expected.
    pub fn holds(&self, bundle: &Bundle) -> bool {
        self.run(bundle).1.is_empty()
    }
}

/// What came of a case that could be asked.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What was asked and expected.
    pub asked: Asked,
    /// What the policies said.
    pub actual: Verdict,
    /// A sentence for each member that is not as expected. Empty: it passed.
    pub failures: Vec<String>,
}

/// Runs cases on all cores. Of one that cannot be asked comes a sentence, for [`Case::finding`].
///
/// # Errors
/// The system gives no thread.
pub fn run_all(bundle: &Bundle, cases: &[Case]) -> io::Result<Vec<Result<Answered, String>>> {
    parallel::map(cases, |case| {
        let asked = case.ask(bundle)?;
        let (actual, failures) = asked.run(bundle);
        Ok(Answered {
            asked,
            actual,
            failures,
        })
    })
}

/// What a case expects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// `allow` or `deny`.
    pub decision: String,
    /// A subset of the determining policies.
    pub reason: Vec<String>,
    /// Exactly so many evaluation errors.
    pub num_errors: u64,
    /// Exactly these, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notices: Option<Vec<String>>,
    /// The code that the caller would be answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Expected {
    pub(super) fn read(case: &Map<String, Value>) -> Result<Self, String> {
        let decision = string(case, "decision")?;
        if !matches!(decision, "allow" | "deny") {
            return Err(format!(
                "\"decision\" is \"allow\" or \"deny\", not {decision:?}"
            ));
        }
        let num_errors = member(case, "num_errors")?.as_u64();
        Ok(Self {
            decision: decision.to_owned(),
            reason: strings(member(case, "reason")?, "reason")?,
            num_errors: num_errors.ok_or("\"num_errors\" is a whole number")?,
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

    fn differs(&self, actual: &Verdict) -> Vec<String> {
        let mut failures = Vec::new();
        if self.decision != actual.decision {
            failures.push(format!(
                "decision: expected {:?}, was {:?}",
                self.decision, actual.decision
            ));
        }
        for id in self.reason.iter().filter(|id| !actual.reason.contains(id)) {
            failures.push(format!(
                "reason: {id:?} did not determine the decision, {:?} did",
                actual.reason
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
            && Some(expected) != actual.code.as_ref()
        {
            failures.push(match &actual.code {
                Some(code) => format!("code: expected {expected:?}, was {code:?}"),
                None => format!("code: expected {expected:?}, was none"),
            });
        }
        failures
    }
}

//! The report as JUnit XML for build servers: one suite for each test file.

use std::collections::BTreeMap;

use cedargate_core::Finding;
use cedargate_policy_tools::test_run::{CaseOutcome, CaseResult, TestReport};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::text::details;
use crate::cli::failure::Failure;

/// The suite of findings that are about no file, such as a minimum that is not reached.
const NO_FILE: &str = "policies";

/// Writes the report.
///
/// # Errors
/// The XML cannot be written.
pub(super) fn report(report: &TestReport) -> Result<String, Failure> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    let mut add = |file, name: &str, line: usize, status| {
        let suite = suites.entry(file);
        let suite = suite.or_insert_with(|| TestSuite::new(xml(file)));
        suite.add_test_case(element(file, name, line, status));
    };
    for CaseResult { case, outcome } in &report.cases {
        let status = match outcome {
            CaseOutcome::Passed => TestCaseStatus::success(),
            CaseOutcome::Failed(failed) => {
                let message = failed.differences.join("; ");
                let text = details(case.request(), failed);
                status(NonSuccessKind::Failure, &message, &text)
            }
            CaseOutcome::Invalid(finding) => error(finding),
        };
        add(case.file.as_str(), &case.name, case.line, status);
    }
    // Problems beside the cases are elements of their own, so that no server shows the run as passed.
    for finding in &report.findings {
        let file = match finding.file.as_str() {
            "" => NO_FILE,
            file => file,
        };
        add(file, finding.code, finding.line, error(finding));
    }
    let mut junit = Report::new("cedargate policy test");
    junit.add_test_suites(suites.into_values());
    junit.to_string().map_err(|error| {
        Failure::usage("internal", format!("the report has no JUnit XML: {error}"))
    })
}

fn element(file: &str, name: &str, line: usize, status: TestCaseStatus) -> TestCase {
    let mut element = TestCase::new(xml(name), status);
    element.set_classname(xml(file));
    element.extra.insert("file".into(), xml(file).into());
    element.extra.insert("line".into(), line.to_string().into());
    element
}

fn error(finding: &Finding) -> TestCaseStatus {
    status(
        NonSuccessKind::Error,
        &finding.message,
        &finding.to_string(),
    )
}

fn status(kind: NonSuccessKind, message: &str, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(xml(message)).set_description(xml(text));
    status
}

/// Replaces tabs, which `quick_junit` would remove, and the two characters that are no XML and that it would
/// keep.
fn xml(text: &str) -> String {
    text.replace('\t', " ")
        .replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_survives_but_for_characters_that_are_no_xml() {
        let text = "a < b && \"c\" > 'd'\n\tü ]]> \u{1b}[0m\u{1} \u{ffff}";
        let mut suite = TestSuite::new("a");
        suite.add_test_case(element(
            "a.json",
            text,
            1,
            status(NonSuccessKind::Error, text, text),
        ));
        let mut junit = Report::new("b");
        junit.add_test_suite(suite);
        let written = junit.to_string().unwrap();
        let parsed = roxmltree::Document::parse(&written).unwrap();
        let error = parsed.descendants().find(|one| one.has_tag_name("error"));
        let error = error.unwrap();
        let expected = "a < b && \"c\" > 'd'\n ü ]]>  \u{fffd}";
        assert_eq!(error.text(), Some(expected));
        // Readers of XML make spaces of line feeds in attributes.
        let message = expected.replace('\n', " ");
        assert_eq!(error.attribute("message"), Some(message.as_str()));
    }
}

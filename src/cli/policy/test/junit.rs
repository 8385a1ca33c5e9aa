//! The report as JUnit XML for build servers: one suite for each test file.

use std::collections::BTreeMap;

use cedargate_core::Finding;
use cedargate_policy_tools::test_run::{CaseResult, CaseStatus, TestReport};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::text::details;
use crate::cli::failure::Failure;

/// The suite of findings without a file, such as a minimum that is not reached.
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
    for CaseResult {
        case,
        status: case_status,
    } in &report.cases
    {
        let status = match case_status {
            CaseStatus::Passed => TestCaseStatus::success(),
            CaseStatus::Failed(failed) => {
                let message = failed.differences.join("; ");
                let text = details(case.request(), failed);
                status(NonSuccessKind::Failure, &message, &text)
            }
            CaseStatus::Invalid(finding) => error(finding),
        };
        add(case.file.as_str(), &case.name, case.line, status);
    }
    // Findings become test cases that fail, so that no build server shows the run as passed.
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
        Failure::usage(
            "internal",
            format!("the JUnit report cannot be written: {error}"),
        )
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

/// Replaces tabs, which `quick_junit` removes, and U+FFFE and U+FFFF, which XML does not allow and
/// `quick_junit` keeps.
fn xml(text: &str) -> String {
    text.replace('\t', " ")
        .replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_except_for_characters_that_xml_does_not_allow() {
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
        // XML parsers replace line feeds in attributes with spaces (XML 1.0, section 3.3.3).
        let message = expected.replace('\n', " ");
        assert_eq!(error.attribute("message"), Some(message.as_str()));
    }
}

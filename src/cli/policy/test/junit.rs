//! A run of the cases as JUnit XML, as build servers read it: a suite for each file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::round::{End, Ran, Report};
use super::text::details;
use crate::finding::Finding;

/// What is wrong and stands in no file, such as a minimum that is not reached.
const NO_FILE: &str = "policies";

/// The elements of one suite, and how many of them there are.
#[derive(Default)]
struct Suite {
    tests: usize,
    failures: usize,
    errors: usize,
    cases: String,
}

pub(super) fn report(report: &Report) -> String {
    let mut suites: BTreeMap<&str, Suite> = BTreeMap::new();
    for ran in &report.cases {
        suites.entry(&ran.case.file).or_default().case(ran);
    }
    for finding in &report.findings {
        let file = match finding.file.as_str() {
            "" => NO_FILE,
            file => file,
        };
        suites.entry(file).or_default().finding(file, finding);
    }
    let sum = |count: fn(&Suite) -> usize| suites.values().map(count).sum::<usize>();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"cedargate policy test\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
        sum(|one| one.tests),
        sum(|one| one.failures),
        sum(|one| one.errors)
    );
    for (
        file,
        Suite {
            tests,
            failures,
            errors,
            cases,
        },
    ) in &suites
    {
        let name = escaped(file);
        let _ = write!(
            xml,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n{cases}  </testsuite>\n"
        );
    }
    xml.push_str("</testsuites>\n");
    xml
}

impl Suite {
    fn case(&mut self, Ran { case, end }: &Ran) {
        let inner = match end {
            End::Passed => None,
            End::Failed(failed) => {
                self.failures += 1;
                let message = failed.differences.join("; ");
                Some(("failure", message, details(case.request(), failed)))
            }
            End::NotAsked(finding) => {
                self.errors += 1;
                Some(("error", finding.message.clone(), finding.to_string()))
            }
        };
        self.element(&case.name, &case.file, case.line, inner);
    }

    /// What is wrong beside the cases is an element of its own, so that no server takes it for green.
    fn finding(&mut self, file: &str, finding: &Finding) {
        self.errors += 1;
        let inner = ("error", finding.message.clone(), finding.to_string());
        self.element(finding.code, file, finding.line, Some(inner));
    }

    fn element(
        &mut self,
        name: &str,
        file: &str,
        line: usize,
        inner: Option<(&str, String, String)>,
    ) {
        self.tests += 1;
        let (name, file) = (escaped(name), escaped(file));
        let _ = write!(
            self.cases,
            "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\""
        );
        let _ = match inner {
            None => writeln!(self.cases, "/>"),
            Some((kind, message, text)) => {
                let (message, text) = (escaped(&message), escaped(&text));
                writeln!(
                    self.cases,
                    ">\n      <{kind} message=\"{message}\">{text}</{kind}>\n    </testcase>"
                )
            }
        };
    }
}

/// A text as it stands in an attribute and in an element. What XML cannot say is replaced.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            // As they are, a reader makes spaces of them in an attribute.
            '\n' | '\r' | '\t' => {
                let _ = write!(xml, "&#{};", u32::from(c));
            }
            '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            c if c < ' ' => xml.push('\u{fffd}'),
            c => xml.push(c),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_back_as_it_was_but_for_what_xml_cannot_say() {
        let text = "a < b && \"c\" > 'd'\n\tü \u{1b}[0m \u{ffff}";
        let xml = format!("<a b=\"{0}\">{0}</a>", escaped(text));
        let parsed = roxmltree::Document::parse(&xml).unwrap();
        let said = text.replace(['\u{1b}', '\u{ffff}'], "\u{fffd}");
        assert_eq!(parsed.root_element().attribute("b"), Some(said.as_str()));
        assert_eq!(parsed.root_element().text(), Some(said.as_str()));
    }
}

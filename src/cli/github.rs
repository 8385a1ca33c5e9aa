//! Writes findings as workflow commands of GitHub Actions, which shows them beside the lines:
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>.

use std::fmt::Write as _;

use cedargate_core::{Finding, Severity};

/// Writes one workflow command, on one line, for each finding.
pub(super) fn annotations(findings: &[Finding]) -> String {
    findings.iter().map(annotation).collect()
}

fn annotation(finding: &Finding) -> String {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Finding => "warning",
        Severity::Note => "notice",
    };
    // GitHub expects the path of a file within the repository, without a leading `./`.
    let file = finding.file.trim_start_matches("./");
    let mut properties = String::new();
    if !file.is_empty() {
        let _ = write!(properties, "file={},", property(file));
    }
    for (name, number) in [("line", finding.line), ("col", finding.column)] {
        if number > 0 {
            let _ = write!(properties, "{name}={number},");
        }
    }
    let _ = write!(properties, "title={}", property(finding.code));
    let mut message = finding.message.clone();
    if let Some(help) = &finding.help {
        let _ = write!(message, "\n{help}");
    }
    format!("::{command} {properties}::{}\n", data(&message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_end_a_command_or_a_property_are_escaped() {
        let text = "a\nb 100%, c: d\n";
        let finding = Finding::error("syntax", "./a,b:c%.cedar", "100%, x: y\r\nz")
            .at(text, 4..5)
            .help("do\nthis");
        assert_eq!(
            annotation(&finding),
            "::error file=a%2Cb%3Ac%25.cedar,line=2,col=3,title=syntax::100%25, x: y%0D%0Az%0Ado%0Athis\n"
        );
    }

    #[test]
    fn severity_becomes_the_command_and_an_unknown_place_is_left_out() {
        let finding = Finding::error("no_policies", "policies", "none");
        let annotate = |severity| annotation(&finding.clone().severity(severity));
        let tail = " file=policies,title=no_policies::none\n";
        assert_eq!(annotate(Severity::Error), format!("::error{tail}"));
        assert_eq!(annotate(Severity::Finding), format!("::warning{tail}"));
        assert_eq!(annotate(Severity::Note), format!("::notice{tail}"));
        let nowhere = Finding::error("system", "", "none");
        assert_eq!(annotation(&nowhere), "::error title=system::none\n");
    }
}

//! The report for people.

use std::fmt::Write as _;

use cedargate_policy_tools::decision_log::LoggedRequest;
use cedargate_policy_tools::replay::{Flip, FlipGroup, ReplayReport};
use cedargate_policy_tools::sample::Sample;

use crate::cli::policy::wording::{causes, describe, heading, masked, plural};

pub(super) fn report(report: &ReplayReport) -> String {
    let mut text = summary(report);
    let mut before = None;
    for (kind, policies, group) in report.groups() {
        if before != Some(kind) {
            let _ = writeln!(text, "\n{}: {}", heading(kind), report.count(kind));
            before = Some(kind);
        }
        flip(&mut text, policies, group);
    }
    let undecided = "UNDECIDED, because the request does not fit this schema";
    lines(&mut text, undecided, &report.undecided);
    lines(&mut text, "NOT READ", &report.unread);
    text
}

fn summary(report: &ReplayReport) -> String {
    let decisions = plural(
        report.decisions(),
        "recorded decision",
        "recorded decisions",
    );
    let changed = report.decisions() - report.same;
    let mut text = format!(
        "{decisions} replayed: {} unchanged, {changed} changed\n",
        report.same
    );
    if report.masked > 0 {
        let _ = writeln!(text, "{}", masked(report.masked));
    }
    if report.assumed > 0 {
        let _ = writeln!(
            text,
            "note: {} from an older release without some members of the context: the weakest values are assumed (trusted: false, authenticatorAge: 0s, reset: false)",
            plural(report.assumed, "decision is", "decisions are")
        );
    }
    let same_bundle: usize = report
        .groups()
        .iter()
        .map(|(_, _, group)| group.same_bundle)
        .sum();
    if same_bundle > 0 {
        let _ = writeln!(
            text,
            "{} by the same policies with another result: values are masked, or another version of cedargate decided",
            plural(same_bundle, "decision was made", "decisions were made")
        );
    }
    text
}

fn flip(text: &mut String, policies: &[String], group: &FlipGroup) {
    let _ = write!(text, "  {:>8}  {}", group.flips.count(), causes(policies));
    if group.masked > 0 {
        let _ = write!(text, " ({} with masked values)", group.masked);
    }
    text.push('\n');
    for (_, Flip { request, old, new }) in group.flips.first() {
        let LoggedRequest {
            line,
            decision_id,
            principal,
            action,
            resource,
        } = request;
        let _ = writeln!(
            text,
            "            line {line} ({decision_id}): {principal}, {action}, {resource}"
        );
        let _ = writeln!(text, "              then: {}", describe(old, new));
        let _ = writeln!(text, "              now:  {}", describe(new, old));
    }
}

fn lines(text: &mut String, heading: &str, sample: &Sample<usize, String>) {
    if sample.count() == 0 {
        return;
    }
    let _ = writeln!(
        text,
        "\n{heading}: {}",
        plural(sample.count(), "line", "lines")
    );
    for (line, why) in sample.first() {
        let _ = writeln!(text, "  line {line}: {why}");
    }
    if sample.omitted() > 0 {
        let _ = writeln!(text, "  and {} more", sample.omitted());
    }
}

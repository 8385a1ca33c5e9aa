//! The report for people.

use std::fmt::Write as _;

use super::flips::{Example, Flips, Group};
use crate::cli::policy::answers::{heading, named, told};
use crate::cli::policy::counted::{Counted, plural};
use cedargate_policy_tools::comparison::Kind;

pub(super) fn report(flips: &Flips) -> String {
    let mut text = summary(flips);
    let mut before = None;
    for (kind, policies, group) in flips.groups() {
        if before != Some(kind) {
            let _ = writeln!(text, "\n{}: {}", heading(kind), count(flips, kind));
            before = Some(kind);
        }
        flip(&mut text, policies, group);
    }
    let unasked = "NOT ASKED, as this schema does not admit it";
    lines(&mut text, unasked, &flips.unasked);
    lines(&mut text, "NOT READ", &flips.unread);
    text
}

fn summary(flips: &Flips) -> String {
    let decisions = plural(flips.decisions(), "recorded decision", "recorded decisions");
    let other = flips.decisions() - flips.same;
    let mut text = format!(
        "{decisions} made again: {} the same, {other} not\n",
        flips.same
    );
    if flips.masked > 0 {
        let _ = writeln!(
            text,
            "Of {} something was masked or erased in the log, which may be what an answer rests on",
            plural(flips.masked, "decision", "decisions")
        );
    }
    if flips.assumed > 0 {
        let _ = writeln!(
            text,
            "note: {} of an older release without all members of today's context: the weakest values are taken (trusted: false, authenticatorAge: 0s, reset: false)",
            plural(flips.assumed, "decision is", "decisions are")
        );
    }
    let same_bundle: usize = flips
        .groups()
        .iter()
        .map(|(_, _, group)| group.same_bundle)
        .sum();
    if same_bundle > 0 {
        let _ = writeln!(
            text,
            "{} by these very policies, and not again: for what was masked, or by another version of cedargate",
            plural(same_bundle, "decision was made", "decisions were made")
        );
    }
    text
}

fn count(flips: &Flips, kind: Kind) -> usize {
    let groups = flips.groups().into_iter();
    let groups = groups.filter(|(one, _, _)| *one == kind);
    groups.map(|(_, _, group)| group.examples.count()).sum()
}

fn flip(text: &mut String, policies: &[String], group: &Group) {
    let _ = write!(text, "  {:>8}  {}", group.examples.count(), named(policies));
    if group.masked > 0 {
        let _ = write!(text, " ({} with masked values)", group.masked);
    }
    text.push('\n');
    for (_, example) in group.examples.first() {
        let Example {
            line,
            decision_id,
            principal,
            action,
            resource,
            old,
            new,
        } = example;
        let _ = writeln!(
            text,
            "            line {line} ({decision_id}): {principal}, {action}, {resource}"
        );
        let _ = writeln!(text, "              then: {}", told(old, new));
        let _ = writeln!(text, "              now:  {}", told(new, old));
    }
}

fn lines(text: &mut String, heading: &str, counted: &Counted<usize, String>) {
    if counted.count() == 0 {
        return;
    }
    let _ = writeln!(
        text,
        "\n{heading}: {}",
        plural(counted.count(), "line", "lines")
    );
    for (line, why) in counted.first() {
        let _ = writeln!(text, "  line {line}: {why}");
    }
    if counted.more() > 0 {
        let _ = writeln!(text, "  and {} more", counted.more());
    }
}

//! The report for people.

use std::fmt::Write as _;

use cedargate_core::Decision;
use cedargate_policy::RequestError;
use cedargate_policy_tools::decision_log::LoggedRequest;
use cedargate_policy_tools::diff::{
    ChangeKind, ClaimDifferences, ComparedRequest, ListedPolicy, PolicyDifferences, RequestChange,
    RequestDifferences,
};

use crate::cli::policy::wording::{causes, describe, heading, masked, plural};

pub(super) fn report(differences: &PolicyDifferences, requests: &RequestDifferences) -> String {
    let mut text = policies(differences);
    claims(&mut text, &differences.claims);
    text.push('\n');
    summary(&mut text, requests);
    changes(&mut text, requests);
    undecided(&mut text, requests);
    unread(&mut text, requests);
    text
}

fn policies(differences: &PolicyDifferences) -> String {
    let kinds = [
        ("+", "added", &differences.added),
        ("-", "removed", &differences.removed),
        ("~", "changed in meaning", &differences.changed),
        ("=", "changed only in form", &differences.reformatted),
    ];
    let counts: Vec<_> = kinds
        .iter()
        .filter(|(_, _, listed)| !listed.is_empty())
        .map(|(_, what, listed)| format!("{} {what}", listed.len()))
        .collect();
    if counts.is_empty() {
        return "Policies: no difference\n".to_owned();
    }
    let mut text = format!("Policies: {}\n", counts.join(", "));
    let all = || kinds.iter().flat_map(|(_, _, listed)| listed.iter());
    let width = all().map(|one| one.id.len()).max().unwrap_or_default();
    for (sign, _, listed) in kinds {
        for one in listed {
            let line = format!("  {sign} {:width$}  {}", one.id, place(one));
            text.push_str(line.trim_end());
            text.push_str(&renamed(differences, one));
            text.push('\n');
        }
    }
    text
}

fn place(one: &ListedPolicy) -> String {
    match &one.place {
        Some((file, line)) => format!("{file}:{line}"),
        None => "template".to_owned(),
    }
}

fn renamed(differences: &PolicyDifferences, one: &ListedPolicy) -> String {
    let other_name = differences.renamed.iter().find_map(|renamed| {
        if renamed.to == one.id && differences.added.contains(one) {
            Some(format!(", formerly {}", renamed.from))
        } else if renamed.from == one.id && differences.removed.contains(one) {
            Some(format!(", now {}", renamed.to))
        } else {
            None
        }
    });
    other_name.unwrap_or_default()
}

fn claims(text: &mut String, claims: &ClaimDifferences) {
    let kinds = [
        ("+", &claims.added),
        ("-", &claims.removed),
        ("~", &claims.changed),
    ];
    let listed: Vec<_> = kinds
        .iter()
        .flat_map(|(sign, names)| names.iter().map(move |name| format!("{sign} {name}")))
        .collect();
    if !listed.is_empty() {
        let _ = writeln!(text, "Claims of the schema: {}", listed.join(", "));
    }
}

fn summary(text: &mut String, requests: &RequestDifferences) {
    if requests.cases + requests.decisions == 0 {
        text.push_str("No test cases and no recorded decisions: only the policies were compared\n");
        return;
    }
    let mut decided = plural(requests.cases, "test case", "test cases");
    if requests.decisions > 0 {
        let decisions = plural(
            requests.decisions,
            "recorded decision",
            "recorded decisions",
        );
        decided = format!("{decided} and {decisions}");
    }
    let _ = write!(text, "{decided} decided by both sides: ");
    if requests.changes() == 0 {
        text.push_str(if requests.undecided.count() == 0 {
            "no answer differs\n"
        } else {
            "no answer differs, apart from undecided requests\n"
        });
    } else {
        let counts = [
            (ChangeKind::Widening, "widening"),
            (ChangeKind::Narrowing, "narrowing"),
            (ChangeKind::Answer, "answer"),
        ];
        let counts = counts.map(|(kind, what)| format!("{} {what}", requests.count(kind)));
        let _ = writeln!(text, "{}", counts.join(", "));
    }
    if requests.masked > 0 {
        let _ = writeln!(text, "{}", masked(requests.masked));
    }
}

fn changes(text: &mut String, requests: &RequestDifferences) {
    let mut before = None;
    for ((kind, policies), group) in &requests.groups {
        if before != Some(*kind) {
            let _ = writeln!(text, "\n{}: {}", heading(*kind), requests.count(*kind));
            before = Some(*kind);
        }
        let _ = writeln!(text, "  {}: {}", causes(policies), group.count());
        for (_, changed) in group.first() {
            change(text, changed);
        }
        more(text, "    ", group.omitted());
    }
}

fn change(text: &mut String, change: &RequestChange) {
    let RequestChange { request, old, new } = change;
    let _ = writeln!(text, "    {}", subject(request));
    let _ = writeln!(text, "      old: {}", describe(old, new));
    let _ = writeln!(text, "      new: {}", describe(new, old));
}

fn subject(request: &ComparedRequest) -> String {
    match request {
        ComparedRequest::Case { case, file, line } => format!("{file}:{line}: {case}"),
        ComparedRequest::Decision(LoggedRequest {
            decision_id,
            line,
            principal,
            action,
            resource,
        }) => {
            format!("log line {line} ({decision_id}): {principal}, {action}, {resource}")
        }
    }
}

fn undecided(text: &mut String, requests: &RequestDifferences) {
    if requests.undecided.count() == 0 {
        return;
    }
    let _ = writeln!(
        text,
        "\nUNDECIDED by one side or by both: {}",
        requests.undecided.count()
    );
    for (_, one) in requests.undecided.first() {
        let _ = writeln!(text, "  {}", subject(&one.request));
        if one.old == one.new {
            let _ = writeln!(text, "    both: {}", answer(&one.old));
        } else {
            let _ = writeln!(text, "    old: {}", answer(&one.old));
            let _ = writeln!(text, "    new: {}", answer(&one.new));
        }
    }
    more(text, "  ", requests.undecided.omitted());
}

fn answer(result: &Result<Decision, RequestError>) -> String {
    match result {
        Ok(decision) => describe(decision, decision),
        Err(error) => error.to_string(),
    }
}

fn unread(text: &mut String, requests: &RequestDifferences) {
    if requests.unread.count() == 0 {
        return;
    }
    let lines = plural(requests.unread.count(), "line", "lines");
    let _ = writeln!(text, "\nNOT READ: {lines} of the log");
    for (line, why) in requests.unread.first() {
        let _ = writeln!(text, "  log line {line}: {why}");
    }
    more(text, "  ", requests.unread.omitted());
}

fn more(text: &mut String, indent: &str, count: usize) {
    if count > 0 {
        let _ = writeln!(text, "{indent}and {count} more, which --json lists");
    }
}

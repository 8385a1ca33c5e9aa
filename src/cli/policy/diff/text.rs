//! The report for people.

use std::fmt::Write as _;

use super::found::{Asked, Changed, Found};
use crate::cli::policy::answers::{heading, named, told};
use crate::cli::policy::counted::plural;
use crate::policy::Verdict;
use cedargate_policy_tools::comparison::Kind;
use cedargate_policy_tools::difference::{ClaimDifferences, Differences, Listed};

pub(super) fn report(differences: &Differences, found: &Found) -> String {
    let mut text = policies(differences);
    claims(&mut text, &differences.claims);
    text.push('\n');
    summary(&mut text, found);
    changes(&mut text, found);
    unasked(&mut text, found);
    unread(&mut text, found);
    text
}

fn policies(differences: &Differences) -> String {
    let kinds = [
        ("+", "added", &differences.added),
        ("-", "removed", &differences.removed),
        ("~", "changed in meaning", &differences.changed),
        ("=", "changed only in form", &differences.reformatted),
    ];
    let counts: Vec<_> = kinds
        .iter()
        .filter(|(_, _, some)| !some.is_empty())
        .map(|(_, what, some)| format!("{} {what}", some.len()))
        .collect();
    if counts.is_empty() {
        return "Policies: no difference\n".to_owned();
    }
    let mut text = format!("Policies: {}\n", counts.join(", "));
    let all = || kinds.iter().flat_map(|(_, _, some)| some.iter());
    let width = all().map(|one| one.id.len()).max().unwrap_or_default();
    for (sign, _, some) in kinds {
        for one in some {
            let line = format!("  {sign} {:width$}  {}", one.id, place(one));
            text.push_str(line.trim_end());
            text.push_str(&renamed(differences, one));
            text.push('\n');
        }
    }
    text
}

fn place(one: &Listed) -> String {
    match &one.place {
        Some((file, line)) => format!("{file}:{line}"),
        None => "a template".to_owned(),
    }
}

fn renamed(differences: &Differences, one: &Listed) -> String {
    let other_name = differences.renamed.iter().find_map(|renamed| {
        if renamed.to == one.id && differences.added.contains(one) {
            Some(format!(", which was {}", renamed.from))
        } else if renamed.from == one.id && differences.removed.contains(one) {
            Some(format!(", which is {} now", renamed.to))
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

fn summary(text: &mut String, found: &Found) {
    if found.cases + found.decisions == 0 {
        text.push_str("No test case and no recorded decision: only the policies were compared\n");
        return;
    }
    let mut asked = plural(found.cases, "test case", "test cases");
    if found.decisions > 0 {
        let decisions = plural(found.decisions, "recorded decision", "recorded decisions");
        asked = format!("{asked} and {decisions}");
    }
    let _ = write!(text, "{asked} asked of both sides: ");
    if found.changes() == 0 {
        text.push_str(if found.unasked.count() == 0 {
            "all answered alike\n"
        } else {
            "all that could be asked answered alike\n"
        });
    } else {
        let counts = [
            (Kind::Widening, "widening"),
            (Kind::Narrowing, "narrowing"),
            (Kind::Answer, "another answer"),
        ];
        let counts = counts.map(|(kind, what)| format!("{} {what}", found.count(kind)));
        let _ = writeln!(text, "{}", counts.join(", "));
    }
    if found.masked > 0 {
        let _ = writeln!(
            text,
            "Of {} something was masked or erased in the log, which may be what an answer rests on",
            plural(found.masked, "decision", "decisions")
        );
    }
}

fn changes(text: &mut String, found: &Found) {
    let mut before = None;
    for ((kind, policies), group) in &found.groups {
        if before != Some(*kind) {
            let _ = writeln!(text, "\n{}: {}", heading(*kind), found.count(*kind));
            before = Some(*kind);
        }
        let _ = writeln!(text, "  {}: {}", named(policies), group.count());
        for (_, changed) in group.first() {
            change(text, changed);
        }
        more(text, "    ", group.more());
    }
}

fn change(text: &mut String, changed: &Changed) {
    let Changed { asked, old, new } = changed;
    let _ = writeln!(text, "    {}", subject(asked));
    let _ = writeln!(text, "      old: {}", told(old, new));
    let _ = writeln!(text, "      new: {}", told(new, old));
}

fn subject(asked: &Asked) -> String {
    match asked {
        Asked::Case { case, file, line } => format!("{file}:{line}: {case}"),
        Asked::Decision {
            decision_id,
            line,
            principal,
            action,
            resource,
        } => {
            format!("log line {line} ({decision_id}): {principal}, {action}, {resource}")
        }
    }
}

fn unasked(text: &mut String, found: &Found) {
    if found.unasked.count() == 0 {
        return;
    }
    let _ = writeln!(
        text,
        "\nNOT ASKED of one side or of both: {}",
        found.unasked.count()
    );
    for (_, one) in found.unasked.first() {
        let _ = writeln!(text, "  {}", subject(&one.asked));
        if one.old == one.new {
            let _ = writeln!(text, "    both: {}", answer(&one.old));
        } else {
            let _ = writeln!(text, "    old: {}", answer(&one.old));
            let _ = writeln!(text, "    new: {}", answer(&one.new));
        }
    }
    more(text, "  ", found.unasked.more());
}

fn answer(given: &Result<Verdict, String>) -> String {
    match given {
        Ok(verdict) => told(verdict, verdict),
        Err(why) => why.clone(),
    }
}

fn unread(text: &mut String, found: &Found) {
    if found.unread.count() == 0 {
        return;
    }
    let lines = plural(found.unread.count(), "line", "lines");
    let _ = writeln!(text, "\nNOT READ of the log: {lines}");
    for (line, why) in found.unread.first() {
        let _ = writeln!(text, "  log line {line}: {why}");
    }
    more(text, "  ", found.unread.more());
}

fn more(text: &mut String, indent: &str, count: usize) {
    if count > 0 {
        let _ = writeln!(text, "{indent}and {count} more, which --json lists");
    }
}

//! Words that the text reports of several tools share.

use cedargate_core::Decision;
use cedargate_policy_tools::diff::ChangeKind;

/// Writes `1 case` or `2 cases`.
pub(super) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Returns the heading of a list of changes of one kind.
pub(super) fn heading(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Widening => "WIDENING, deny → allow",
        ChangeKind::Narrowing => "NARROWING, allow → deny",
        ChangeKind::Answer => "ANSWER, allow or deny as before",
    }
}

/// Lists the policies that cause a change.
pub(super) fn causes(policies: &[String]) -> String {
    if policies.is_empty() {
        "no policy alone".to_owned()
    } else {
        policies.join(", ")
    }
}

/// Describes a decision in one line, next to another decision. Notices and errors of both decisions are left
/// out.
pub(super) fn describe(decision: &Decision, other: &Decision) -> String {
    let mut text = match decision.code() {
        Some(code) => format!("{} ({code})", decision.as_cedar()),
        None => decision.as_cedar().to_owned(),
    };
    if !decision.policies.is_empty() {
        text = format!("{text} by {}", decision.policies.join(", "));
    }
    // With another effect, all notices differ.
    if decision.is_allow() == other.is_allow() && decision.notices != other.notices {
        text = format!("{text}, {}", own_notices(decision, other));
    }
    let errors = decision.errors.iter();
    for error in errors.filter(|one| !other.errors.contains(one)) {
        text = format!("{text}; {error}");
    }
    text
}

fn own_notices(decision: &Decision, other: &Decision) -> String {
    let own: Vec<_> = decision
        .notices
        .iter()
        .filter(|one| !other.notices.contains(one))
        .map(|one| format!("{one:?}"))
        .collect();
    match own.len() {
        0 if decision.notices.is_empty() => "no notice".to_owned(),
        0 => plural(decision.notices.len(), "notice", "notices"),
        1 => format!("notice {}", own.concat()),
        _ => format!("notices {}", own.join(" ")),
    }
}

/// Warns about decisions that may depend on values that the log does not contain.
pub(super) fn masked(count: usize) -> String {
    format!(
        "{} masked or erased values in the log, so the result may differ from the recorded one",
        plural(count, "decision has", "decisions have")
    )
}

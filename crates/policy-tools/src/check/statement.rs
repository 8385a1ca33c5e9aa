//! Advice about a single policy or template.

use std::collections::BTreeSet;

use cedargate_core::{Finding, Severity, nearest};
use cedargate_policy::analysis::Subject;

/// A policy or template that advice is given about.
pub(super) struct Advised<'s>(pub(super) &'s Subject<'s>);

impl Advised<'_> {
    /// Says what it probably does otherwise than was meant, and where it can match.
    pub(super) fn advise(&self, findings: &mut Vec<Finding>) {
        findings.extend(self.no_notice());
        findings.extend(self.since_strong());
        findings.extend(self.first_factor());
        findings.extend(self.second_look());
        findings.extend(self.optional_claims());
        findings.extend(self.matching());
    }

    fn has(&self, annotation: &str) -> bool {
        self.0.syntax.annotation(annotation).is_some()
    }

    fn no_notice(&self) -> Option<Finding> {
        // One that is misspelt is an error of its own.
        let mut annotations = self.0.syntax.annotations();
        let is_meant = annotations.any(|one| nearest(one.what.name, ["notice"]).is_some());
        if !self.0.syntax.forbids() || is_meant {
            return None;
        }
        let message = "this forbid has no @notice: whom it refuses is not told why";
        let finding = self.0.place.error("notice_missing", None, message);
        let help = "write @notice(\"…\"): what the caller can do about it";
        Some(finding.severity(Severity::Finding).help(help))
    }

    fn since_strong(&self) -> Option<Finding> {
        let read = self.0.syntax.reads(&["session", "sinceStrong"])?;
        let message = if !self.0.syntax.forbids() {
            "this permit asks how old the sign-in is: whose is too old is refused, and not told to sign in again"
        } else if self.has("step_up") || self.has("max_age") {
            return None;
        } else {
            "this forbid asks how old the sign-in is and has no @step_up: whom it refuses is not told to sign in again"
        };
        let finding = self.0.refuse("since_strong", read, message);
        let help = "write it as a forbid with @step_up(\"phr\") and @max_age(\"…\")";
        Some(finding.severity(Severity::Finding).help(help))
    }

    fn first_factor(&self) -> Option<Finding> {
        let step_up = self.0.syntax.annotation("step_up")?;
        if !self.0.reaches("enroll") || self.0.syntax.reads(&["factors"]).is_some() {
            return None;
        }
        let message = "@step_up is on a policy that reaches enroll and does not read context.factors: who has no authenticator has nothing to step up with, and could never enrol one";
        let help = "let the first one pass: unless { context.factors.count == 0 || … }";
        let finding = self.0.refuse("step_up_first_factor", step_up, message);
        Some(finding.severity(Severity::Finding).help(help))
    }

    fn second_look(&self) -> Option<Finding> {
        self.0.syntax.annotation("step_up")?;
        let read = self.0.syntax.reads(&["session", "amr"])?;
        let message = "@step_up is on a policy that reads context.session.amr: whether a step-up would help is decided with the amr of the token as it is, so it may never be asked for";
        let help = "ask for context.session.acr, which a step-up sets, or leave it out";
        let finding = self.0.refuse("step_up_amr", read, message);
        Some(finding.severity(Severity::Finding).help(help))
    }

    fn optional_claims(&self) -> Vec<Finding> {
        if !self.0.syntax.forbids() {
            return Vec::new();
        }
        let declared = |name: &str| self.0.schema.claims.iter().any(|(one, _)| one == name);
        let needed = self.0.syntax.needed_claims().into_iter();
        let needed = needed.filter(|claim| declared(claim.what));
        let notes = needed.map(|claim| {
            let name = claim.what;
            let message = format!(
                "who has no claim {name:?} is not touched by this part of the forbid: every claim is optional"
            );
            let help = format!(
                "to refuse them too: unless {{ principal.claims has {name} && … }}"
            );
            let note = self.0.refuse("claim_optional", claim, message);
            note.severity(Severity::Note).help(help)
        });
        notes.collect()
    }

    fn matching(&self) -> Option<Finding> {
        let actions: BTreeSet<_> = self
            .0
            .reaches
            .iter()
            .map(|one| one.id().unescaped())
            .collect();
        if actions.is_empty() {
            return None;
        }
        let kind = match self.0.syntax.forbids() {
            true => "forbid",
            false => "permit",
        };
        let message = format!("this {kind} can match for {}", super::names(actions));
        let note = self.0.place.error("matches", None, message);
        Some(note.severity(Severity::Note))
    }
}

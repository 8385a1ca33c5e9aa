//! Checks single policies and templates for probable mistakes.

use std::collections::BTreeSet;

use cedargate_core::{Finding, Severity, nearest};
use cedargate_policy::analysis::ExaminedPolicy;

/// The check of one policy or template.
pub(super) struct StatementCheck<'s>(pub(super) &'s ExaminedPolicy<'s>);

impl StatementCheck<'_> {
    /// Adds a finding for each probable mistake and, if there are to be notes, a note with the actions for
    /// which the policy can match.
    pub(super) fn run(&self, notes: bool, findings: &mut Vec<Finding>) {
        findings.extend(self.no_notice());
        findings.extend(self.since_strong());
        findings.extend(self.step_up_before_first_factor());
        findings.extend(self.step_up_by_amr());
        if notes {
            findings.extend(self.optional_claims());
            findings.extend(self.matching());
        }
    }

    fn has(&self, annotation: &str) -> bool {
        self.0.syntax.annotation(annotation).is_some()
    }

    fn no_notice(&self) -> Option<Finding> {
        // A misspelt @notice is reported elsewhere.
        let mut annotations = self.0.syntax.annotations();
        let is_meant = annotations.any(|one| nearest(one.item.name, ["notice"]).is_some());
        if !self.0.syntax.forbids() || is_meant {
            return None;
        }
        let message =
            "this forbid has no @notice: the caller does not learn why the request is refused";
        let finding = self.0.place.error("notice_missing", None, message);
        let help = "write @notice(\"…\") with what the caller can do";
        Some(finding.severity(Severity::Finding).help(help))
    }

    fn since_strong(&self) -> Option<Finding> {
        let read = self.0.syntax.context_read(&["session", "sinceStrong"])?;
        let message = if !self.0.syntax.forbids() {
            "this permit checks the age of the sign-in: a caller with an older sign-in is refused and not asked to sign in again"
        } else if self.has("step_up") || self.has("max_age") {
            return None;
        } else {
            "this forbid checks the age of the sign-in and has no @step_up: a caller with an older sign-in is refused and not asked to sign in again"
        };
        let finding = self.0.refuse("since_strong", read, message);
        let help = "write it as a forbid with @step_up(\"phr\") and @max_age(\"…\")";
        Some(finding.severity(Severity::Finding).help(help))
    }

    fn step_up_before_first_factor(&self) -> Option<Finding> {
        let step_up = self.0.syntax.annotation("step_up")?;
        if self.0.syntax.context_read(&["factors"]).is_some() || !self.0.reaches("enroll") {
            return None;
        }
        let message = "@step_up is on a policy that reaches enroll and does not read context.factors: a user without an authenticator cannot step up, and could never enrol an authenticator";
        let help = "let the first enrolment pass: unless { context.factors.count == 0 || … }";
        let finding = self.0.refuse("step_up_first_factor", step_up, message);
        Some(finding.severity(Severity::Finding).help(help))
    }

    fn step_up_by_amr(&self) -> Option<Finding> {
        self.0.syntax.annotation("step_up")?;
        let read = self.0.syntax.context_read(&["session", "amr"])?;
        let message = "@step_up is on a policy that reads context.session.amr: a step-up does not change amr, so a step-up may never be offered";
        let help = "check context.session.acr, which a step-up sets, or remove the condition";
        let finding = self.0.refuse("step_up_amr", read, message);
        Some(finding.severity(Severity::Finding).help(help))
    }

    fn optional_claims(&self) -> Vec<Finding> {
        if !self.0.syntax.forbids() {
            return Vec::new();
        }
        let declared = |name: &str| self.0.schema.claims.iter().any(|(one, _)| one == name);
        let needed = self.0.syntax.required_claims().into_iter();
        let needed = needed.filter(|claim| declared(claim.item));
        let notes = needed.map(|claim| {
            let name = claim.item;
            let message = format!(
                "users without the claim {name:?} are not refused by this part of the forbid: every claim is optional"
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
            .reached_actions()
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
        let message = format!("this {kind} can match for {}", super::joined(actions));
        let note = self.0.place.error("matches", None, message);
        Some(note.severity(Severity::Note))
    }
}

//! Writes explanations as text for people.

use std::fmt::Write as _;

use crate::ClauseOutcome;

use super::{ExplainedClause, ExplainedPolicy, Explanation};

/// Returns an explanation as lines of text: the decision, the determining policies, the changes that the
/// caller can make, and the other policies with the clauses that keep them from applying.
pub fn render(explanation: &Explanation) -> String {
    let mut text = Text::default();
    text.decision(explanation);
    text.policies(explanation);
    text.lines
}

#[derive(Default)]
struct Text {
    lines: String,
}

impl Text {
    fn line(&mut self, indent: usize, line: &str) {
        let _ = writeln!(self.lines, "{:indent$}{line}", "");
    }

    /// Writes the lines of a block under `begin`, without the indentation that they share in their file.
    fn block(&mut self, indent: usize, begin: &str, block: &str) {
        let further = block.lines().skip(1).filter(|line| !line.trim().is_empty());
        let common = further
            .map(|line| line.len() - line.trim_start().len())
            .min();
        for (at, line) in block.lines().enumerate() {
            if at == 0 {
                self.line(indent, &format!("{begin}{line}"));
            } else {
                let line = line.get(common.unwrap_or(0)..).unwrap_or_default();
                self.line(indent + begin.chars().count(), line);
            }
        }
    }

    fn decision(&mut self, explanation: &Explanation) {
        let decision = &explanation.decision;
        match decision.code() {
            Some(code) => self.line(0, &format!("{}: {code}", decision.as_cedar())),
            None => self.line(0, decision.as_cedar()),
        }
        for notice in &decision.notices {
            self.line(2, notice);
        }
        for error in &decision.errors {
            self.line(2, error);
        }
        self.line(0, "");
        let request = &explanation.request;
        self.line(2, &format!("principal  {}", request.principal));
        self.line(2, &format!("action     {}", request.action));
        self.line(2, &format!("resource   {}", request.resource));
    }

    fn policies(&mut self, explanation: &Explanation) {
        let decision = &explanation.decision;
        let policies = || explanation.policies.iter();
        let by_default =
            !decision.is_allow() && decision.policies.is_empty() && decision.errors.is_empty();
        let is_failed = |policy: &&ExplainedPolicy| {
            let mut clauses = policy.clauses.iter();
            policy.head.is_empty()
                && clauses.any(|clause| matches!(clause.outcome, ClauseOutcome::Error(_)))
        };
        let is_near =
            |policy: &&ExplainedPolicy| by_default && policy.effect == "permit" && !policy.shadow;
        let failed = policies().filter(is_failed);
        self.section(
            "These failed, so the request is refused whatever the other policies decide",
            failed,
            Self::whole,
        );
        let determining = policies().filter(|policy| policy.determined && !is_failed(policy));
        let heading = match (decision.is_allow(), decision.errors.is_empty()) {
            (true, _) => "Permitted by",
            (false, true) => "Forbidden by",
            (false, false) => "Without the error, decided by",
        };
        self.section(heading, determining, Self::whole);
        if by_default {
            if policies().any(|policy| is_near(&policy)) {
                let heading = "No policy permits it. The permits that came nearest";
                self.section(heading, policies().filter(is_near), Self::whole);
            } else {
                self.line(0, "");
                self.line(0, "No policy permits it.");
            }
        }
        if !explanation.would_permit.is_empty() {
            self.line(0, "");
            self.line(0, "Any one of these changes would permit it");
            for change in &explanation.would_permit {
                self.line(2, &format!("{:<13} {}", change.change, change.help));
            }
        }
        let is_other = |policy: &&ExplainedPolicy| {
            !policy.determined && !is_failed(policy) && !is_near(policy)
        };
        let applies = policies().filter(|policy| is_other(policy) && policy.applies);
        let heading = "These apply, but did not determine the decision";
        self.section(heading, applies, Self::name);
        let fails = policies().filter(|policy| is_other(policy) && !policy.applies);
        self.section("These do not apply", fails, Self::failing);
    }

    fn section<'e>(
        &mut self,
        heading: &str,
        policies: impl Iterator<Item = &'e ExplainedPolicy>,
        write: impl Fn(&mut Self, &ExplainedPolicy),
    ) {
        for (at, policy) in policies.enumerate() {
            self.line(0, "");
            if at == 0 {
                self.line(0, heading);
            }
            write(self, policy);
        }
    }

    fn name(&mut self, policy: &ExplainedPolicy) {
        let shadow = if policy.shadow { ", shadow" } else { "" };
        let ExplainedPolicy {
            id,
            effect,
            file,
            line,
            ..
        } = policy;
        self.line(2, &format!("{id} ({effect}{shadow}) {file}:{line}"));
    }

    /// Writes the policy with its text and all of its clauses.
    fn whole(&mut self, policy: &ExplainedPolicy) {
        self.name(policy);
        for line in policy.text.lines() {
            self.line(4, format!("| {line}").trim_end());
        }
        self.head(policy);
        for clause in &policy.clauses {
            self.clause(clause);
        }
    }

    /// Writes the policy with the clauses that keep it from applying.
    fn failing(&mut self, policy: &ExplainedPolicy) {
        self.name(policy);
        self.head(policy);
        for clause in policy.clauses.iter().filter(|clause| clause.fails) {
            self.clause(clause);
        }
    }

    fn head(&mut self, policy: &ExplainedPolicy) {
        for part in &policy.head {
            self.block(4, "false  ", &part.text);
            if let Some(needed) = &part.needed {
                self.line(11, needed);
            }
        }
    }

    fn clause(&mut self, clause: &ExplainedClause) {
        let (value, error) = match &clause.outcome {
            ClauseOutcome::Error(error) => ("error", Some(error)),
            ClauseOutcome::True => ("true", None),
            ClauseOutcome::False => ("false", None),
            ClauseOutcome::NotReached => return,
        };
        let word = if clause.unless { "unless" } else { "when" };
        self.block(4, &format!("{value:<5}  {word} "), &clause.text);
        if let Some(error) = error {
            self.line(11, error);
        }
        match &clause.needed {
            Some(needed) => self.line(11, needed),
            None => {
                for (path, value) in &clause.observed {
                    let value = value.as_deref().unwrap_or("absent");
                    self.line(11, &format!("{path} was {value}"));
                }
            }
        }
    }
}

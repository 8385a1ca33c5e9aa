//! An explanation for people.

use std::fmt::Write as _;

use super::super::Seen;
use super::{Explained, ExplainedClause, Explanation};

/// An explanation as lines of text: the answer, who decided it, what the caller could do, and what
/// kept the other policies from applying.
pub fn render(explanation: &Explanation) -> String {
    let mut text = Text::default();
    text.answer(explanation);
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

    /// Lines that belong together, under the first of them. What they were indented with in their
    /// file is left out.
    fn block(&mut self, indent: usize, begin: &str, block: &str) {
        let behind = block.lines().skip(1).filter(|line| !line.trim().is_empty());
        let common = behind
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

    fn answer(&mut self, explanation: &Explanation) {
        let verdict = &explanation.verdict;
        match &verdict.code {
            Some(code) => self.line(0, &format!("{}: {code}", verdict.decision)),
            None => self.line(0, verdict.decision),
        }
        for notice in &verdict.notices {
            self.line(2, notice);
        }
        for error in &verdict.errors {
            self.line(2, error);
        }
        self.line(0, "");
        let asked = &explanation.request;
        self.line(2, &format!("principal  {}", asked.principal));
        self.line(2, &format!("action     {}", asked.action));
        self.line(2, &format!("resource   {}", asked.resource));
    }

    fn policies(&mut self, explanation: &Explanation) {
        let verdict = &explanation.verdict;
        let policies = || explanation.policies.iter();
        let by_default =
            verdict.decision == "deny" && verdict.reason.is_empty() && verdict.errors.is_empty();
        let errs = |one: &&Explained| {
            let mut clauses = one.clauses.iter();
            one.head.is_empty() && clauses.any(|clause| matches!(clause.seen, Seen::Error(_)))
        };
        let near = |one: &&Explained| by_default && one.effect == "permit" && !one.shadow;
        let failed = policies().filter(errs);
        self.section(
            "Failed, which refuses whatever else the policies say",
            failed,
            Self::whole,
        );
        let decided = policies().filter(|one| one.determined && !errs(one));
        let heading = match (verdict.decision, verdict.errors.is_empty()) {
            ("allow", _) => "Permitted by",
            (_, true) => "Forbidden by",
            (_, false) => "Would have decided it",
        };
        self.section(heading, decided, Self::whole);
        if by_default {
            if policies().any(|one| near(&one)) {
                let heading = "No policy permits it. The permits that came nearest";
                self.section(heading, policies().filter(near), Self::whole);
            } else {
                self.line(0, "");
                self.line(0, "No policy permits it.");
            }
        }
        if !explanation.would_permit.is_empty() {
            self.line(0, "");
            self.line(0, "It would be allowed with one of these alone");
            for one in &explanation.would_permit {
                self.line(2, &format!("{:<13} {}", one.change, one.help));
            }
        }
        let others = || policies().filter(|one| !one.determined && !errs(one) && !near(one));
        let applies = others().filter(|one| one.applies);
        self.section("Apply, and did not decide it", applies, Self::name);
        let others = others().filter(|one| !one.applies);
        self.section(
            "Do not apply, though their heads match",
            others,
            Self::failing,
        );
    }

    fn section<'e>(
        &mut self,
        heading: &str,
        policies: impl Iterator<Item = &'e Explained>,
        each: impl Fn(&mut Self, &Explained),
    ) {
        for (at, policy) in policies.enumerate() {
            self.line(0, "");
            if at == 0 {
                self.line(0, heading);
            }
            each(self, policy);
        }
    }

    fn name(&mut self, policy: &Explained) {
        let shadow = if policy.shadow { ", shadow" } else { "" };
        let Explained {
            id,
            effect,
            file,
            line,
            ..
        } = policy;
        self.line(2, &format!("{id} ({effect}{shadow}) {file}:{line}"));
    }

    /// The policy, its text and all of its clauses.
    fn whole(&mut self, policy: &Explained) {
        self.name(policy);
        for line in policy.text.lines() {
            self.line(4, format!("| {line}").trim_end());
        }
        self.head(policy);
        for clause in &policy.clauses {
            self.clause(clause);
        }
    }

    fn failing(&mut self, policy: &Explained) {
        self.name(policy);
        self.head(policy);
        for clause in policy.clauses.iter().filter(|clause| clause.fails) {
            self.clause(clause);
        }
    }

    fn head(&mut self, policy: &Explained) {
        for part in &policy.head {
            self.block(4, "false  ", &part.text);
            if let Some(needed) = &part.needed {
                self.line(11, needed);
            }
        }
    }

    fn clause(&mut self, clause: &ExplainedClause) {
        let (value, error) = match &clause.seen {
            Seen::Error(why) => ("error", Some(why)),
            Seen::True => ("true", None),
            Seen::False => ("false", None),
            Seen::NotReached => return,
        };
        let word = if clause.unless { "unless" } else { "when" };
        self.block(4, &format!("{value:<5}  {word} "), &clause.text);
        if let Some(why) = error {
            self.line(11, why);
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

//! What people get wrong in a policy, as changes of its text.

use std::ops::Range;

use cedargate_policy::PolicyEntry;
use cedargate_policy::analysis::{SchemaIndex, Site, Slip, Syntax};

use super::head::{self, Head, Token, in_one_line};

/// A change of a policy's text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Where it begins in the text, in bytes.
    pub(super) at: usize,
    /// What it is, in one line: of all changes of one policy, no other is said so.
    pub(super) said: String,
    /// The text as it is then.
    pub(super) text: String,
}

/// Every change of a policy's text, whether or not what comes of it would load.
pub(super) fn of(entry: &PolicyEntry, syntax: Syntax<'_>, schema: &SchemaIndex) -> Vec<Change> {
    let mut writer = Writer {
        text: entry.text(),
        begins: entry.text_start(),
        schema,
        changes: Vec::new(),
    };
    let head = Head::read(entry.text());
    writer.effect(&head);
    for part in &head.parts {
        writer.scope(part);
    }
    writer.conditions(&head);
    for site in syntax.sites() {
        writer.site(site);
    }
    writer.changes
}

/// Only a forbid has these.
const OF_FORBIDS: [&str; 3] = ["code", "step_up", "max_age"];

struct Writer<'a> {
    text: &'a str,
    /// Where the text begins in its file, which is what Cedar's places count from.
    begins: usize,
    schema: &'a SchemaIndex,
    changes: Vec<Change>,
}

impl Writer<'_> {
    fn part(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// A text with another one in a place.
    fn with(&self, whole: &Range<usize>, span: &Range<usize>, new: &str) -> String {
        let before = self.part(&(whole.start..span.start));
        let after = self.part(&(span.end..whole.end));
        format!("{before}{new}{after}")
    }

    fn change(&mut self, said: String, span: &Range<usize>, new: &str) {
        let text = self.with(&(0..self.text.len()), span, new);
        let at = span.start;
        self.changes.push(Change { at, said, text });
    }

    /// A change that is said by how a part of the policy reads before and after it.
    fn rewrite(&mut self, part: &Range<usize>, span: &Range<usize>, new: &str) {
        let before = in_one_line(self.part(part));
        let after = in_one_line(&self.with(part, span, new));
        self.change(format!("{before} → {after}"), span, new);
    }

    /// A permit that has what only a forbid has would not load: that goes too.
    fn effect(&mut self, head: &Head<'_>) {
        let Some((word, span)) = &head.effect else {
            return;
        };
        let mut text = self.text.to_owned();
        let other = if *word == "forbid" {
            "permit"
        } else {
            "forbid"
        };
        text.replace_range(span.clone(), other);
        let annotations = head.annotations.iter().rev();
        for (_, span) in annotations.filter(|(name, _)| OF_FORBIDS.contains(name)) {
            text.replace_range(span.clone(), "");
        }
        let said = format!("{word} → {other}");
        let at = span.start;
        self.changes.push(Change { at, said, text });
    }

    fn scope(&mut self, part: &[Token<'_>]) {
        let [(variable, first), rest @ ..] = part else {
            return;
        };
        let whole = head::span(part);
        if !rest.is_empty() {
            self.rewrite(&whole, &whole, variable);
        }
        let words = part.iter().map(|(word, _)| *word);
        let of_a_type = words.clone().any(|word| word == "is");
        let members = head::members(part);
        if of_a_type || !members.is_empty() {
            self.shorter(&whole, &members);
            return;
        }
        let first = first.end - whole.start;
        let named = whole.start + first..whole.end;
        if let Some((operator, span)) = self.operator(&named) {
            let entity = self.part(&(span.end..whole.end)).trim().parse().ok();
            let members = entity.is_none_or(|uid| self.schema.has_members(&uid));
            match operator {
                "in" if members => self.rewrite(&whole, &span, "=="),
                "==" if members => self.rewrite(&whole, &span, "in"),
                _ => {}
            }
        }
    }

    fn conditions(&mut self, head: &Head<'_>) {
        let ends = head.conditions.iter().skip(1).map(|(_, next)| next.start);
        let last = self.text.rfind(';').unwrap_or(self.text.len());
        for ((word, span), end) in head.conditions.iter().zip(ends.chain([last])) {
            let other = if *word == "when" { "unless" } else { "when" };
            let whole = in_one_line(self.part(&(span.start..end)));
            let said = format!("{whole} → {other} {{ … }}");
            self.change(said, span, other);
        }
    }

    fn site(&mut self, site: Site) {
        let begins = self.begins;
        let here =
            |span: Range<usize>| span.start.saturating_sub(begins)..span.end.saturating_sub(begins);
        let (span, operand) = (here(site.span), here(site.operand));
        match site.what {
            Slip::Operand { neutral } => self.operand(&span, neutral),
            Slip::Operator { entity, of_values } => {
                let members = entity.is_none_or(|uid| self.schema.has_members(&uid));
                self.comparison(&operand, &span, members && !of_values);
            }
            Slip::Number => {
                let number: Option<i64> = self.part(&span).parse().ok();
                let others = number.map(|one| [one.checked_add(1), one.checked_sub(1)]);
                for other in others.into_iter().flatten().flatten() {
                    self.rewrite(&operand, &span, &other.to_string());
                }
            }
            Slip::Duration(millis) => {
                let others = [millis.checked_add(1000), millis.checked_sub(1000)];
                for other in others.into_iter().flatten() {
                    self.rewrite(&operand, &span, &duration(other));
                }
            }
            Slip::Moment => {
                let moment = self.part(&span).to_owned();
                for by in ["1s", "-1s"] {
                    let other = format!("{moment}.offset(duration(\"{by}\"))");
                    self.rewrite(&operand, &span, &other);
                }
            }
            Slip::Network(address, length) => {
                let whole = if address.is_ipv4() { 32 } else { 128 };
                let longer = (length < whole).then(|| length + 1);
                for other in longer.into_iter().chain(length.checked_sub(1)) {
                    let other = format!("ip(\"{address}/{other}\")");
                    self.rewrite(&operand, &span, &other);
                }
            }
            Slip::Set(members) => {
                let members: Vec<_> = members.into_iter().map(here).collect();
                self.shorter(&span, &members);
            }
        }
    }

    fn operand(&mut self, span: &Range<usize>, neutral: bool) {
        let said = in_one_line(self.part(span));
        let negated = format!("!({})", self.part(span));
        self.change(format!("dropped: {said}"), span, &neutral.to_string());
        self.change(format!("negated: {said}"), span, &negated);
    }

    /// `hierarchy`: what stands on both sides can be in each other.
    fn comparison(&mut self, operand: &Range<usize>, between: &Range<usize>, hierarchy: bool) {
        let Some((operator, span)) = self.operator(between) else {
            return;
        };
        let others: &[&str] = match operator {
            "==" if hierarchy => &["!=", "in"],
            "==" => &["!="],
            "!=" => &["=="],
            "in" if hierarchy => &["=="],
            "<" => &["<=", ">"],
            "<=" => &["<", ">="],
            ">" => &[">=", "<"],
            ">=" => &[">", "<="],
            _ => &[],
        };
        for other in others {
            self.rewrite(operand, &span, other);
        }
    }

    /// The operator between two arguments. Brackets around the arguments are between them, too.
    fn operator(&self, between: &Range<usize>) -> Option<(&'static str, Range<usize>)> {
        const OPERATORS: [&str; 7] = ["==", "!=", "<=", ">=", "<", ">", "in"];
        let text = self.part(between);
        let mut tokens = cedargate_policy::analysis::tokens(text);
        let (_, first) = tokens.find(|(token, _)| *token != ")")?;
        let operator = OPERATORS
            .into_iter()
            .find(|one| text[first.start..].starts_with(one))?;
        let start = between.start + first.start;
        Some((operator, start..start + operator.len()))
    }

    /// A list without each of its members.
    fn shorter(&mut self, list: &Range<usize>, members: &[Range<usize>]) {
        let all = in_one_line(self.part(list));
        let mut without = |member: &Range<usize>, span: Range<usize>| {
            let said = format!("dropped: {}, of {all}", in_one_line(self.part(member)));
            self.change(said, &span, "");
        };
        if let [first, second, ..] = members {
            without(first, first.start..second.start);
        }
        for pair in members.windows(2) {
            without(&pair[1], pair[0].end..pair[1].end);
        }
    }
}

fn duration(millis: i64) -> String {
    match (millis / 1000, millis % 1000) {
        (seconds, 0) => format!("duration(\"{seconds}s\")"),
        _ => format!("duration(\"{millis}ms\")"),
    }
}

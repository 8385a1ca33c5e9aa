//! Typical mistakes in a policy, as changes of its text.

use std::ops::Range;

use cedargate_policy::PolicyEntry;
use cedargate_policy::analysis::{MutationSite, SchemaIndex, SiteKind, Syntax};

use super::head::{self, Head, Token, in_one_line};

/// A change of a policy's text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// The byte of the text at which the change begins.
    pub(super) at: usize,
    /// The change in one line, unique among the changes of the policy.
    pub(super) description: String,
    /// The changed text.
    pub(super) text: String,
}

/// Returns every change of a policy's text, including changes that do not load.
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
    for site in syntax.mutation_sites() {
        writer.site(site);
    }
    writer.changes
}

/// Annotations that only a forbid may have.
const FORBID_ANNOTATIONS: [&str; 3] = ["code", "step_up", "max_age"];

struct Writer<'a> {
    text: &'a str,
    /// The byte of the file at which the text begins. Cedar counts positions from the start of the file.
    begins: usize,
    schema: &'a SchemaIndex,
    changes: Vec<Change>,
}

impl Writer<'_> {
    fn part(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Returns the text of `whole` with `new` in the place of `span`.
    fn with(&self, whole: &Range<usize>, span: &Range<usize>, new: &str) -> String {
        let before = self.part(&(whole.start..span.start));
        let after = self.part(&(span.end..whole.end));
        format!("{before}{new}{after}")
    }

    fn change(&mut self, description: String, span: &Range<usize>, new: &str) {
        let text = self.with(&(0..self.text.len()), span, new);
        let at = span.start;
        self.changes.push(Change {
            at,
            description,
            text,
        });
    }

    /// Adds a change that is described by the text of `part` before and after it.
    fn rewrite(&mut self, part: &Range<usize>, span: &Range<usize>, new: &str) {
        let before = in_one_line(self.part(part));
        let after = in_one_line(&self.with(part, span, new));
        self.change(format!("{before} → {after}"), span, new);
    }

    /// Swaps the effect. Annotations that only a forbid may have are removed, as the permit would not load.
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
        for (_, span) in annotations.filter(|(name, _)| FORBID_ANNOTATIONS.contains(name)) {
            text.replace_range(span.clone(), "");
        }
        let description = format!("{word} → {other}");
        let at = span.start;
        self.changes.push(Change {
            at,
            description,
            text,
        });
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
        let names_type = words.clone().any(|word| word == "is");
        let members = head::members(part);
        if names_type || !members.is_empty() {
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
            let description = format!("{whole} → {other} {{ … }}");
            self.change(description, span, other);
        }
    }

    fn site(&mut self, site: MutationSite) {
        let begins = self.begins;
        let here =
            |span: Range<usize>| span.start.saturating_sub(begins)..span.end.saturating_sub(begins);
        let (span, operand) = (here(site.span), here(site.operand));
        match site.kind {
            SiteKind::Operand { neutral } => self.operand(&span, neutral),
            SiteKind::Operator { entity, of_values } => {
                let members = entity.is_none_or(|uid| self.schema.has_members(&uid));
                self.comparison(&operand, &span, members && !of_values);
            }
            SiteKind::Number => {
                let number: Option<i64> = self.part(&span).parse().ok();
                let others = number.map(|one| [one.checked_add(1), one.checked_sub(1)]);
                for other in others.into_iter().flatten().flatten() {
                    self.rewrite(&operand, &span, &other.to_string());
                }
            }
            SiteKind::Duration(millis) => {
                let others = [millis.checked_add(1000), millis.checked_sub(1000)];
                for other in others.into_iter().flatten() {
                    self.rewrite(&operand, &span, &duration(other));
                }
            }
            SiteKind::Datetime => {
                let moment = self.part(&span).to_owned();
                for by in ["1s", "-1s"] {
                    let other = format!("{moment}.offset(duration(\"{by}\"))");
                    self.rewrite(&operand, &span, &other);
                }
            }
            SiteKind::Network(address, length) => {
                let whole = if address.is_ipv4() { 32 } else { 128 };
                let longer = (length < whole).then(|| length + 1);
                for other in longer.into_iter().chain(length.checked_sub(1)) {
                    let other = format!("ip(\"{address}/{other}\")");
                    self.rewrite(&operand, &span, &other);
                }
            }
            SiteKind::Set(members) => {
                let members: Vec<_> = members.into_iter().map(here).collect();
                self.shorter(&span, &members);
            }
        }
    }

    fn operand(&mut self, span: &Range<usize>, neutral: bool) {
        let clause = in_one_line(self.part(span));
        let negated = format!("!({})", self.part(span));
        self.change(format!("dropped: {clause}"), span, &neutral.to_string());
        self.change(format!("negated: {clause}"), span, &negated);
    }

    /// Replaces a comparison operator. `hierarchy` is true if `in` can differ from `==` for the operands.
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

    /// Finds the operator in the text between two arguments, which includes brackets around them.
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

    /// Removes each member of a list, one at a time.
    fn shorter(&mut self, list: &Range<usize>, members: &[Range<usize>]) {
        let all = in_one_line(self.part(list));
        let mut without = |member: &Range<usize>, span: Range<usize>| {
            let description = format!("dropped: {}, of {all}", in_one_line(self.part(member)));
            self.change(description, &span, "");
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

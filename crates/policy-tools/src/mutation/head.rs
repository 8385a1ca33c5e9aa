//! The head of a policy as tokens of its text. Cedar's syntax tree has no positions for the effect, the
//! scope, the annotations and the words `when` and `unless`, so this module finds them.

use std::ops::Range;

use cedargate_policy::analysis::tokens;

/// A token of the text and its bytes.
pub(super) type Token<'a> = (&'a str, Range<usize>);

/// The tokens of a policy before and between its conditions.
#[derive(Debug, Default)]
pub(super) struct Head<'a> {
    /// The name and the span of each annotation.
    pub(super) annotations: Vec<(&'a str, Range<usize>)>,
    /// `permit` or `forbid`.
    pub(super) effect: Option<Token<'a>>,
    /// The parts of the scope: principal, action and resource.
    pub(super) parts: Vec<Vec<Token<'a>>>,
    /// The word `when` or `unless` of each condition.
    pub(super) conditions: Vec<Token<'a>>,
}

impl<'a> Head<'a> {
    /// Reads the text of a policy that Cedar has parsed.
    pub(super) fn read(text: &'a str) -> Self {
        let mut head = Head::default();
        let mut depth = 0_usize;
        let mut tokens = tokens(text).peekable();
        while let Some((token, span)) = tokens.next() {
            match token {
                "@" => {
                    if let Some((name, name_span)) = tokens.next() {
                        head.annotations.push((name, span.start..name_span.end));
                    }
                }
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                "permit" | "forbid" if depth == 0 => head.effect = Some((token, span.clone())),
                "when" | "unless" if depth == 0 => head.conditions.push((token, span.clone())),
                _ => {}
            }
            head.take(token, span, depth);
        }
        head
    }

    /// Adds a token to the annotation or the part of the scope that it belongs to.
    fn take(&mut self, token: &'a str, span: Range<usize>, depth: usize) {
        if self.effect.is_none() {
            if token == ")"
                && let Some((_, annotation)) = self.annotations.last_mut()
            {
                annotation.end = span.end;
            }
            return;
        }
        if !self.conditions.is_empty() || depth == 0 {
            return;
        }
        match (token, depth) {
            ("(" | ",", 1) => self.parts.push(Vec::new()),
            _ => self
                .parts
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|part| part.push((token, span.clone()))),
        }
    }
}

/// Returns the span from the first token to the last.
pub(super) fn span(tokens: &[Token<'_>]) -> Range<usize> {
    match (tokens.first(), tokens.last()) {
        (Some((_, first)), Some((_, last))) => first.start..last.end,
        _ => 0..0,
    }
}

/// Returns the spans of the members of the list in these tokens, or nothing if there is no list.
pub(super) fn members(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let Some(open) = tokens.iter().position(|(token, _)| *token == "[") else {
        return Vec::new();
    };
    let inside = tokens[open + 1..].split(|(token, _)| *token == "," || *token == "]");
    inside
        .filter(|member| !member.is_empty())
        .map(span)
        .collect()
}

/// Returns a text in one line, without comments.
pub(super) fn in_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut end = 0;
    for (token, span) in tokens(text) {
        let within = line.ends_with(['(', '[']) || matches!(token, ")" | "]" | ",");
        if span.start > end && end > 0 && !within {
            line.push(' ');
        }
        line.push_str(token);
        end = span.end;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"@id("x") // permit
@x_flag @forbid("a, b")
forbid ( // when
  principal,
  action in [Gate::Action::"a", // one
    Gate::Action::"b",],
  resource is Gate::Account,
)
when { context has "when" && [1, 2].contains(1) }
unless { false };"#;

    #[test]
    fn head_of_a_policy_with_comments_has_the_spans_of_its_words() {
        let head = Head::read(TEXT);
        let at = |span: &Range<usize>| &TEXT[span.clone()];
        let annotations: Vec<_> = head
            .annotations
            .iter()
            .map(|(name, span)| (*name, at(span)))
            .collect();
        assert_eq!(
            annotations,
            [
                ("id", "@id(\"x\")"),
                ("x_flag", "@x_flag"),
                ("forbid", "@forbid(\"a, b\")")
            ]
        );
        assert_eq!(
            head.effect.as_ref().map(|(_, span)| at(span)),
            Some("forbid")
        );
        let parts: Vec<_> = head
            .parts
            .iter()
            .map(|part| in_one_line(at(&span(part))))
            .collect();
        assert_eq!(
            parts,
            [
                "principal",
                "action in [Gate::Action::\"a\", Gate::Action::\"b\",]",
                "resource is Gate::Account",
                ""
            ]
        );
        let members: Vec<_> = members(&head.parts[1]).iter().map(at).collect();
        assert_eq!(members, ["Gate::Action::\"a\"", "Gate::Action::\"b\""]);
        let conditions: Vec<_> = head.conditions.iter().map(|(word, _)| *word).collect();
        assert_eq!(conditions, ["when", "unless"]);
    }
}

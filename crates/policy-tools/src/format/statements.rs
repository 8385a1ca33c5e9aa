//! Formats a file policy by policy, in a time that is proportional to the size of the file and on all cores.
//!
//! Cedar's formatter joins the formatted policies with empty lines. Comments belong to tokens: those on the
//! line of a semicolon to the policy before them, those on later lines to the policy after them. So a file is
//! cut behind the line of each semicolon, the parts are formatted one by one, and the result is the same as
//! that of formatting the whole file.

use std::ops::Range;

use cedar_policy_formatter::Config;

use cedargate_policy::analysis::{Source, comments, parse_file, policies, spread};

use super::{MAX_BYTES, are_identical, until_stable};

/// Returns the formatted text of a file with policies. Returns `None` if a policy cannot be formatted, if the
/// file is not Cedar, or if it has no policy.
pub(super) fn formatted(file: &Source, config: &Config) -> Option<String> {
    let policies = policies(&file.text)?;
    let parts = parts(&file.text, &policies);
    let rest = parts.last()?.end..file.text.len();
    let formatted = spread(&parts, |part| {
        format_part(file, &file.text[part.clone()], config)
    });
    let formatted = formatted.into_iter().collect::<Option<Vec<_>>>()?;
    let mut text = formatted.join("\n");
    for comment in comments(&file.text[rest]) {
        text.push_str(comment.trim());
        text.push('\n');
    }
    Some(text)
}

/// Cuts a text behind the line of each policy's semicolon, or before the next policy on that line.
fn parts(text: &str, policies: &[Range<usize>]) -> Vec<Range<usize>> {
    let nexts = policies.iter().skip(1).map(|next| next.start);
    let mut start = 0;
    let mut parts = Vec::with_capacity(policies.len());
    for (policy, next) in policies.iter().zip(nexts.chain([text.len()])) {
        let line = text[policy.end..next].find('\n');
        let end = line.map_or(next, |at| policy.end + at + 1);
        parts.push(start..end);
        start = end;
    }
    parts
}

/// Formats the text of one policy with its comments, and checks that they stay the same.
fn format_part(file: &Source, text: &str, config: &Config) -> Option<String> {
    if text.len() > MAX_BYTES {
        return None;
    }
    // Blanks around the policy make no difference to the formatter.
    let text = format!("{}\n", text.trim());
    let mut findings = Vec::new();
    let before = parse_file(&file.with_text(&text), &mut findings);
    let formatted = until_stable(&text, config).ok()?;
    if formatted != text {
        let after = parse_file(&file.with_text(&formatted), &mut findings);
        if !are_identical(&before, &after) || super::comments(&text) != super::comments(&formatted)
        {
            return None;
        }
    }
    findings.is_empty().then_some(formatted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_on_the_line_of_a_semicolon_belong_to_its_policy() {
        let text = "// a\na; // b\n\n// c\nc;d; // d";
        let parts = parts(text, &policies(text).unwrap());
        let parts: Vec<_> = parts.into_iter().map(|part| &text[part]).collect();
        assert_eq!(parts, ["// a\na; // b\n", "\n// c\nc;", "d; // d"]);
    }
}

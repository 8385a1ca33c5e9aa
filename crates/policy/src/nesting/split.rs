//! Splits policy files into policies.

use std::ops::Range;

use super::string;

/// Splits the text of a policy file into its policies, each from its first token to its semicolon. Cedar
/// has semicolons nowhere else. Returns `None` if tokens follow the last semicolon.
pub fn policies(text: &str) -> Option<Vec<Range<usize>>> {
    let bytes = text.as_bytes();
    let mut policies = Vec::new();
    let mut start = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let length = match byte {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += comment(&bytes[at..]);
                continue;
            }
            b' ' | b'\t'..=b'\r' => 1,
            // Other blanks are rare, so they are only looked for where no policy has begun.
            0x80.. if start.is_none() && text[at..].starts_with(char::is_whitespace) => {
                text[at..].chars().next().map_or(1, char::len_utf8)
            }
            b';' => {
                policies.push(start.take().unwrap_or(at)..at + 1);
                1
            }
            byte => {
                start.get_or_insert(at);
                if *byte == b'"' {
                    string(&text[at..])
                } else {
                    1
                }
            }
        };
        at += length;
    }
    start.is_none().then_some(policies)
}

/// Returns the length of the comment at the beginning of a text.
fn comment(text: &[u8]) -> usize {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    #[test]
    fn policies_of_a_text_are_split_at_semicolons_outside_of_texts_and_comments() {
        let split = |text: &'static str| {
            let policies = policies(text)?;
            Some(
                policies
                    .into_iter()
                    .map(|span| &text[span])
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(split(""), Some(vec![]));
        assert_eq!(split(" // a;b\n\u{a0}\r"), Some(vec![]));
        assert_eq!(
            split("a b; // c;\n\u{2003}@d(\";\\\";\") e; "),
            Some(vec!["a b;", "@d(\";\\\";\") e;"])
        );
        assert_eq!(
            split("é // x;\n \"\u{e9};\";;"),
            Some(vec!["é // x;\n \"é;\";", ";"])
        );
        for rest in ["a", "a; b", "\"a;", "a; \u{200b}"] {
            assert_eq!(split(rest), None, "{rest}");
        }
    }

    proptest::proptest! {
        #[test]
        fn policies_of_any_text_are_those_of_its_tokens(text in "([;/\"\\\\ \n\ra\u{a0}\u{e9}]|//|\\\\\"){0,40}") {
            let mut expected = Vec::new();
            let mut open: Option<usize> = None;
            for (token, span) in tokens(&text) {
                let start = *open.get_or_insert(span.start);
                if token == ";" {
                    expected.push(start..span.end);
                    open = None;
                }
            }
            let expected = open.is_none().then_some(expected);
            proptest::prop_assert_eq!(policies(&text), expected);
        }
    }
}

//! The greatest depth of nested expressions. Cedar's parser, validator and evaluator recurse. The parser
//! has no bound and would overflow the stack; the validator gives up silently near the end of its stack, so
//! that invalid policies would load; the evaluator then fails at each request. The depth is therefore
//! bounded before parsing, and all three get a stack that is large enough for it.

mod split;

use std::io;
use std::ops::Range;
use std::thread;

use cedargate_core::Finding;

use super::files::Source;

pub use split::policies;

/// The greatest number of open brackets, far more than people write.
const MOST_BRACKETS: usize = 64;
/// The greatest number of nested `if`s. Each one doubles the time of Cedar's validator.
const MOST_BRANCHES: usize = 16;
/// The greatest number of levels in Cedar's tree of an expression, as [`OpenBrackets`] counts them.
/// `a || b || c` has two levels, and so have `a.b.c` and `Set<Set<`.
const MOST_LEVELS: usize = 256;
/// The size of the stack for loading. In a debug build Cedar's parser needs some 130 KiB for each bracket.
pub(crate) const STACK_BYTES: usize = 64 << 20;
/// The stack for evaluation apart from its levels. Cedar itself stops 100 KiB before the end of the stack.
const DECIDING_BYTES: usize = 192 << 10;
/// The stack for one level of evaluation with the operators that one bracket can hold: `== !!!!(`. In a
/// release build 21 KiB were measured for it, and 4 KiB for each `||`.
const LEVEL_BYTES: usize = if cfg!(debug_assertions) {
    256 << 10
} else {
    24 << 10
};

/// Calls `work` on a stack that is large enough to load policies of the greatest depth.
///
/// # Errors
/// Returns an error if the system cannot start a thread.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let worker = large_stack_thread().spawn_scoped(scope, work)?;
        Ok(worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Returns a builder for a thread with a stack for policies of the greatest depth.
fn large_stack_thread() -> thread::Builder {
    thread::Builder::new()
        .name("policies".to_owned())
        .stack_size(STACK_BYTES)
}

/// Calls `work`, which evaluates policies of this depth. Uses a new stack if the current one is too small.
pub(crate) fn with_stack_for_depth<T>(depth: usize, work: impl FnOnce() -> T) -> T {
    let bytes = DECIDING_BYTES + depth * LEVEL_BYTES;
    stacker::maybe_grow(bytes, bytes, work)
}

/// Returns the depth of a file. Returns `None` and adds a finding if it is too deep to be parsed.
pub(crate) fn depth(source: &Source, findings: &mut Vec<Finding>) -> Option<usize> {
    let (span, excess) = match measure(&source.text) {
        Ok(depth) => return Some(depth),
        Err(excess) => excess,
    };
    let finding = Finding::error("nesting", &*source.display_path, excess.to_string());
    findings.push(finding.at(&source.text, span).help(match excess {
        Excess::Branches => "write a condition of its own for each case, with && and ||",
        Excess::Brackets => "split it into several policies",
        Excess::Levels => {
            "split it into several policies, or compare with a set: [\"…\", \"…\"].contains(…)"
        }
    }));
    None
}

/// The bound that a text exceeds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Excess {
    #[error("more than {MOST_BRACKETS} brackets are open here")]
    Brackets,
    #[error("more than {MOST_BRANCHES} ifs are nested here")]
    Branches,
    #[error("more than {MOST_LEVELS} operators are nested here")]
    Levels,
}

/// The levels of the tokens within one pair of brackets.
#[derive(Clone, Copy, Default)]
struct Bracket {
    /// The `if`s. Each one ends at the next comma or closing bracket.
    branches: usize,
    /// The operators such as `&&` and `+`. Each one adds a level above all before it.
    joins: usize,
    /// The member accesses. Each one adds a level above its operand.
    links: usize,
    /// The levels of the deepest brackets in the operand of `links`.
    within: usize,
    /// The levels of the deepest operand of `joins`.
    joined: usize,
    /// The levels of the deepest item before the last comma.
    before_comma: usize,
}

impl Bracket {
    fn levels(&self) -> usize {
        let operand = self.joined.max(self.within + self.links);
        self.before_comma.max(operand + self.joins + self.branches)
    }

    fn take(&mut self, token: &str) {
        match token {
            "," => {
                *self = Self {
                    before_comma: self.levels(),
                    ..Self::default()
                };
            }
            // Successive conditions are joined as if by &&. Each Set< is a level.
            "&&" | "||" | "+" | "-" | "*" | "when" | "unless" | "Set" => {
                *self = Self {
                    joins: self.joins + 1,
                    joined: self.joined.max(self.within + self.links),
                    links: 0,
                    within: 0,
                    ..*self
                };
            }
            "if" => self.branches += 1,
            "." => self.links += 1,
            _ => {}
        }
    }
}

/// The open brackets of one policy.
#[derive(Default)]
struct OpenBrackets {
    outermost: Bracket,
    brackets: Vec<Bracket>,
}

impl OpenBrackets {
    fn innermost(&mut self) -> &mut Bracket {
        self.brackets.last_mut().unwrap_or(&mut self.outermost)
    }

    fn take(&mut self, token: &str) {
        match token {
            ";" => *self = Self::default(),
            "(" | "[" | "{" => self.brackets.push(Bracket::default()),
            ")" | "]" | "}" => {
                if let Some(closed) = self.brackets.pop() {
                    let outer = self.innermost();
                    outer.within = outer.within.max(closed.levels() + 1);
                }
            }
            _ => self.innermost().take(token),
        }
    }

    /// Returns the levels of the deepest expression, as if all brackets closed here.
    fn levels(&self) -> usize {
        let outwards = self.brackets.iter().rev().chain([&self.outermost]);
        outwards.fold(0, |inner, bracket| {
            let within = bracket.within.max(inner);
            Bracket { within, ..*bracket }.levels() + 1
        })
    }

    /// Returns the levels of the deepest expression, or the bound that the open brackets exceed.
    fn bounded_levels(&self) -> Result<usize, Excess> {
        let branches = |all: usize, bracket: &Bracket| all + bracket.branches;
        if self.brackets.len() > MOST_BRACKETS {
            return Err(Excess::Brackets);
        }
        if self.brackets.iter().fold(0, branches) > MOST_BRANCHES {
            return Err(Excess::Branches);
        }
        match self.levels() {
            levels if levels > MOST_LEVELS => Err(Excess::Levels),
            levels => Ok(levels),
        }
    }
}

/// Returns the levels of the deepest expression of a text, or the first token that exceeds a bound.
fn measure(text: &str) -> Result<usize, (Range<usize>, Excess)> {
    let mut deepest = 0;
    let mut open = OpenBrackets::default();
    for (token, span) in tokens(text) {
        open.take(token);
        match open.bounded_levels() {
            Ok(levels) => deepest = deepest.max(levels),
            Err(excess) => return Err((span, excess)),
        }
    }
    Ok(deepest)
}

/// Returns the depth of a text, or `None` if it is too deep to be parsed.
pub(crate) fn depth_of(text: &str) -> Option<usize> {
    measure(text).ok()
}

/// Returns the tokens of a Cedar policy or schema text with their ranges in bytes, without comments.
pub fn tokens(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    lexemes(text).filter(|(token, _)| !token.starts_with("//"))
}

/// Returns the comments of a Cedar policy or schema text, each with its `//`.
pub fn comments(text: &str) -> impl Iterator<Item = &str> {
    lexemes(text)
        .map(|(token, _)| token)
        .filter(|token| token.starts_with("//"))
}

/// Returns tokens and comments.
fn lexemes(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        let length = match first {
            '"' => string(rest),
            '/' if rest.starts_with("//") => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '&' | '|' if rest[1..].starts_with(first) => 2,
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ if first.is_whitespace() => rest
                .find(|c: char| !c.is_whitespace())
                .unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let span = at..at + length;
        at = span.end;
        Some((&rest[..length], span))
    })
    .filter(|(token, _)| !token.starts_with(char::is_whitespace))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the length of the string literal at the beginning of a text. An unterminated literal has all of
/// the text.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excess(text: &str) -> Option<Excess> {
        measure(text).err().map(|(_, excess)| excess)
    }

    #[test]
    fn nested_brackets_beyond_the_bound_are_an_excess() {
        let nested = |depth| format!("{}{}", "(".repeat(depth), ")".repeat(depth));
        let at = |from: usize| {
            let place = from + MOST_BRACKETS;
            Err((place..place + 1, Excess::Brackets))
        };
        assert_eq!(measure(&nested(MOST_BRACKETS)), Ok(MOST_BRACKETS + 1));
        assert_eq!(measure(&nested(MOST_BRACKETS + 1)), at(0));
        assert_eq!(measure(&"()".repeat(1000)), Ok(2));
        assert_eq!(measure(&format!("\"\\\"{}\"", nested(100))), Ok(1));
        for end in ['\n', '\r'] {
            assert_eq!(measure(&format!("// {}{end}(", "(".repeat(100))), Ok(2));
            assert_eq!(measure(&format!("//{end}{}", nested(100))), at(3));
        }
        assert_eq!(measure(&format!(")){}", nested(100))), at(2));
    }

    #[test]
    fn ifs_beyond_the_bound_over_all_brackets_are_an_excess() {
        let ifs = |many| format!("({})", "if a then (b) else ".repeat(many));
        assert_eq!(excess(&ifs(MOST_BRANCHES)), None);
        assert_eq!(excess(&ifs(MOST_BRANCHES + 1)), Some(Excess::Branches));
        let within = format!("({}{})", "if a then b else ".repeat(9), ifs(9));
        assert_eq!(excess(&within), Some(Excess::Branches));
        for successive in ["(if a then b else c), ", "[if a then b else c], ", "if a; "] {
            assert_eq!(excess(&successive.repeat(1000)), None);
        }
        assert_eq!(excess(&"iffy if_ \"if\" ".repeat(1000)), None);
    }

    #[test]
    fn operators_beyond_the_bound_in_one_expression_are_an_excess() {
        for operator in [
            ".a",
            ".f(a, b)",
            " + 1",
            " - 1",
            " * 1",
            "Set<",
            " && a < b",
            " || a",
            " when {}",
        ] {
            let chain = |many| operator.repeat(many);
            assert_eq!(excess(&chain(MOST_LEVELS - 2)), None, "{operator}");
            let too_many = excess(&chain(MOST_LEVELS));
            assert_eq!(too_many, Some(Excess::Levels), "{operator}");
        }
        for successive in ["a.b, ", "a && b, ", "a.b; ", "when {} unless {};", "(a.b)"] {
            assert_eq!(excess(&successive.repeat(1000)), None);
        }
        assert_eq!(measure("a.b.c && d"), Ok(1 + 2 + 1));
    }

    #[test]
    fn levels_of_closed_brackets_count_for_the_operators_after_them() {
        // Cedar parses each of these texts into a tree whose first operand is the deepest.
        for link in [" || a", " + 1", ".a", ".f(1)"] {
            let mut text = "a".to_owned();
            for _ in 0..40 {
                text = format!("({text}{})", link.repeat(10));
            }
            assert_eq!(excess(&text), Some(Excess::Levels), "{link}");
        }
    }
}

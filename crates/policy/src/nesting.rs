//! How deep expressions may be nested. Cedar's parser, validator and evaluator recurse. The parser has
//! no bound and would end the process; the validator gives up in silence where its stack ends, so that
//! what is wrong loads; the evaluator then errs at each request. So the depth is bounded here before
//! anything is parsed, and all three get a stack that has room for it.

use std::io;
use std::ops::Range;
use std::thread;

use cedargate_core::Finding;

use super::files::Source;

/// How many brackets may be open: far more than a person writes or reads.
const MOST_BRACKETS: usize = 64;
/// Cedar's validator takes twice as long for each `if` that is within another one.
const MOST_BRANCHES: usize = 16;
/// How many levels Cedar's tree of an expression may have, as [`Open`] counts them. `a || b || c` is
/// two levels to Cedar, and `a.b.c` and `Set<Set<` too.
const MOST_LEVELS: usize = 256;
/// In a debug build Cedar's parser takes some 130 KiB for each bracket.
pub(crate) const STACK_BYTES: usize = 64 << 20;
/// What evaluation needs beside its levels; Cedar itself stops 100 KiB before the end.
const DECIDING_BYTES: usize = 192 << 10;
/// What evaluation needs for a level with all that can hang on it between two brackets: `== !!!!(`.
/// In a release build that was measured as 21 KiB, and each `||` as 4.
const LEVEL_BYTES: usize = if cfg!(debug_assertions) {
    256 << 10
} else {
    24 << 10
};

/// Does `work` on a stack that has room for what [`depth`] lets pass.
///
/// # Errors
/// The system gives no thread.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let worker = roomy_thread().spawn_scoped(scope, work)?;
        Ok(worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// A thread whose stack has room for what [`depth`] lets pass.
pub(crate) fn roomy_thread() -> thread::Builder {
    thread::Builder::new()
        .name("policies".to_owned())
        .stack_size(STACK_BYTES)
}

/// Does `work`, which evaluates policies of this depth, on a stack that has room for them: on this
/// one, if it has.
pub(crate) fn with_room_for<T>(depth: usize, work: impl FnOnce() -> T) -> T {
    let bytes = DECIDING_BYTES + depth * LEVEL_BYTES;
    stacker::maybe_grow(bytes, bytes, work)
}

/// How deep a file is nested; `None` when it is too deep, and nothing of it may be parsed.
pub(crate) fn depth(source: &Source, findings: &mut Vec<Finding>) -> Option<usize> {
    let (span, excess) = match measure(&source.text) {
        Ok(depth) => return Some(depth),
        Err(found) => found,
    };
    let finding = Finding::error("nesting", source.shown.as_str(), excess.to_string());
    findings.push(finding.at(&source.text, span).help(match excess {
        Excess::Branches => "write a condition of its own for each case, with && and ||",
        Excess::Brackets => "split it into several policies",
        Excess::Levels => {
            "split it into several policies, or compare with a set: [\"…\", \"…\"].contains(…)"
        }
    }));
    None
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Excess {
    #[error("more than {MOST_BRACKETS} brackets are open here")]
    Brackets,
    #[error("more than {MOST_BRANCHES} ifs are within each other here")]
    Branches,
    #[error("more than {MOST_LEVELS} operators hang on each other here")]
    Levels,
}

/// What stands within one pair of brackets.
#[derive(Clone, Copy, Default)]
struct Bracket {
    /// An `if` goes on to the next comma, or to the bracket that closes.
    branches: usize,
    /// Each `&&` and each `+` is a level above all before it.
    joins: usize,
    /// Each member is a level above what it is a member of.
    links: usize,
    /// The levels of the deepest brackets that `links` hang on.
    within: usize,
    /// The levels of the deepest of what `joins` join.
    joined: usize,
    /// The levels of the deepest of what commas part.
    parted: usize,
}

impl Bracket {
    fn levels(&self) -> usize {
        let operand = self.joined.max(self.within + self.links);
        self.parted.max(operand + self.joins + self.branches)
    }

    fn take(&mut self, token: &str) {
        match token {
            "," => {
                *self = Self {
                    parted: self.levels(),
                    ..Self::default()
                };
            }
            // One condition after the other is as if && stood between them; Set<Set< is a level each.
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

/// The brackets that are open in one policy.
#[derive(Default)]
struct Open {
    outermost: Bracket,
    brackets: Vec<Bracket>,
}

impl Open {
    fn here(&mut self) -> &mut Bracket {
        self.brackets.last_mut().unwrap_or(&mut self.outermost)
    }

    fn take(&mut self, token: &str) {
        match token {
            ";" => *self = Self::default(),
            "(" | "[" | "{" => self.brackets.push(Bracket::default()),
            ")" | "]" | "}" => {
                if let Some(closed) = self.brackets.pop() {
                    let here = self.here();
                    here.within = here.within.max(closed.levels() + 1);
                }
            }
            _ => self.here().take(token),
        }
    }

    /// The levels down to the deepest, as if all brackets closed here.
    fn levels(&self) -> usize {
        let outwards = self.brackets.iter().rev().chain([&self.outermost]);
        outwards.fold(0, |inner, bracket| {
            let within = bracket.within.max(inner);
            Bracket { within, ..*bracket }.levels() + 1
        })
    }

    fn excess(&self) -> Option<Excess> {
        let branches = |all: usize, bracket: &Bracket| all + bracket.branches;
        if self.brackets.len() > MOST_BRACKETS {
            Some(Excess::Brackets)
        } else if self.brackets.iter().fold(0, branches) > MOST_BRANCHES {
            Some(Excess::Branches)
        } else if self.levels() > MOST_LEVELS {
            Some(Excess::Levels)
        } else {
            None
        }
    }
}

/// The levels of the deepest expression of a text, or the first token that is too deep.
fn measure(text: &str) -> Result<usize, (Range<usize>, Excess)> {
    let mut deepest = 0;
    let mut open = Open::default();
    for (token, span) in tokens(text) {
        open.take(token);
        if let Some(excess) = open.excess() {
            return Err((span, excess));
        }
        deepest = deepest.max(open.levels());
    }
    Ok(deepest)
}

/// The words, strings and signs of a text in one of Cedar's languages. Comments are left out.
pub fn tokens(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    lexemes(text).filter(|(token, _)| !token.starts_with("//"))
}

/// The comments of a text in one of Cedar's languages.
pub fn comments(text: &str) -> impl Iterator<Item = &str> {
    lexemes(text)
        .map(|(token, _)| token)
        .filter(|token| token.starts_with("//"))
}

/// All but what is blank.
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

/// The length of the string that a text begins with; of all of it when it does not end.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
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
    fn brackets_are_counted_where_they_nest() {
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
    fn branches_are_counted_over_all_brackets_until_their_end() {
        let ifs = |many| format!("({})", "if a then (b) else ".repeat(many));
        assert_eq!(excess(&ifs(MOST_BRANCHES)), None);
        assert_eq!(excess(&ifs(MOST_BRANCHES + 1)), Some(Excess::Branches));
        let within = format!("({}{})", "if a then b else ".repeat(9), ifs(9));
        assert_eq!(excess(&within), Some(Excess::Branches));
        for one_after_the_other in ["(if a then b else c), ", "[if a then b else c], ", "if a; "] {
            assert_eq!(excess(&one_after_the_other.repeat(1000)), None);
        }
        assert_eq!(excess(&"iffy if_ \"if\" ".repeat(1000)), None);
    }

    #[test]
    fn operators_are_counted_until_what_they_join_ends() {
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
        for one_after_the_other in ["a.b, ", "a && b, ", "a.b; ", "when {} unless {};", "(a.b)"] {
            assert_eq!(excess(&one_after_the_other.repeat(1000)), None);
        }
        assert_eq!(measure("a.b.c && d"), Ok(1 + 2 + 1));
    }

    #[test]
    fn what_closed_counts_for_what_hangs_on_it() {
        // To Cedar each of these is a tree that is deepest at its beginning.
        for link in [" || a", " + 1", ".a", ".f(1)"] {
            let mut text = "a".to_owned();
            for _ in 0..40 {
                text = format!("({text}{})", link.repeat(10));
            }
            assert_eq!(excess(&text), Some(Excess::Levels), "{link}");
        }
    }
}

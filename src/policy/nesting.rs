//! How deep expressions may be nested. Cedar's parser and validator recurse without a bound of
//! their own: what is deeper would end the process, or keep it busy for ever, instead of being
//! refused.

use std::io;
use std::ops::Range;
use std::thread;

use crate::finding::Finding;

use super::files::Source;

/// Far more than a person writes or reads.
const DEEPEST: usize = 64;
/// Cedar's validator takes twice as long for each `if` that is within another one.
const MOST_BRANCHES: usize = 16;
/// The links of `a.b.c` and `1 + 2 + 3` are within each other too, and so is each `Set<`; those of
/// `&&` and `||` are not in the way.
const MOST_LINKS: usize = 4096;
/// In a debug build Cedar takes some 130 KiB of stack for each level.
const STACK_BYTES: usize = 64 << 20;

/// Does `work` on a stack that has room for what [`check`] lets pass.
///
/// # Errors
/// The system gives no thread.
pub(super) fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("policies".to_owned());
        let worker = builder.stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
        Ok(worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// What is nested too deep in a file; none of it may be parsed then.
pub(super) fn check(source: &Source) -> Option<Finding> {
    let (span, excess) = too_deep(&source.text)?;
    let finding = Finding::error("nesting", source.shown.as_str(), excess.to_string());
    Some(finding.at(&source.text, span).help(match excess {
        Excess::Branches => "write a condition of its own for each case, with && and ||",
        Excess::Brackets | Excess::Links => "split it into several policies",
    }))
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Excess {
    #[error("more than {DEEPEST} brackets are open here")]
    Brackets,
    #[error("more than {MOST_BRANCHES} ifs are within each other here")]
    Branches,
    #[error("more than {MOST_LINKS} links hang on each other here")]
    Links,
}

/// What stands within one pair of brackets and is not over yet.
#[derive(Clone, Copy, Default)]
struct Level {
    /// An `else` goes on to the next comma, or to the bracket that closes.
    branches: usize,
    links: usize,
}

impl Level {
    fn take(&mut self, token: &str) {
        match token {
            "," => *self = Self::default(),
            "&" | "|" => self.links = 0,
            "if" => self.branches += 1,
            "." | "+" | "-" | "*" | "<" => self.links += 1,
            _ => {}
        }
    }
}

/// The levels that are open, the outermost first.
struct Open(Vec<Level>);

impl Open {
    fn new() -> Self {
        Self(vec![Level::default()])
    }

    fn take(&mut self, token: &str) {
        match token {
            ";" => *self = Self::new(),
            "(" | "[" | "{" => self.0.push(Level::default()),
            ")" | "]" | "}" if self.0.len() > 1 => drop(self.0.pop()),
            _ => {
                if let Some(here) = self.0.last_mut() {
                    here.take(token);
                }
            }
        }
    }

    fn excess(&self) -> Option<Excess> {
        let sum = |of: fn(&Level) -> usize| self.0.iter().map(of).sum::<usize>();
        if self.0.len() - 1 > DEEPEST {
            Some(Excess::Brackets)
        } else if sum(|level| level.branches) > MOST_BRANCHES {
            Some(Excess::Branches)
        } else if sum(|level| level.links) > MOST_LINKS {
            Some(Excess::Links)
        } else {
            None
        }
    }
}

/// The first token that is too deep. What stands in strings and comments is not counted.
fn too_deep(text: &str) -> Option<(Range<usize>, Excess)> {
    let mut open = Open::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let length = match first {
            '"' => string(rest),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        open.take(token);
        if let Some(excess) = open.excess() {
            return Some((at..at + length, excess));
        }
        rest = behind;
    }
    None
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
        too_deep(text).map(|(_, excess)| excess)
    }

    #[test]
    fn brackets_are_counted_where_they_nest() {
        let nested = |depth| format!("{}{}", "(".repeat(depth), ")".repeat(depth));
        let at = |from: usize| Some((from + DEEPEST..from + DEEPEST + 1, Excess::Brackets));
        assert_eq!(too_deep(&nested(DEEPEST)), None);
        assert_eq!(too_deep(&nested(DEEPEST + 1)), at(0));
        assert_eq!(too_deep(&"()".repeat(1000)), None);
        assert_eq!(too_deep(&format!("\"\\\"{}\"", nested(100))), None);
        assert_eq!(too_deep(&format!("// {}\n(", "(".repeat(100))), None);
        assert_eq!(too_deep(&format!("//\n{}", nested(100))), at(3));
        assert_eq!(too_deep(&format!(")){}", nested(100))), at(2));
    }

    #[test]
    fn branches_are_counted_over_all_brackets_until_their_end() {
        let ifs = |many| "if a then (b) else ".repeat(many);
        assert_eq!(excess(&ifs(MOST_BRANCHES)), None);
        assert_eq!(excess(&ifs(MOST_BRANCHES + 1)), Some(Excess::Branches));
        let within = format!("{}({})", ifs(9), ifs(9));
        assert_eq!(excess(&within), Some(Excess::Branches));
        for one_after_the_other in ["(if a then b else c) && ", "if a then b else c, ", "if a; "] {
            assert_eq!(excess(&one_after_the_other.repeat(1000)), None);
        }
        assert_eq!(excess(&"iffy if_ \"if\" ".repeat(1000)), None);
    }

    #[test]
    fn links_are_counted_until_the_condition_ends() {
        for link in [".a", ".f(a, b && c)", " + 1", " - 1", " * 1", "Set<"] {
            assert_eq!(excess(&link.repeat(MOST_LINKS)), None, "{link}");
            assert_eq!(
                excess(&link.repeat(MOST_LINKS + 1)),
                Some(Excess::Links),
                "{link}"
            );
        }
        for one_after_the_other in ["a.b && ", "a.b || ", "a.b, ", "a.b; ", "(a.b)"] {
            assert_eq!(excess(&one_after_the_other.repeat(MOST_LINKS + 1)), None);
        }
    }
}

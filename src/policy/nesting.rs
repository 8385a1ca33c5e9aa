//! How deep expressions may be nested. Cedar's parser and validator recurse without a bound of
//! their own: what is deeper would end the process instead of being refused.

use std::io;
use std::ops::Range;
use std::thread;

use crate::finding::Finding;

use super::files::Source;

/// Far more than a person writes or reads.
const DEEPEST: usize = 64;
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
    let span = too_deep(&source.text)?;
    let message = format!("more than {DEEPEST} brackets are open here");
    let finding = Finding::error("nesting", source.shown.as_str(), message).at(&source.text, span);
    Some(finding.help("split it into several policies"))
}

/// Where the first bracket stands that is nested too deep. Brackets in strings and comments are
/// not counted.
fn too_deep(text: &str) -> Option<Range<usize>> {
    let mut depth = 0_usize;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                bytes.by_ref().find(|(_, byte)| *byte == b'\n');
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > DEEPEST {
                    return Some(at..at + 1);
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted_where_they_nest() {
        let nested = |depth| format!("{}{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(too_deep(&nested(DEEPEST)), None);
        assert_eq!(too_deep(&nested(DEEPEST + 1)), Some(DEEPEST..DEEPEST + 1));
        assert_eq!(too_deep(&"()".repeat(1000)), None);
        assert_eq!(too_deep(&format!("\"\\\"{}\"", nested(100))), None);
        assert_eq!(too_deep(&format!("// {}\n(", "(".repeat(100))), None);
        assert_eq!(
            too_deep(&format!("//\n{}", nested(100))),
            Some(3 + DEEPEST..4 + DEEPEST)
        );
    }
}

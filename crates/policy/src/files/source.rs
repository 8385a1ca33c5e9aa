//! One file with its content.

use std::sync::{Arc, OnceLock};

/// A file with its content.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path within its folder, separated by `/`. It does not depend on where the folder is.
    pub name: String,
    /// The path in findings: the folder as its user named it, and the name of the file.
    pub display_path: Arc<str>,
    /// The content.
    pub text: Arc<str>,
    /// The number of the first line of `text`.
    first_line: usize,
    /// The byte at which each line after the first begins. Found when the first line is asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// Makes a source of a whole file.
    pub fn new(name: String, display_path: impl Into<Arc<str>>, text: Arc<str>) -> Self {
        Self {
            name,
            display_path: display_path.into(),
            text,
            first_line: 1,
            lines: OnceLock::new(),
        }
    }

    /// Makes a source of a part of a file that begins on the line `first_line`.
    pub(crate) fn of_part(display_path: Arc<str>, text: Arc<str>, first_line: usize) -> Self {
        Self {
            first_line,
            ..Self::new(String::new(), display_path, text)
        }
    }

    /// Returns the same file with another content.
    #[must_use]
    pub fn with_text(&self, text: &str) -> Self {
        Self::new(
            self.name.clone(),
            Arc::clone(&self.display_path),
            text.into(),
        )
    }

    /// Returns the number of the line of a byte, from 1.
    pub fn line_of(&self, byte: usize) -> usize {
        let lines = self.lines.get_or_init(|| {
            let ends = self.text.match_indices('\n');
            ends.map(|(at, _)| at + 1).collect()
        });
        self.first_line + lines.partition_point(|start| *start <= byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_each_byte_is_the_number_of_line_feeds_before_it() {
        for text in ["", "\n", "a\nb", "a\n\n\r\nbc\n", "no line feed"] {
            let source = Source::new("a.cedar".to_owned(), "a.cedar", text.into());
            let part = Source::of_part("a.cedar".into(), text.into(), 7);
            for at in 0..=text.len() {
                let before = text[..at].matches('\n').count();
                assert_eq!(source.line_of(at), before + 1, "{text:?} at {at}");
                assert_eq!(part.line_of(at), before + 7, "{text:?} at {at}");
            }
        }
    }
}

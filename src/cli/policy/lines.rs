//! The lines of a decision log, some at a time, so that a log of any size is read in little memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::cli::failure::Failure;
use crate::policy::Recorded;

/// Longer than any line that the gateway writes.
const MOST_BYTES: usize = 1 << 20;

/// How many lines a worker takes at once.
const BATCH: usize = 64;

/// A line, and its number from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) number: usize,
    /// The text, or why it is none.
    pub(super) text: Result<String, &'static str>,
}

impl Line {
    /// The decision that it holds, or why it holds none.
    pub(super) fn recorded(&self) -> Result<Recorded, String> {
        Recorded::read(self.text.as_ref().map_err(|why| (*why).to_owned())?)
    }
}

/// Batches of lines. Empty ones are left out.
pub(super) struct Lines<R> {
    name: String,
    input: R,
    number: usize,
    failed: Option<io::Error>,
}

impl Lines<Box<dyn BufRead + Send>> {
    /// Of a file, or of stdin if it is `-`.
    pub(super) fn open(log: &Path) -> Result<Self, Failure> {
        let (name, input): (_, Box<dyn BufRead + Send>) = if log.as_os_str() == "-" {
            ("stdin".to_owned(), Box::new(BufReader::new(io::stdin())))
        } else {
            let name = log.display().to_string();
            let file = File::open(log).map_err(|error| unreadable(&name, &error))?;
            (name, Box::new(BufReader::with_capacity(1 << 16, file)))
        };
        Ok(Self::of(name, input))
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let message = format!("the decision log cannot be read: {error}");
    Failure::file("unreadable", name, message)
        .help("name the file of `[decision_log] file`, or - to read it from stdin")
}

impl<R: BufRead> Lines<R> {
    fn of(name: String, input: R) -> Self {
        Self {
            name,
            input,
            number: 0,
            failed: None,
        }
    }

    /// Whether all of it could be read.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.failed {
            Some(error) => Err(unreadable(&self.name, &error)),
            None => Ok(()),
        }
    }

    /// The next line; `None` at the end.
    fn line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let mut length = 0;
        loop {
            let some = match self.input.fill_buf() {
                Ok(some) => some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if some.is_empty() && length == 0 {
                return Ok(None);
            }
            let end = some.iter().position(|byte| *byte == b'\n');
            let part = &some[..end.unwrap_or(some.len())];
            let room = MOST_BYTES - bytes.len();
            bytes.extend_from_slice(&part[..part.len().min(room)]);
            length += part.len();
            let taken = part.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() || taken == 0 {
                break;
            }
        }
        self.number += 1;
        let text = if length > MOST_BYTES {
            Err("it is longer than 1 MiB")
        } else {
            String::from_utf8(bytes).map_err(|_| "it is not UTF-8")
        };
        let number = self.number;
        Ok(Some(Line { number, text }))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Vec<Line>;

    fn next(&mut self) -> Option<Vec<Line>> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH && self.failed.is_none() {
            match self.line() {
                Ok(Some(line)) => batch.push(line),
                Ok(None) => break,
                Err(error) => self.failed = Some(error),
            }
        }
        let last = batch.is_empty();
        let empty = |line: &Line| line.text.as_ref().is_ok_and(|text| text.trim().is_empty());
        batch.retain(|line| !empty(line));
        (!last).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(usize, Result<String, &'static str>)> {
        let read = |capacity: usize| {
            let input = BufReader::with_capacity(capacity, bytes);
            let lines = Lines::of("log".to_owned(), input).flatten();
            let lines: Vec<_> = lines.map(|line| (line.number, line.text)).collect();
            lines
        };
        let once = read(1 << 16);
        assert_eq!(once, read(7), "the size of the buffer shows");
        once
    }

    #[test]
    fn lines_are_numbered_and_empty_ones_are_left_out() {
        assert_eq!(lines(b""), []);
        let line = |number, text: &str| (number, Ok(text.to_owned()));
        assert_eq!(lines(b"a"), [line(1, "a")]);
        assert_eq!(lines(b"a\n"), [line(1, "a")]);
        assert_eq!(
            lines(b"\na\r\n \n\nb\xc3\xa4\n"),
            [line(2, "a\r"), line(5, "b\u{e4}")]
        );
        let many = "x\n".repeat(3 * BATCH + 1);
        assert_eq!(lines(many.as_bytes()).len(), 3 * BATCH + 1);
        let gap = format!("{}x", "\n".repeat(3 * BATCH));
        assert_eq!(lines(gap.as_bytes()), [line(3 * BATCH + 1, "x")]);
    }

    #[test]
    fn what_is_no_text_is_said_and_what_follows_is_read() {
        let mut bytes = b"\xff\n".to_vec();
        bytes.extend(vec![b'x'; MOST_BYTES + 1]);
        bytes.extend(b"\nlast");
        let read = lines(&bytes);
        assert_eq!(read[0], (1, Err("it is not UTF-8")));
        assert_eq!(read[1], (2, Err("it is longer than 1 MiB")));
        assert_eq!(read[2], (3, Ok("last".to_owned())));
    }

    struct Broken;

    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }

    #[test]
    fn a_failing_disk_ends_it_and_is_told() {
        let mut lines = Lines::of("log".to_owned(), BufReader::new(Broken));
        assert_eq!(lines.next(), None);
        let failure = lines.finish().unwrap_err();
        assert!(failure.findings[0].message.contains("the disk is gone"));
    }
}

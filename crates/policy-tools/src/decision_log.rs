//! Reads a decision log in batches of lines, so that a log of any size needs little memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use cedargate_policy::{RecordedDecision, analysis};
use serde::Serialize;

use crate::{Error, Result};

/// The limit on the length of a line. The gateway writes shorter lines.
const MAX_LINE_BYTES: usize = 1 << 20;

/// The number of lines that a worker takes at once.
const BATCH: usize = 64;

/// The source of a decision log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LogInput {
    /// The file at this path.
    File(PathBuf),
    /// The standard input of the process.
    Stdin,
}

impl LogInput {
    /// Returns the input that a path of the command line names. The path `-` is the standard input.
    pub fn named(path: &Path) -> Self {
        match path.as_os_str() == "-" {
            true => LogInput::Stdin,
            false => LogInput::File(path.to_owned()),
        }
    }

    /// Returns the name that messages use.
    pub fn name(&self) -> String {
        match self {
            LogInput::File(path) => path.display().to_string(),
            LogInput::Stdin => "stdin".to_owned(),
        }
    }

    fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(match self {
            LogInput::Stdin => Box::new(BufReader::new(io::stdin())),
            LogInput::File(path) => Box::new(BufReader::with_capacity(1 << 16, File::open(path)?)),
        })
    }
}

/// Reads every line on all cores and adds it to one of several results, which `start` makes. The order of
/// the results is not specified.
///
/// # Errors
/// [`Error::Usage`] if the log cannot be read to its end, [`Error::Threads`] if no thread starts.
pub(crate) fn fold<T: Send>(
    input: &LogInput,
    start: impl Fn() -> T + Send + Sync,
    add: impl Fn(&mut T, &LogLine) + Send + Sync,
) -> Result<Vec<T>> {
    let name = input.name();
    let opened = input.open().map_err(|error| unreadable(&name, &error))?;
    let mut batches = Batches::of(opened);
    let results = analysis::fold(&mut batches, start, |result, lines: Vec<LogLine>| {
        lines.iter().for_each(|line| add(result, line));
    });
    let results = results.map_err(Error::Threads)?;
    match batches.failed {
        Some(error) => Err(unreadable(&name, &error)),
        None => Ok(results),
    }
}

fn unreadable(name: &str, error: &io::Error) -> Error {
    Error::unreadable(name, "the decision log", error)
        .help("name the file of `[decision_log] file`, or - to read it from stdin")
}

/// One line of a decision log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogLine {
    /// The number of the line, from 1.
    pub(crate) number: usize,
    text: std::result::Result<String, LineError>,
}

/// The reason why a line is not read as text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum LineError {
    #[error("the line is longer than 1 MiB")]
    TooLong,
    #[error("the line is not UTF-8")]
    NotUtf8,
}

impl LogLine {
    /// Parses the decision on this line.
    ///
    /// # Errors
    /// The line does not hold a decision. The message gives the reason.
    pub(crate) fn recorded(&self) -> std::result::Result<RecordedDecision, String> {
        match &self.text {
            Ok(text) => RecordedDecision::read(text).map_err(|error| error.to_string()),
            Err(why) => Err(why.to_string()),
        }
    }
}

/// A recorded decision in a report, with its place in the log and its request.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedRequest {
    /// The id of the decision.
    pub decision_id: String,
    /// The line in the log, from 1.
    pub line: usize,
    /// The principal, as Cedar writes it.
    pub principal: String,
    /// The action, as Cedar writes it.
    pub action: String,
    /// The resource, as Cedar writes it.
    pub resource: String,
}

impl LoggedRequest {
    pub(crate) fn of(line: usize, recorded: &RecordedDecision) -> Self {
        let member = |name: &str| {
            let text = recorded.input().get(name).and_then(|value| value.as_str());
            text.unwrap_or_default().to_owned()
        };
        Self {
            decision_id: recorded.decision_id.clone(),
            line,
            principal: member("principal"),
            action: member("action"),
            resource: member("resource"),
        }
    }
}

/// An iterator over batches of lines. Blank lines are left out.
struct Batches<R> {
    input: R,
    number: usize,
    /// The error that ended the iteration.
    failed: Option<io::Error>,
}

impl<R: BufRead> Batches<R> {
    fn of(input: R) -> Self {
        Self {
            input,
            number: 0,
            failed: None,
        }
    }

    /// Returns the next line, or `None` at the end.
    fn line(&mut self) -> io::Result<Option<LogLine>> {
        let mut bytes = Vec::new();
        let mut length = 0;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() && length == 0 {
                return Ok(None);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = MAX_LINE_BYTES - bytes.len();
            bytes.extend_from_slice(&part[..part.len().min(room)]);
            length += part.len();
            let taken = part.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() || taken == 0 {
                break;
            }
        }
        self.number += 1;
        let text = if length > MAX_LINE_BYTES {
            Err(LineError::TooLong)
        } else {
            String::from_utf8(bytes).map_err(|_| LineError::NotUtf8)
        };
        let number = self.number;
        Ok(Some(LogLine { number, text }))
    }
}

impl<R: BufRead> Iterator for Batches<R> {
    type Item = Vec<LogLine>;

    fn next(&mut self) -> Option<Vec<LogLine>> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH && self.failed.is_none() {
            match self.line() {
                Ok(Some(line)) => batch.push(line),
                Ok(None) => break,
                Err(error) => self.failed = Some(error),
            }
        }
        let last = batch.is_empty();
        let blank = |line: &LogLine| line.text.as_ref().is_ok_and(|text| text.trim().is_empty());
        batch.retain(|line| !blank(line));
        (!last).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbered = (usize, std::result::Result<String, LineError>);

    fn lines(bytes: &[u8]) -> Vec<Numbered> {
        let read = |capacity: usize| {
            let input = BufReader::with_capacity(capacity, bytes);
            let lines = Batches::of(input).flatten();
            let lines: Vec<_> = lines.map(|line| (line.number, line.text)).collect();
            lines
        };
        let once = read(1 << 16);
        assert_eq!(
            once,
            read(7),
            "the result depends on the size of the buffer"
        );
        once
    }

    #[test]
    fn lines_are_numbered_and_blank_ones_are_left_out() {
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
    fn invalid_lines_are_reported_and_later_lines_are_read() {
        let mut bytes = b"\xff\n".to_vec();
        bytes.extend(vec![b'x'; MAX_LINE_BYTES + 1]);
        bytes.extend(b"\nlast");
        let read = lines(&bytes);
        assert_eq!(read[0], (1, Err(LineError::NotUtf8)));
        assert_eq!(read[1], (2, Err(LineError::TooLong)));
        assert_eq!(read[2], (3, Ok("last".to_owned())));
    }

    struct Broken;

    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }

    #[test]
    fn a_failing_disk_ends_the_iteration_with_its_error() {
        let mut batches = Batches::of(BufReader::new(Broken));
        assert_eq!(batches.next(), None);
        let failed = batches.failed.unwrap();
        assert_eq!(failed.to_string(), "the disk is gone");
    }
}

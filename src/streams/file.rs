//! The file to which lines are appended.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file that is opened by its name when it is needed.
pub(super) struct File {
    path: PathBuf,
    /// `None` until the next lines are written.
    open: Option<OpenFile>,
}

struct OpenFile {
    file: fs::File,
    /// True if the file ends within a line, as after a full disk or a crash.
    ends_within_line: bool,
}

/// The failure to write lines.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) error: io::Error,
    /// The number of lines that were not written completely.
    pub(super) lines: usize,
}

impl File {
    /// Opens a file, and creates it if it does not exist. A pipe is opened with the first lines, by the
    /// writing thread: opening it blocks until a process reads it.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let is_pipe = fs::metadata(&path).is_ok_and(|metadata| metadata.file_type().is_fifo());
        let open = if is_pipe {
            None
        } else {
            Some(OpenFile::at(&path)?)
        };
        Ok(Self { path, open })
    }

    pub(super) fn display_path(&self) -> String {
        self.path.display().to_string()
    }

    /// Opens the file that has the name now. After an error, the file that was open stays in use.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.open = Some(OpenFile::at(&self.path)?);
        Ok(())
    }

    /// Appends lines. After an error, the next call opens the file again by its name.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenFile::at(&self.path).map_err(|error| unwritten(error, lines))?,
        };
        open.append(lines)?;
        self.open = Some(open);
        Ok(())
    }
}

impl OpenFile {
    fn at(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let ends_within_line = file.metadata()?.is_file() && ends_within_line(path);
        Ok(Self {
            file,
            ends_within_line,
        })
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        if self.ends_within_line {
            self.file
                .write_all(b"\n")
                .map_err(|error| unwritten(error, lines))?;
            self.ends_within_line = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(unwritten(ErrorKind::WriteZero.into(), rest)),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unwritten(error, rest)),
            }
        }
        Ok(())
    }
}

/// Returns true if the last byte of the file is no line feed. Returns false for an empty file and for one
/// that cannot be read.
fn ends_within_line(path: &Path) -> bool {
    let last = || {
        let mut file = fs::File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        io::Result::Ok(last)
    };
    last().is_ok_and(|last| last != *b"\n")
}

fn unwritten(error: io::Error, rest: &[u8]) -> Unwritten {
    let lines = rest.iter().filter(|byte| **byte == b'\n').count();
    Unwritten { error, lines }
}

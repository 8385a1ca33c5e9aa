//! The file that lines are appended to.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file by its name, open or to be opened.
pub(super) struct File {
    path: PathBuf,
    /// None: it is opened before the next lines.
    open: Option<Open>,
}

struct Open {
    file: fs::File,
    /// What is in it ends in the middle of a line, as a full disk or a crash leaves it.
    cut: bool,
}

/// What could not be written.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) error: io::Error,
    /// So many lines are not there, or not whole.
    pub(super) lines: usize,
}

impl File {
    /// Opens a file, and makes it if it is not there. A pipe is opened later, since that takes until
    /// somebody reads it.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let is_pipe = fs::metadata(&path).is_ok_and(|there| there.file_type().is_fifo());
        let open = if is_pipe {
            None
        } else {
            Some(Open::at(&path)?)
        };
        Ok(Self { path, open })
    }

    /// Its name, for people.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Opens what has its name now, and keeps the file that is open if that fails.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.open = Some(Open::at(&self.path)?);
        Ok(())
    }

    /// Appends lines. After an error the file is opened anew: it may be another one by then.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::at(&self.path).map_err(|error| unwritten(error, lines))?,
        };
        open.append(lines)?;
        self.open = Some(open);
        Ok(())
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let cut = file.metadata()?.is_file() && ends_in_the_middle(path);
        Ok(Self { file, cut })
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        if self.cut {
            self.file
                .write_all(b"\n")
                .map_err(|error| unwritten(error, lines))?;
            self.cut = false;
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

/// Whether its last byte ends no line. What may not be read is taken for whole.
fn ends_in_the_middle(path: &Path) -> bool {
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

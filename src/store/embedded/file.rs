//! The file of the embedded store: made whole or not at all, held by one process, opened anew after
//! a failure of the disk.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{Database, DatabaseError, StorageError};

use super::tables::{FORMAT, META, add_counts, create_tables};
use crate::store::FileError;

const NAME: &str = "cedargate.redb";
const LOCK_NAME: &str = "cedargate.lock";
/// The pages that stay in memory. redb's default is 1 GiB.
const CACHE_BYTES: usize = 64 << 20;

pub(super) struct StoreFile {
    path: PathBuf,
    /// None while it cannot be opened. Before the lock, so that it is closed before that is let go.
    database: RwLock<Option<Database>>,
    /// Held as long as the store is open, so that the file may be closed and opened in between.
    _lock: Lock,
}

impl StoreFile {
    pub(super) fn open(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join(NAME);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| unusable(&path, source))?;
        let lock = Lock::take(folder, &path)?;
        let is_there = path.try_exists();
        if !is_there.map_err(|source| unusable(&path, source))? {
            create(folder, &path).map_err(|source| FileError::NotCreated {
                path: path.clone(),
                source,
            })?;
        }
        let database = check(&path)?;
        Ok(Self {
            path,
            database: RwLock::new(Some(database)),
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, for messages.
    pub(super) fn name(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Does something with the database. Waits for nobody: while it is being opened anew, that is
    /// the error. The error names the file and is for the log.
    pub(super) fn with<R>(
        &self,
        work: impl FnOnce(&Database) -> Result<R, redb::Error>,
    ) -> Result<R, String> {
        let closed = || {
            format!(
                "{}: cannot be used after a failure of the disk",
                self.name()
            )
        };
        let database = self.database.try_read().map_err(|_| closed())?;
        let database = database.as_ref().ok_or_else(closed)?;
        work(database).map_err(|error| format!("{}: {error}", self.name()))
    }

    /// Closes the file and opens it again, which is what redb needs after a failure of the disk: it
    /// then finds the last whole commit. Without the file it makes none.
    pub(super) fn reopen(&self) {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // redb holds a lock on the file as long as the old handle lives.
        drop(database.take());
        match builder().open(&self.path) {
            Ok(opened) => *database = Some(opened),
            Err(error) => tracing::error!("{}: cannot be opened again: {error}", self.name()),
        }
    }
}

/// The right to use the files of a folder.
struct Lock(File);

impl Lock {
    fn take(folder: &Path, path: &Path) -> Result<Self, FileError> {
        let file = private_file(&folder.join(LOCK_NAME));
        let file = file.map_err(|source| unusable(path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(in_use(path)),
            Err(TryLockError::Error(source)) => Err(unusable(path, source)),
        }
    }
}

impl Drop for Lock {
    /// In so many words: closing the file would not be enough while a process that was forked just
    /// now has not become another program yet, and has it open too.
    fn drop(&mut self) {
        let _unlocked = self.0.unlock();
    }
}

/// Makes an empty store under another name, and gives it its name when it is whole: so an empty or
/// half-made file under that name is always damage.
fn create(folder: &Path, path: &Path) -> Result<(), redb::Error> {
    let unfinished = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    drop(private_file(&unfinished)?);
    let database = builder().create(&unfinished)?;
    create_tables(&database)?;
    database.close()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Opens a store and looks at every page of it: redb trusts a file that was closed in good order.
fn check(path: &Path) -> Result<Database, FileError> {
    let database = builder()
        .set_check_integrity_on_open(true)
        .open(path)
        .map_err(|error| not_opened(path, error))?;
    let found = format(&database).map_err(|source| FileError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    if found != Some(FORMAT) {
        return Err(FileError::Format {
            path: path.to_owned(),
            found,
            expected: FORMAT,
        });
    }
    add_counts(&database).map_err(|source| FileError::NotWritten {
        path: path.to_owned(),
        source,
    })?;
    Ok(database)
}

fn format(database: &Database) -> Result<Option<u64>, redb::Error> {
    use redb::ReadableDatabase as _;
    let snapshot = database.begin_read()?;
    let table = snapshot.open_table(META)?;
    Ok(table.get("format")?.map(|format| format.value()))
}

fn not_opened(path: &Path, error: DatabaseError) -> FileError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => in_use(path),
        DatabaseError::Storage(StorageError::Io(source))
            if !matches!(
                source.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            unusable(path, source)
        }
        error => FileError::Damaged {
            path: path.to_owned(),
            source: error.into(),
        },
    }
}

fn in_use(path: &Path) -> FileError {
    FileError::InUse {
        path: path.to_owned(),
    }
}

fn unusable(path: &Path, source: io::Error) -> FileError {
    FileError::Unusable {
        path: path.to_owned(),
        source,
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

//! The file of the embedded store. It is created atomically, held by one process, and opened again
//! after a disk error.

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
/// The size of redb's page cache. redb's default is 1 GiB.
const CACHE_BYTES: usize = 64 << 20;

pub(super) struct StoreFile {
    path: PathBuf,
    /// `None` while the file cannot be opened. The field precedes the lock, so that the file is closed
    /// before the lock is released.
    database: RwLock<Option<Database>>,
    /// Held as long as the store is open, also while the file is closed to be opened again.
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
        let exists = path.try_exists();
        if !exists.map_err(|source| unusable(&path, source))? {
            create(folder, &path).map_err(|source| FileError::NotCreated {
                path: path.clone(),
                source,
            })?;
        }
        let database = open_checked(&path)?;
        Ok(Self {
            path,
            database: RwLock::new(Some(database)),
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn display_path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Runs a function with the database. Returns an error at once while the file is being opened
    /// again. The error is a message for the log that names the file.
    pub(super) fn with<R>(
        &self,
        work: impl FnOnce(&Database) -> Result<R, redb::Error>,
    ) -> Result<R, String> {
        let closed = || {
            format!(
                "{}: is closed after a disk error: see the log, and check the disk",
                self.display_path()
            )
        };
        let database = self.database.try_read().map_err(|_| closed())?;
        let database = database.as_ref().ok_or_else(closed)?;
        work(database).map_err(|error| format!("{}: {error}", self.display_path()))
    }

    /// Closes the file and opens it again. redb requires this after a disk error, and then returns to
    /// the last complete commit. A missing file is not created.
    pub(super) fn reopen(&self) {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // redb holds a lock on the file as long as the old handle lives.
        drop(database.take());
        match builder().open(&self.path) {
            Ok(opened) => *database = Some(opened),
            Err(error) => {
                tracing::error!("{}: cannot be opened again: {error}", self.display_path())
            }
        }
    }
}

/// An exclusive lock on the files of a folder.
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
    /// Unlocks explicitly: a child process between fork and exec has the file open too, so closing it
    /// here would not release the lock.
    fn drop(&mut self) {
        let _unlocked = self.0.unlock();
    }
}

/// Creates an empty store under another name, and renames it when it is complete. An empty or
/// incomplete file under the final name is therefore always damage.
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

/// Opens a store and checks every page, since redb by itself trusts a file that was closed properly.
fn open_checked(path: &Path) -> Result<Database, FileError> {
    let database = builder()
        .set_check_integrity_on_open(true)
        .open(path)
        .map_err(|error| open_error(path, error))?;
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

fn open_error(path: &Path, error: DatabaseError) -> FileError {
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

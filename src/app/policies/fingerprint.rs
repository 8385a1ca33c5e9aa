//! The state of a folder, cheap to take and to compare.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// What tells a folder and all that is in it from what they were before, without reading a file. It
/// differs whenever the content of a file may: it may differ when none does.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Fingerprint(Vec<Entry>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    path: PathBuf,
    /// Where it really is, if it is a link, or the folder itself: a mounted volume is changed by
    /// pointing a link elsewhere, above the files or beside them.
    target: Option<PathBuf>,
    state: Result<State, io::ErrorKind>,
}

/// Inode numbers are left out: there are network file systems that make them up anew.
#[derive(Clone, Debug, Eq, PartialEq)]
struct State {
    /// Kind and permissions.
    mode: u32,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same of the change of anything, content or not, that no program can set.
    changed: (i64, i64),
}

impl Fingerprint {
    /// Adds a folder, to this depth of folders. Left out is what begins with a dot, which the
    /// policies are not read from either.
    #[must_use]
    pub(super) fn with(mut self, folder: &Path, depth: usize) -> Self {
        let entries = WalkDir::new(folder)
            .follow_links(true)
            .max_depth(depth)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry));
        self.0.extend(entries.map(|found| match found {
            Ok(entry) => Entry::found(&entry),
            Err(error) => Entry::lost(&error),
        }));
        self
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

impl Entry {
    fn found(entry: &DirEntry) -> Self {
        let path = entry.path();
        let is_elsewhere = entry.path_is_symlink() || entry.depth() == 0;
        Self {
            path: path.to_owned(),
            target: is_elsewhere.then(|| fs::canonicalize(path).ok()).flatten(),
            state: entry
                .metadata()
                .map(|metadata| State::of(&metadata))
                .map_err(|error| kind(&error)),
        }
    }

    fn lost(error: &walkdir::Error) -> Self {
        Self {
            path: error.path().unwrap_or(Path::new("")).to_owned(),
            target: None,
            state: Err(kind(error)),
        }
    }
}

/// A ring of links has no I/O error.
fn kind(error: &walkdir::Error) -> io::ErrorKind {
    error
        .io_error()
        .map_or(io::ErrorKind::Other, io::Error::kind)
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        Self {
            mode: metadata.mode(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use tempfile::TempDir;

    use super::*;

    type Change = fn(&Path);

    fn folder() -> TempDir {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        for version in ["..one", "..two"] {
            fs::create_dir(path.join(version)).unwrap();
            fs::write(path.join(version).join("linked.cedar"), "x").unwrap();
        }
        symlink("..one", path.join("..data")).unwrap();
        symlink("..data/linked.cedar", path.join("linked.cedar")).unwrap();
        fs::create_dir(path.join("deep")).unwrap();
        fs::write(path.join("deep/a.cedar"), "a").unwrap();
        folder
    }

    fn of(folder: &Path) -> Fingerprint {
        Fingerprint::default().with(folder, usize::MAX)
    }

    fn touch(file: &Path) {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
            .unwrap();
    }

    #[test]
    fn each_kind_of_change_is_seen() {
        let changes: [(&str, Change); 10] = [
            ("longer", |it| {
                fs::write(it.join("deep/a.cedar"), "ab").unwrap()
            }),
            ("same length", |it| touch(&it.join("deep/a.cedar"))),
            ("renamed over", |it| {
                fs::write(it.join("new"), "b").unwrap();
                touch(&it.join("new"));
                fs::rename(it.join("new"), it.join("deep/a.cedar")).unwrap();
            }),
            ("new", |it| fs::write(it.join("deep/b.cedar"), "b").unwrap()),
            ("deleted", |it| {
                fs::remove_file(it.join("deep/a.cedar")).unwrap()
            }),
            ("new folder", |it| {
                fs::create_dir(it.join("deep/er")).unwrap()
            }),
            ("swapped", |it| {
                symlink("..two", it.join("..new")).unwrap();
                fs::rename(it.join("..new"), it.join("..data")).unwrap();
            }),
            ("dangling", |it| {
                fs::remove_dir_all(it.join("..one")).unwrap()
            }),
            ("gone", |it| fs::remove_dir_all(it).unwrap()),
            ("a ring", |it| {
                symlink("../deep", it.join("deep/ring")).unwrap()
            }),
        ];
        for (what, change) in changes {
            let folder = folder();
            let before = of(folder.path());
            assert_eq!(of(folder.path()), before, "{what}: nothing has changed yet");
            change(folder.path());
            assert_ne!(of(folder.path()), before, "{what}");
        }
    }

    #[test]
    fn a_folder_that_is_reached_by_another_link_has_changed() {
        let parent = TempDir::new().unwrap();
        let path = parent.path();
        let (one, two) = (folder(), folder());
        symlink(one.path(), path.join("now")).unwrap();
        let before = of(&path.join("now/deep"));
        symlink(two.path(), path.join("new")).unwrap();
        fs::rename(path.join("new"), path.join("now")).unwrap();
        assert_ne!(of(&path.join("now/deep")), before);
    }

    #[test]
    fn what_no_policy_is_read_from_is_not_seen() {
        let folder = folder();
        let path = folder.path();
        fs::write(path.join("deep/.a.swp"), "1").unwrap();
        let state = |path: &Path| Fingerprint::default().with(path, 1);
        let (all, first) = (of(path), state(path));
        fs::write(path.join("deep/.a.swp"), "12").unwrap();
        assert_eq!(of(path), all);
        fs::write(path.join("deep/a.cedar"), "abc").unwrap();
        assert_ne!(of(path), all);
        assert_eq!(state(path), first, "it is deeper than asked");
    }
}

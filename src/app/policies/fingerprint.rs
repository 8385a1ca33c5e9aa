//! The state of a folder, without the content of its files.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// The state of folders, taken without reading a file. It changes whenever the content of a file may
/// have changed, and may change when no content did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Fingerprint(Vec<Entry>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    path: PathBuf,
    /// The canonical path of a link, or of the folder itself. A mounted volume is updated by replacing
    /// a link, which may be above the folder or inside it.
    target: Option<PathBuf>,
    state: Result<State, io::ErrorKind>,
}

/// The metadata of a file. It has no inode number, because some network file systems change them.
#[derive(Clone, Debug, Eq, PartialEq)]
struct State {
    /// File type and permissions.
    mode: u32,
    bytes: u64,
    /// Time of the last change of the content, in seconds and nanoseconds.
    modified: (i64, i64),
    /// Time of the last change of content or metadata, in seconds and nanoseconds. Programs cannot
    /// set it.
    changed: (i64, i64),
}

impl Fingerprint {
    /// Adds a folder with its files, down to this depth. Leaves out hidden files, from which policies
    /// are not read either.
    #[must_use]
    pub(super) fn with(mut self, folder: &Path, depth: usize) -> Self {
        let entries = WalkDir::new(folder)
            .follow_links(true)
            .max_depth(depth)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry));
        self.0.extend(entries.map(|entry| match entry {
            Ok(entry) => Entry::readable(&entry),
            Err(error) => Entry::unreadable(&error),
        }));
        self
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

impl Entry {
    fn readable(entry: &DirEntry) -> Self {
        let path = entry.path();
        let has_target = entry.path_is_symlink() || entry.depth() == 0;
        Self {
            path: path.to_owned(),
            target: has_target.then(|| fs::canonicalize(path).ok()).flatten(),
            state: entry
                .metadata()
                .map(|metadata| State::of(&metadata))
                .map_err(|error| kind(&error)),
        }
    }

    fn unreadable(error: &walkdir::Error) -> Self {
        Self {
            path: error.path().unwrap_or(Path::new("")).to_owned(),
            target: None,
            state: Err(kind(error)),
        }
    }
}

/// Returns the kind of the I/O error. A loop of links has none, and counts as `Other`.
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

    fn fingerprint(folder: &Path) -> Fingerprint {
        Fingerprint::default().with(folder, usize::MAX)
    }

    fn touch(file: &Path) {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
            .unwrap();
    }

    #[test]
    fn each_kind_of_change_changes_the_fingerprint() {
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
            ("link replaced", |it| {
                symlink("..two", it.join("..new")).unwrap();
                fs::rename(it.join("..new"), it.join("..data")).unwrap();
            }),
            ("link dangling", |it| {
                fs::remove_dir_all(it.join("..one")).unwrap()
            }),
            ("folder deleted", |it| fs::remove_dir_all(it).unwrap()),
            ("loop of links", |it| {
                symlink("../deep", it.join("deep/loop")).unwrap()
            }),
        ];
        for (name, change) in changes {
            let folder = folder();
            let before = fingerprint(folder.path());
            assert_eq!(
                fingerprint(folder.path()),
                before,
                "{name}: nothing has changed yet"
            );
            change(folder.path());
            assert_ne!(fingerprint(folder.path()), before, "{name}");
        }
    }

    #[test]
    fn replaced_link_above_the_folder_changes_the_fingerprint() {
        let parent = TempDir::new().unwrap();
        let path = parent.path();
        let (one, two) = (folder(), folder());
        symlink(one.path(), path.join("now")).unwrap();
        let before = fingerprint(&path.join("now/deep"));
        symlink(two.path(), path.join("new")).unwrap();
        fs::rename(path.join("new"), path.join("now")).unwrap();
        assert_ne!(fingerprint(&path.join("now/deep")), before);
    }

    #[test]
    fn hidden_and_too_deep_files_do_not_change_the_fingerprint() {
        let folder = folder();
        let path = folder.path();
        fs::write(path.join("deep/.a.swp"), "1").unwrap();
        let shallow = |path: &Path| Fingerprint::default().with(path, 1);
        let (all_before, shallow_before) = (fingerprint(path), shallow(path));
        fs::write(path.join("deep/.a.swp"), "12").unwrap();
        assert_eq!(fingerprint(path), all_before);
        fs::write(path.join("deep/a.cedar"), "abc").unwrap();
        assert_ne!(fingerprint(path), all_before);
        assert_eq!(
            shallow(path),
            shallow_before,
            "the file is deeper than the fingerprint"
        );
    }
}

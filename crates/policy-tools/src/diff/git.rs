//! Reads folders of a revision of the git repository of the current folder. It runs the program `git`, which
//! supports every kind of repository. Names of revisions are passed so that git cannot take them for options.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cedargate_core::nearest;
use cedargate_policy::InlineFile;

use crate::{Error, Result};

/// The repository of the current folder.
#[derive(Debug)]
pub(super) struct Repository {
    /// The top folder of the working tree.
    top: PathBuf,
    /// The current folder.
    here: PathBuf,
}

/// A revision of a repository.
#[derive(Debug)]
pub(super) struct Revision<'a> {
    repository: &'a Repository,
    /// The name that the caller uses.
    name: &'a str,
    /// The id of its tree.
    tree: String,
}

/// The reason why a call of git failed.
#[derive(Debug, thiserror::Error)]
enum GitError {
    #[error("git cannot be started: {0}")]
    NotStarted(io::Error),
    #[error("git says: {0}")]
    Failed(String),
}

impl Repository {
    /// Finds the repository of the current folder. `name` is the revision that the message names.
    pub(super) fn here(name: &str) -> Result<Self> {
        let top = git(&["rev-parse", "--show-toplevel"]).map_err(|error| {
            let help = match error {
                GitError::NotStarted(_) => "install git, or name two folders",
                GitError::Failed(_) => {
                    "name a folder, or run this in the repository that has the revision"
                }
            };
            let message = format!("{name:?} is neither a folder nor a known revision: {error}");
            Error::usage("git", "", message).help(help)
        })?;
        let here = std::env::current_dir().map_err(|error| {
            let message = format!("the current folder cannot be determined: {error}");
            Error::usage("git", "", message)
        })?;
        let top = PathBuf::from(text(&top).trim_end_matches('\n'));
        Ok(Self { top, here })
    }

    /// Finds a revision by any name that git knows.
    pub(super) fn revision<'a>(&'a self, name: &'a str) -> Result<Revision<'a>> {
        match self.object(&format!("{name}^{{tree}}")) {
            Some(tree) => Ok(Revision {
                repository: self,
                name,
                tree,
            }),
            None => Err(unknown(name)),
        }
    }

    /// Returns the id of an object, or `None` if git does not know the name.
    fn object(&self, name: &str) -> Option<String> {
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", name];
        let id = text(&git(&arguments).ok()?).trim().to_owned();
        id.bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then_some(id)
    }

    /// Returns the path of a folder relative to the top of the repository.
    fn inside(&self, path: &Path) -> Result<String> {
        let mut whole = PathBuf::new();
        for part in self.here.join(path).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => drop(whole.pop()),
                part => whole.push(part),
            }
        }
        let inside = whole.strip_prefix(&self.top).ok().and_then(Path::to_str);
        inside.map(str::to_owned).ok_or_else(|| {
            let message = format!("this is not in the repository {}", self.top.display());
            Error::usage("git", path.display().to_string(), message)
                .help("name a policy and a schema folder of the repository")
        })
    }
}

impl Revision<'_> {
    /// Returns the prefix that names the files of a folder, such as `main:policies/`.
    pub(super) fn shown(&self, folder: &Path) -> Result<String> {
        let inside = self.repository.inside(folder)?;
        let slash = if inside.is_empty() { "" } else { "/" };
        Ok(format!("{}:{inside}{slash}", self.name))
    }

    /// Returns the files below a folder whose paths are `wanted`.
    ///
    /// # Errors
    /// [`Error::Usage`] if the revision has no such folder, if the folder has links or submodules, or if
    /// git fails.
    pub(super) fn files(
        &self,
        folder: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<InlineFile>> {
        let inside = self.repository.inside(folder)?;
        let shown = self.shown(folder)?;
        let failed = |message: String| Error::usage("git", shown.as_str(), message);
        let tree = self.repository.object(&format!("{}:{inside}", self.tree));
        let tree =
            tree.ok_or_else(|| Error::missing(Path::new(&shown), "folder in this revision"))?;
        let listed = git(&["ls-tree", "-r", "-z", "--full-tree", &tree]);
        let listed = listed.map_err(|error| failed(error.to_string()))?;
        let mut files = Vec::new();
        let mut blobs = BlobReader::open().map_err(|error| failed(error.to_string()))?;
        for entry in text(&listed).split_terminator('\0') {
            let Some((kind, name)) = entry.split_once('\t') else {
                continue;
            };
            if name.split('/').any(|part| part.starts_with('.')) {
                continue;
            }
            let id = match *kind.split(' ').collect::<Vec<_>>() {
                ["100644" | "100755" | "100664", "blob", id] => id,
                // A link or submodule may contain policies, and no policy may be left out silently.
                _ => {
                    let message =
                        "this is a link or a submodule, which is not followed in a revision";
                    let file = format!("{shown}{name}");
                    return Err(Error::usage("git", file, message)
                        .help("check the revision out (`git worktree add`) and name its folder"));
                }
            };
            if wanted(name) {
                let bytes = blobs.read(id).map_err(|error| failed(error.to_string()))?;
                let name = name.to_owned();
                files.push(InlineFile { name, bytes });
            }
        }
        Ok(files)
    }
}

fn unknown(name: &str) -> Error {
    let message = format!("{name:?} is neither a folder nor a revision of this repository");
    let error = Error::usage("revision", "", message);
    let all = ["for-each-ref", "--format=%(refname:short)"];
    let known = git(&all).unwrap_or_default();
    let known = text(&known);
    error.help(match nearest(name, known.lines()) {
        Some(known) => format!("did you mean {known:?}?"),
        None => {
            "write a branch, a tag or a commit, such as HEAD~1; a shallow clone lacks most commits"
                .to_owned()
        }
    })
}

/// Runs git and returns what it prints.
fn git(arguments: &[&str]) -> std::result::Result<Vec<u8>, GitError> {
    let output = command(arguments).output().map_err(GitError::NotStarted)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(GitError::Failed(text(&output.stderr).trim().to_owned()))
}

fn command(arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    // Messages of git are shown to people, so they are in English like all others.
    git.args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
    git
}

/// Decodes the output of git. Names of policy files are UTF-8, so replaced characters do no harm.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process of git that prints one file after another.
struct BlobReader {
    git: Child,
    answers: BufReader<ChildStdout>,
}

impl BlobReader {
    fn open() -> io::Result<Self> {
        let mut git = command(&["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let answers = git.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let answers = BufReader::new(answers);
        Ok(Self { git, answers })
    }

    fn read(&mut self, id: &str) -> io::Result<Vec<u8>> {
        let requests = self.git.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(requests, "{id}")?;
        let mut head = String::new();
        self.answers.read_line(&mut head)?;
        let size = head
            .trim_end()
            .rsplit_once(' ')
            .map(|(_, size)| size.parse());
        let Some(Ok(size)) = size else {
            return Err(io::Error::other(format!(
                "git cannot read {}",
                head.trim_end()
            )));
        };
        let mut bytes = Vec::new();
        (&mut self.answers).take(size).read_to_end(&mut bytes)?;
        self.answers.read_exact(&mut [0])?;
        Ok(bytes)
    }
}

impl Drop for BlobReader {
    /// Closes the input, which ends the process, and waits for the end.
    fn drop(&mut self) {
        drop(self.git.stdin.take());
        let _ = self.git.wait();
    }
}

//! Folders as they are in a revision of the git repository around here. `git` itself reads them: it
//! knows every kind of repository, and what is asked of it cannot be taken for an option.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::cli::failure::Failure;
use crate::finding::nearest;
use crate::policy::GivenFile;

/// The repository that this process works in.
#[derive(Debug)]
pub(super) struct Repository {
    /// Where its files are checked out.
    top: PathBuf,
    here: PathBuf,
}

/// A revision, and what it holds.
#[derive(Debug)]
pub(super) struct Revision<'a> {
    repository: &'a Repository,
    /// As a person calls it.
    name: &'a str,
    /// The id of its tree.
    tree: String,
}

/// Why git did not say what it was asked.
enum Refusal {
    NotStarted(io::Error),
    Said(String),
}

impl Repository {
    /// The repository around here. `asked` is what needs one.
    pub(super) fn here(asked: &str) -> Result<Self, Failure> {
        let top = git(&["rev-parse", "--show-toplevel"]).map_err(|refusal| match refusal {
            Refusal::NotStarted(error) => {
                let message = format!(
                    "{asked:?} is no folder, and git, which would know a revision of that name, cannot be started: {error}"
                );
                Failure::usage("git", message).help("install git, or name two folders")
            }
            Refusal::Said(said) => {
                let message = format!("{asked:?} is no folder, and of revisions git says: {said}");
                Failure::usage("git", message)
                    .help("name a folder, or run it inside of the repository that has the revision")
            }
        })?;
        let here = std::env::current_dir().map_err(|error| {
            Failure::usage("git", format!("the current folder is not known: {error}"))
        })?;
        let top = PathBuf::from(text(&top).trim_end_matches('\n'));
        Ok(Self { top, here })
    }

    /// A revision, by any name that git knows it by.
    pub(super) fn revision<'a>(&'a self, name: &'a str) -> Result<Revision<'a>, Failure> {
        match self.object(&format!("{name}^{{tree}}")) {
            Some(tree) => Ok(Revision {
                repository: self,
                name,
                tree,
            }),
            None => Err(unknown(name)),
        }
    }

    /// The id of an object.
    fn object(&self, name: &str) -> Option<String> {
        let ask = ["rev-parse", "--verify", "--quiet", "--end-of-options", name];
        let id = text(&git(&ask).ok()?).trim().to_owned();
        id.bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then_some(id)
    }

    /// A path as it is called inside of the repository.
    fn inside(&self, path: &Path) -> Result<String, Failure> {
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
            Failure::file("git", path.display().to_string(), message)
                .help("name folders of the repository with --policies and --schema")
        })
    }
}

impl Revision<'_> {
    /// What a person writes before the name of a file in a folder of it.
    pub(super) fn shown(&self, folder: &Path) -> Result<String, Failure> {
        let inside = self.repository.inside(folder)?;
        let slash = if inside.is_empty() { "" } else { "/" };
        Ok(format!("{}:{inside}{slash}", self.name))
    }

    /// The files in a folder and below that are `wanted`, by their paths in it. None if there is no such folder.
    pub(super) fn files(
        &self,
        folder: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<GivenFile>, Failure> {
        let inside = self.repository.inside(folder)?;
        let Some(tree) = self.repository.object(&format!("{}:{inside}", self.tree)) else {
            return Ok(Vec::new());
        };
        let shown = self.shown(folder)?;
        let failed = |said: String| Failure::file("git", shown.as_str(), said);
        let listed = git(&["ls-tree", "-r", "-z", "--full-tree", &tree]);
        let listed = listed.map_err(|refusal| failed(refusal.to_string()))?;
        let mut files = Vec::new();
        let mut blobs = Blobs::open().map_err(|error| failed(error.to_string()))?;
        for entry in text(&listed).split_terminator('\0') {
            let Some((kind, name)) = entry.split_once('\t') else {
                continue;
            };
            if name.split('/').any(|part| part.starts_with('.')) {
                continue;
            }
            let id = match *kind.split(' ').collect::<Vec<_>>() {
                ["100644" | "100755" | "100664", "blob", id] => id,
                // It may lead to policies, and nothing may be passed over in silence.
                _ => {
                    let message = "this is a link or a repository of its own, which is not followed in a revision";
                    let file = format!("{shown}{name}");
                    return Err(Failure::file("git", file, message)
                        .help("check the revision out (`git worktree add`) and name its folder"));
                }
            };
            if wanted(name) {
                let bytes = blobs.read(id).map_err(|error| failed(error.to_string()))?;
                let name = name.to_owned();
                files.push(GivenFile { name, bytes });
            }
        }
        Ok(files)
    }
}

fn unknown(name: &str) -> Failure {
    let message = format!("{name:?} is neither a folder nor a revision of this repository");
    let failure = Failure::usage("revision", message);
    let all = ["for-each-ref", "--format=%(refname:short)"];
    let known = git(&all).unwrap_or_default();
    let known = text(&known);
    failure.help(match nearest(name, known.lines()) {
        Some(known) => format!("did you mean {known:?}?"),
        None => {
            "write a branch, a tag or a commit, such as HEAD~1; a shallow clone has few of them"
                .to_owned()
        }
    })
}

/// Runs git, and gives back what it prints.
fn git(arguments: &[&str]) -> Result<Vec<u8>, Refusal> {
    let output = command(arguments).output().map_err(Refusal::NotStarted)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Refusal::Said(text(&output.stderr).trim().to_owned()))
}

fn command(arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    // What it says is passed on, and is in one language, as all else here.
    git.args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
    git
}

/// What git prints. A name that is not UTF-8 is none of a policy file, whatever becomes of it.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NotStarted(error) => write!(f, "git cannot be started: {error}"),
            Refusal::Said(said) => write!(f, "git says: {said}"),
        }
    }
}

/// One git that reads file after file.
struct Blobs {
    git: Child,
    answers: BufReader<ChildStdout>,
}

impl Blobs {
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
        let questions = self.git.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(questions, "{id}")?;
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

impl Drop for Blobs {
    /// It ends when there is nothing more to ask.
    fn drop(&mut self) {
        drop(self.git.stdin.take());
        let _ = self.git.wait();
    }
}

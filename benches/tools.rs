//! Measures loading, reloading and the policy tools with 1 000 and 10 000 policies, and prints the growth: 10
//! for a time that is proportional to the number of policies, 100 for one that grows with its square.
//!
//! The policies are those of `decide`: the shipped ones, and one rule for each of many tenants.
#![allow(clippy::print_stdout, reason = "figures go to stdout")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use cedargate_policy::cases::{self, PreparedCase};
use cedargate_policy::{Bundle, Requirements, Sources};
use cedargate_policy_tools::check::{self, Options};
use cedargate_policy_tools::diff::PolicyDifferences;
use cedargate_policy_tools::format::{self, LINE_WIDTH, Mode};
use cedargate_policy_tools::mutation::{self, EquivalentMutants};
use cedargate_policy_tools::{PolicyFiles, diff::Comparison};
use tempfile::TempDir;

const SIZES: [usize; 2] = [1_000, 10_000];
/// The best of this many rounds is printed.
const ROUNDS: usize = 3;
const SHIPPED: [&str; 4] = [
    "00-open-doors",
    "10-tenant-isolation",
    "20-security-keys",
    "30-step-up",
];

fn main() {
    let arguments: Vec<_> = env::args().collect();
    if let [_, flag, folder] = arguments.as_slice()
        && flag == "--resident"
    {
        return resident(Path::new(folder));
    }
    println!("{:<44}{:>12}{:>12}{:>10}", "", "1 000", "10 000", "growth");
    for layout in [Layout::OneFile, Layout::FileEach] {
        let folders = SIZES.map(|size| PolicyFolder::new(size, layout));
        let row = |what: &str, times: [f64; 2]| {
            println!(
                "{:<44}{:>9.1} ms{:>9.1} ms{:>9.1}×",
                format!("{what}, {}", layout.name()),
                times[0],
                times[1],
                times[1] / times[0]
            );
        };
        row("read and load", folders.each_ref().map(PolicyFolder::load));
        row(
            "read and reload after one change",
            folders.each_ref().map(PolicyFolder::reload),
        );
        row("check", folders.each_ref().map(PolicyFolder::check));
        row(
            "format --check",
            folders.each_ref().map(PolicyFolder::format),
        );
        if layout == Layout::OneFile {
            row(
                "diff of one change",
                folders.each_ref().map(PolicyFolder::diff),
            );
            row("mutate", folders.each_ref().map(PolicyFolder::mutate));
        }
        let memory = folders.each_ref().map(PolicyFolder::resident);
        println!(
            "{:<44}{:>9} MB{:>9} MB",
            format!("resident after load, {}", layout.name()),
            memory[0],
            memory[1]
        );
    }
}

/// Loads the policies of a folder and prints the resident memory of this process in MB.
fn resident(folder: &Path) {
    let bundle = Bundle::load(&sources(folder)).expect("a bundle");
    let status = fs::read_to_string("/proc/self/status").expect("the status of this process");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.and_then(|text| text.split_whitespace().next()?.parse().ok());
    let kilobytes: usize = kilobytes.expect("the resident memory");
    println!("{}", kilobytes / 1024);
    drop(bundle);
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Layout {
    OneFile,
    FileEach,
}

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Layout::OneFile => "in one file",
            Layout::FileEach => "a file each",
        }
    }
}

struct PolicyFolder {
    folder: TempDir,
    /// A file with a rule that changes are made in.
    changed: PathBuf,
}

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema")
}

fn sources(folder: &Path) -> Sources {
    Sources::read(folder, &schema()).expect("readable sources")
}

/// Returns the text of one rule, as the formatter writes it.
fn rule(number: usize) -> String {
    format!(
        r#"@id("rule-{number}")
@notice("Rule {number}.")
forbid (
  principal in Gate::Tenant::"00000000-0000-4000-8000-{number:012}",
  action in Gate::Action::"enroll",
  resource
)
unless {{ context.methodType == Gate::MethodType::"webauthn_fido" }};
"#
    )
}

/// Calls `work` several times and returns the shortest time in milliseconds. `prepare` is not measured.
fn best<I>(mut prepare: impl FnMut(usize) -> I, mut work: impl FnMut(&I)) -> f64 {
    let times = (0..ROUNDS).map(|round| {
        let input = prepare(round);
        let started = Instant::now();
        work(&input);
        started.elapsed().as_secs_f64() * 1000.0
    });
    times.fold(f64::INFINITY, f64::min)
}

impl PolicyFolder {
    fn new(policies: usize, layout: Layout) -> Self {
        let folder = tempfile::tempdir().expect("a folder for policies");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a policy file");
            path
        };
        let mut count = 0;
        for name in SHIPPED.map(|name| format!("{name}.cedar")) {
            let text = fs::read_to_string(shipped.join(&name)).expect("a shipped policy");
            count += text.matches("@id(").count();
            write(&name, &text);
        }
        let rules: Vec<_> = (count..policies).map(rule).collect();
        let changed = match layout {
            Layout::OneFile => write("90-tenants.cedar", &rules.join("\n")),
            Layout::FileEach => {
                let rules = rules.iter().enumerate();
                let files =
                    rules.map(|(at, text)| write(&format!("90-tenant-{at:06}.cedar"), text));
                let mut files: Vec<_> = files.collect();
                files.pop().expect("a rule")
            }
        };
        Self { folder, changed }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn bundle(&self) -> Bundle {
        Bundle::load(&sources(self.path())).expect("a bundle")
    }

    /// Changes the notice of one rule.
    fn change(&self, round: usize) {
        let text = fs::read_to_string(&self.changed).expect("the rules");
        let at = text.rfind("@notice(\"").expect("a notice");
        let at = at + "@notice(\"".len();
        let text = format!("{}{round} {}", &text[..at], &text[at..]);
        fs::write(&self.changed, text).expect("the rules");
    }

    fn load(&self) -> f64 {
        best(|_| (), |()| drop(std::hint::black_box(self.bundle())))
    }

    fn reload(&self) -> f64 {
        let bundle = self.bundle();
        let before = fs::read_to_string(&self.changed).expect("the rules");
        let mut kept = Vec::new();
        let time = best(
            |round| self.change(round),
            |()| {
                let reloaded = bundle.reload(&sources(self.path()), &Requirements::default());
                kept.push(reloaded.expect("a bundle"));
            },
        );
        assert_ne!(kept[0].revision(), bundle.revision());
        fs::write(&self.changed, before).expect("the rules");
        time
    }

    fn check(&self) -> f64 {
        let requirements = Requirements::default();
        let options = Options {
            issuers: None,
            requirements: &requirements,
            notes: false,
        };
        best(
            |_| (),
            |()| {
                let files = PolicyFiles::read(&[self.path().to_owned()], &schema());
                let report = check::run(&files, &options, &[]).expect("a report");
                assert_eq!(report.findings, []);
            },
        )
    }

    fn format(&self) -> f64 {
        let paths = [self.path().to_owned()];
        best(
            |_| (),
            |()| {
                let report = format::format_files(&paths, LINE_WIDTH, Mode::Check);
                assert_eq!(report.findings, []);
            },
        )
    }

    fn diff(&self) -> f64 {
        let old = self.bundle();
        let before = fs::read_to_string(&self.changed).expect("the rules");
        self.change(0);
        let new = self.bundle();
        fs::write(&self.changed, before).expect("the rules");
        best(
            |_| (),
            |()| {
                let comparison = Comparison::of(&old, &new).expect("a comparison");
                let differences: &PolicyDifferences = comparison.differences();
                assert_eq!(differences.changed.len(), 1);
            },
        )
    }

    fn mutate(&self) -> f64 {
        let bundle = self.bundle();
        let cases = passing_cases(&bundle);
        let started = Instant::now();
        let mut equivalents = EquivalentMutants::default();
        let report = mutation::measure(&bundle, &cases, &mut equivalents, &|_, _| {});
        assert!(report.expect("a report").killed > 0);
        started.elapsed().as_secs_f64() * 1000.0
    }

    /// Returns the resident memory of a process that has loaded the policies, in MB.
    fn resident(&self) -> usize {
        let program = env::current_exe().expect("this program");
        let output = Command::new(program)
            .arg("--resident")
            .arg(self.path())
            .output()
            .expect("this program again");
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().expect("the resident memory")
    }
}

/// Returns the shipped cases that pass with these policies.
fn passing_cases(bundle: &Bundle) -> Vec<PreparedCase> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
    let (cases, findings) = cases::read_all(&[folder]);
    assert_eq!(findings.0, []);
    let runs = cases::run_all(bundle, &cases).expect("threads");
    let passed = runs
        .into_iter()
        .flatten()
        .filter(|run| run.failures.is_empty());
    passed.map(|run| run.case).collect()
}

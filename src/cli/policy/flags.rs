//! The flags that all policy tools share.

use std::path::{Path, PathBuf};

use cedargate_policy::{Bundle, Requirements, Sources};
use cedargate_policy_tools::{Error, require_path};
use clap::Args;

use crate::cli::failure::Failure;
use crate::config::{self, PolicyConfig};

/// The paths of policies, schema and test cases.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cli) struct PolicyFlags {
    /// The policy folder; for check and format also a file, and repeatable [default: that of --config,
    /// else ./policies]
    #[arg(long, value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// The schema folder [default: that of --config, else ./schema]
    #[arg(long, value_name = "FOLDER")]
    schema: Option<PathBuf>,
    /// A test file or a folder of them; repeatable [default: ./tests/policies if it exists]
    #[arg(long, value_name = "PATH")]
    tests: Vec<PathBuf>,
    /// Load the policies like a gateway with this configuration: from the folders of its [policies] section,
    /// with the canary requests and policies that it requires.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The paths and the configuration that the flags of a call name.
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    /// The policy folders and files.
    pub(super) policies: Vec<PathBuf>,
    /// The schema folder.
    pub(super) schema: PathBuf,
    /// The test files and folders of them. Empty if none are named and the default does not exist.
    pub(super) tests: Vec<PathBuf>,
    /// The part of the configuration that concerns policies.
    pub(super) configuration: Option<PolicyConfig>,
}

const POLICIES: &str = "./policies";
const SCHEMA: &str = "./schema";
const TESTS: &str = "./tests/policies";

impl PolicyFlags {
    /// Resolves the defaults and reads the configuration.
    ///
    /// # Errors
    /// The configuration is wrong, or a named path does not exist; exit code 2.
    pub(super) fn resolve(&self) -> Result<Inputs, Failure> {
        let read = |file: &Path| config::load_for_policies(std::env::vars_os(), file);
        let configuration = self.config.as_deref().map(read).transpose();
        let configuration = configuration.map_err(Failure::configuration)?;
        let configured = configuration.as_ref();
        let mut policies = self.policies.clone();
        if policies.is_empty() {
            policies.push(configured.map_or_else(|| POLICIES.into(), |one| one.policies.clone()));
        }
        let schema = self.schema.clone();
        let schema = schema
            .or_else(|| configured.map(|one| one.schema.clone()))
            .unwrap_or_else(|| SCHEMA.into());
        let mut tests = self.tests.clone();
        if tests.is_empty() && Path::new(TESTS).exists() {
            tests.push(TESTS.into());
        }
        for path in &tests {
            require_path(path, "test file or folder")?;
        }
        Ok(Inputs {
            policies,
            schema,
            tests,
            configuration,
        })
    }

    /// Resolves the flags of a tool that also takes policies as arguments, and checks that they exist.
    pub(super) fn resolve_with_policies(&self, paths: &[PathBuf]) -> Result<Inputs, Failure> {
        let mut flags = self.clone();
        flags.policies.extend_from_slice(paths);
        let inputs = flags.resolve()?;
        inputs.require_policies()?;
        if self.schema.is_some() {
            inputs.require_schema()?;
        }
        Ok(inputs)
    }

    /// Resolves the flags of a tool that also takes test files as arguments.
    pub(super) fn resolve_with_tests(&self, paths: &[PathBuf]) -> Result<Inputs, Failure> {
        let mut flags = self.clone();
        flags.tests.extend_from_slice(paths);
        flags.resolve()
    }
}

impl Inputs {
    /// Checks that all policy paths exist.
    fn require_policies(&self) -> Result<(), Failure> {
        let mut paths = self.policies.iter();
        Ok(paths.try_for_each(|path| require_path(path, "policy file or folder"))?)
    }

    /// Checks that the schema folder exists.
    pub(super) fn require_schema(&self) -> Result<(), Failure> {
        Ok(require_path(&self.schema, "schema folder")?)
    }

    /// Checks that there are test paths.
    pub(super) fn require_tests(&self) -> Result<(), Failure> {
        match self.tests.is_empty() {
            true => Ok(require_path(Path::new(TESTS), "test file or folder")?),
            false => Ok(()),
        }
    }

    /// Returns the policy folder of a tool that loads all policies.
    ///
    /// # Errors
    /// There are several paths, or the path is a file; exit code 2.
    pub(super) fn policy_folder(&self) -> Result<&Path, Failure> {
        let (message, path) = match self.policies.as_slice() {
            [only] if only.is_file() => ("this is a file", only),
            [only] => return Ok(only),
            [_, second, ..] => ("this is a second policy path", second),
            [] => return Ok(Path::new(POLICIES)),
        };
        let help = "name one folder: this tool needs all policies; only check and format accept single files";
        let failure = Failure::file("not_a_folder", path.display().to_string(), message);
        Err(failure.help(help))
    }

    /// Returns the requirements that policies must fulfil to be put in force.
    pub(super) fn requirements(&self) -> Requirements {
        let requirements = self.configuration.as_ref().map(|one| &one.requirements);
        requirements.cloned().unwrap_or_default()
    }

    /// Checks that the folders of a tool that loads all policies exist.
    ///
    /// # Errors
    /// A path does not exist, or the policies are not a single folder; exit code 2.
    pub(super) fn require_folders(&self) -> Result<(), Failure> {
        self.require_policies()?;
        self.require_schema()?;
        self.policy_folder().map(drop)
    }

    /// Loads all policies. Pass [`Inputs::requirements`], or [`Requirements::none`] for a tool that explains
    /// why policies decide as they do.
    ///
    /// # Errors
    /// The policies do not load; exit code 1.
    pub(super) fn load(&self, requirements: &Requirements) -> Result<Bundle, Error> {
        let sources = self.policies.first().map(PathBuf::as_path);
        let sources = Sources::read(sources.unwrap_or(Path::new(POLICIES)), &self.schema);
        let bundle = sources.and_then(|sources| Bundle::load_with(&sources, requirements));
        bundle.map_err(Error::Invalid)
    }
}

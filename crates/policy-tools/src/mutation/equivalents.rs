//! Reads `equivalent-mutants.toml`, which declares mutants that make no difference. No test case can notice
//! such a mutant.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use cedargate_core::Finding;

use super::Mutant;

const FILE: &str = "equivalent-mutants.toml";

/// The mutants that policy authors declared equivalent, in files next to the test cases.
#[derive(Debug, Default)]
pub struct EquivalentMutants(Vec<Declaration>);

#[derive(Debug)]
struct Declaration {
    file: String,
    text: String,
    span: Range<usize>,
    entry: Entry,
    /// True once a surviving mutant matched the entry.
    used: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclarationFile {
    #[serde(default)]
    equivalent: Vec<Spanned<Entry>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    policy: String,
    change: String,
    reason: String,
}

impl EquivalentMutants {
    /// Reads the `equivalent-mutants.toml` of each folder in `paths`, and of the folder of each file in
    /// `paths`. Files that cannot be read and entries without a reason are added to `findings`.
    pub fn read(paths: &[PathBuf], findings: &mut Vec<Finding>) -> Self {
        let files: BTreeSet<_> = paths
            .iter()
            .map(|path| match path.is_dir() {
                true => path.join(FILE),
                false => path.parent().unwrap_or(Path::new("")).join(FILE),
            })
            .filter(|file| file.exists())
            .collect();
        let mut all = Self::default();
        for file in files {
            let shown = file.display().to_string();
            match fs::read_to_string(&file) {
                Ok(text) => all.add(&shown, &text, findings),
                Err(error) => {
                    let message = format!("cannot be read: {error}");
                    findings.push(Finding::error("unreadable", shown, message));
                }
            }
        }
        all
    }

    fn add(&mut self, file: &str, text: &str, findings: &mut Vec<Finding>) {
        let written: DeclarationFile = match toml::from_str(text) {
            Ok(written) => written,
            Err(error) => {
                let message = error.message().to_owned();
                let finding = Finding::error("equivalents_syntax", file, message)
                    .at(text, error.span().unwrap_or_default());
                return findings.push(finding.help(SHAPE));
            }
        };
        for entry in written.equivalent {
            if entry.get_ref().reason.trim().is_empty() {
                let message = "this entry gives no reason";
                let finding = Finding::error("equivalents_syntax", file, message);
                findings.push(finding.at(text, entry.span()).help(SHAPE));
            }
            self.0.push(Declaration {
                file: file.to_owned(),
                text: text.to_owned(),
                span: entry.span(),
                entry: entry.into_inner(),
                used: false,
            });
        }
    }

    /// Returns the declared reason why a survivor makes no difference, and marks the entry as used.
    pub(super) fn take(&mut self, survivor: &Mutant) -> Option<String> {
        let declaration = self.0.iter_mut().find(|declaration| {
            let entry = &declaration.entry;
            entry.policy == survivor.policy && entry.change == survivor.change
        })?;
        declaration.used = true;
        Some(declaration.entry.reason.clone())
    }

    /// Returns a finding for each entry that matched no survivor.
    pub fn unused(&self) -> impl Iterator<Item = Finding> {
        let unused = self.0.iter().filter(|one| !one.used);
        unused.map(|one| {
            let Entry { policy, change, .. } = &one.entry;
            let message = format!("no surviving change of {policy:?} is {change:?}");
            Finding::error("equivalent_stale", one.file.as_str(), message)
                .at(&one.text, one.span.clone())
                .help("remove the entry, or write policy and change as `cedargate policy test --mutate` lists them")
        })
    }
}

const SHAPE: &str = "an entry is [[equivalent]] with policy and change, as `cedargate policy test --mutate` lists them, and reason";

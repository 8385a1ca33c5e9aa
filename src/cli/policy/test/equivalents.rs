//! `equivalent-mutants.toml`: changes of policies that make no difference, so that no case can notice.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::finding::Finding;
use cedargate_policy_tools::mutation::Mutant;

const FILE: &str = "equivalent-mutants.toml";

/// What is declared beside the cases.
#[derive(Debug, Default)]
pub(super) struct Equivalents(Vec<Declared>);

#[derive(Debug)]
struct Declared {
    file: String,
    text: String,
    span: Range<usize>,
    entry: Entry,
    /// It is that of a survivor.
    used: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
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

impl Equivalents {
    /// Reads the files that stand in the folders, and beside the files, of the cases.
    pub(super) fn read(paths: &[PathBuf], findings: &mut Vec<Finding>) -> Self {
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
        let written: Written = match toml::from_str(text) {
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
            self.0.push(Declared {
                file: file.to_owned(),
                text: text.to_owned(),
                span: entry.span(),
                entry: entry.into_inner(),
                used: false,
            });
        }
    }

    /// Why a survivor makes no difference, if that is declared.
    pub(super) fn take(&mut self, survivor: &Mutant) -> Option<String> {
        let declared = self.0.iter_mut().find(|one| {
            one.entry.policy == survivor.policy && one.entry.change == survivor.change
        })?;
        declared.used = true;
        Some(declared.entry.reason.clone())
    }

    /// Entries of which no survivor was left.
    pub(super) fn stale(&self) -> impl Iterator<Item = Finding> {
        let stale = self.0.iter().filter(|one| !one.used);
        stale.map(|one| {
            let Entry { policy, change, .. } = &one.entry;
            let message = format!("no change {change:?} of {policy:?} goes unnoticed any more");
            Finding::error("equivalent_stale", one.file.as_str(), message)
                .at(&one.text, one.span.clone())
                .help("remove the entry, or write policy and change as they are listed now")
        })
    }
}

const SHAPE: &str =
    "an entry is [[equivalent]] with policy and change, as they are listed, and reason";

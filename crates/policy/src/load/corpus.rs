//! Cedar's own corpus, decided as requests are: parsed, assembled and judged by the code of this
//! gateway, with its rules about ids, annotations and schema left out, which the corpus knows nothing
//! of. The data is read in place: `CEDARGATE_VECTORS` names its folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cedar_policy::{EntityUid, Schema};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;
use crate::decision::Judged;
use crate::inquiry;
use crate::means::{NO_MEANS, StepUps};
use cedargate_core::Effect as Answer;

const POLICY_SETS: usize = 7_809;
const REQUESTS: usize = 62_472;

/// A policy set, and what is asked of it. The files are named by their paths in the archive.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    policies: String,
    entities: String,
    schema: String,
    should_validate: bool,
    requests: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    principal: Value,
    action: Value,
    resource: Value,
    context: Value,
    decision: String,
    /// The determining policies.
    reason: Vec<String>,
    /// The policies that could not be evaluated.
    errors: Vec<String>,
}

#[test]
fn every_decision_of_the_corpus_is_ours_too() {
    let Some(folder) = std::env::var_os("CEDARGATE_VECTORS") else {
        println!("CEDARGATE_VECTORS is not set: Cedar's corpus was not run");
        return;
    };
    let archive = PathBuf::from(folder).join("cedar-corpus/corpus-tests.tar.gz");
    let files = unpack(&archive);
    let mut names: Vec<_> = files.keys().filter(|name| is_case(name)).collect();
    names.sort_unstable();
    assert_eq!(names.len(), POLICY_SETS);

    let next = AtomicUsize::new(0);
    let work = || {
        let mut seen = Seen::default();
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let case: Case = serde_json::from_str(&files[*name]).unwrap();
            case.run(name, &files, &mut seen);
        }
        seen
    };
    let cores = thread::available_parallelism().unwrap().get();
    let seen: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let differences: Vec<_> = seen.iter().flat_map(|one| &one.differences).collect();
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(seen.iter().map(|one| one.requests).sum::<usize>(), REQUESTS);
}

fn unpack(archive: &Path) -> HashMap<String, String> {
    let mut files = HashMap::new();
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive).unwrap()));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(name, text);
        }
    }
    files
}

fn is_case(name: &str) -> bool {
    name.ends_with(".json") && !name.ends_with(".entities.json")
}

/// What one thread has seen.
#[derive(Default)]
struct Seen {
    requests: usize,
    differences: Vec<String>,
}

impl Case {
    fn run(&self, name: &str, files: &HashMap<String, String>, seen: &mut Seen) {
        let source = |name: &String| Source {
            name: name.clone(),
            shown: name.clone(),
            text: files[name].as_str().into(),
        };
        let (policies, schema) = (source(&self.policies), source(&self.schema));
        let mut findings = Vec::new();
        let bundle = load(&policies, &schema, &mut findings);
        if let Some(why) = misjudged(self.should_validate, &findings) {
            seen.differences
                .push(format!("{name}: {why}: {findings:?}"));
        }
        let given: Value = serde_json::from_str(&files[&self.entities]).unwrap();
        let entities = inquiry::entities(&bundle, &given).unwrap();
        let nothing = StepUps {
            strong_acr: &[],
            means: &NO_MEANS,
        };
        for (index, asked) in self.requests.iter().enumerate() {
            let (request, _) = inquiry::request(&bundle, &asked.request()).unwrap();
            let judged = bundle.judge(&request, &entities, nothing);
            seen.requests += 1;
            if !asked.expects(&judged) {
                let what = format!("{name}, request {index}: {judged:?}");
                seen.differences.push(what);
            }
        }
    }
}

/// What is wrong with these findings about a policy set that should validate, or should not.
///
/// The corpus is older than this Cedar, to which a policy that no action can reach is a warning, not
/// an error. Warnings are refused here, but the corpus does not say which there are; and that no
/// policy looks further than the entities of a request is a rule of ours.
fn misjudged(should_validate: bool, findings: &[Finding]) -> Option<&'static str> {
    let refused = findings
        .iter()
        .any(|one| one.code == VALIDATION && !one.message.contains("level"));
    match should_validate {
        true if refused => Some("it should validate"),
        false if findings.is_empty() => Some("it should not validate"),
        _ => None,
    }
}

/// What [`super::load`] does, without what it asks of ids, annotations and schema: policies are
/// named by their position, as Cedar does it and the corpus has it.
fn load(policies: &Source, schema: &Source, findings: &mut Vec<Finding>) -> Bundle {
    let fragment = schema::parse(schema, findings).unwrap();
    let schema = Schema::from_schema_fragments([fragment]).unwrap();
    let schema = SchemaIndex {
        actions: schema.action_entities().unwrap(),
        cedar: schema,
        claims: Vec::new(),
        names: BTreeSet::new(),
    };
    let parsed = parse(policies, findings);
    let statements: Vec<_> = parsed
        .bodies
        .into_iter()
        .map(|body| Statement {
            place: Place::of_file(policies),
            id: match &body {
                Body::Policy(policy) => policy.id().clone(),
                Body::Template(template) => template.id().clone(),
            },
            body,
            annotations: Annotations::default(),
        })
        .collect();
    let assembled = assemble(&statements, &[], |_| false, findings);
    validation::validate(&assembled, &schema, &HashSet::new(), findings);
    let live = assembled.live(findings);
    assembled.into_bundle(live, parsed.depth, schema, "corpus".into())
}

impl Asked {
    /// As a case of `cedar run-tests` has it.
    fn request(&self) -> Map<String, Value> {
        let uid = |json: &Value| EntityUid::from_json(json.clone()).unwrap().to_string();
        let request = json!({
            "principal": uid(&self.principal),
            "action": uid(&self.action),
            "resource": uid(&self.resource),
            "context": self.context,
        });
        request.as_object().unwrap().clone()
    }

    fn expects(&self, judged: &Judged) -> bool {
        // What Cedar decides when a policy errs is of no account here: it refuses.
        let effect = match (self.decision.as_str(), self.errors.is_empty()) {
            (_, false) => Answer::Failed,
            ("allow", true) => Answer::Allow,
            ("deny", true) => Answer::Deny("forbidden".to_owned()),
            (other, true) => panic!("{other} is no decision"),
        };
        let sorted = |ids: &[String]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids
        };
        let errors = sorted(&self.errors);
        judged.effect == effect
            && judged.policies == sorted(&self.reason)
            && judged.errors.len() == errors.len()
            && judged.errors.iter().zip(&errors).all(|(said, id)| {
                said.starts_with(&format!("error while evaluating policy `{id}`: "))
            })
    }
}

//! Cedar's own corpus, parsed, assembled and decided by the code of the gateway. The rules about ids,
//! annotations and the schema are left out, because the corpus does not follow them. The archive is read
//! in place, from the folder that `CEDARGATE_VECTORS` names.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cedar_policy::{EntityUid, PolicyId, Schema};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use cedargate_core::{Decision, Effect, Finding};

use super::assembly::AssembledPolicies;
use super::statement::{Statement, parse_file};
use super::validation::{self, PolicyValidator};
use crate::annotations::Annotations;
use crate::files::Source;
use crate::schema::{self, SchemaIndex};
use crate::{Bundle, PreparedRequest};

const POLICY_SETS: usize = 7_809;
const REQUESTS: usize = 62_472;

/// A policy set with its requests. The files are named by their paths in the archive.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    policies: String,
    entities: String,
    schema: String,
    should_validate: bool,
    requests: Vec<CorpusRequest>,
}

#[derive(Deserialize)]
struct CorpusRequest {
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
fn corpus_requests_are_decided_as_cedar_decides_them() {
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
        let mut tally = Tally::default();
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let case: Case = serde_json::from_str(&files[*name]).unwrap();
            case.run(name, &files, &mut tally);
        }
        tally
    };
    let cores = thread::available_parallelism().unwrap().get();
    let tallies: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let differences: Vec<_> = tallies.iter().flat_map(|one| &one.differences).collect();
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(
        tallies.iter().map(|one| one.requests).sum::<usize>(),
        REQUESTS
    );
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

/// The results of one thread.
#[derive(Default)]
struct Tally {
    requests: usize,
    differences: Vec<String>,
}

impl Case {
    fn run(&self, name: &str, files: &HashMap<String, String>, tally: &mut Tally) {
        let source =
            |name: &String| Source::new(name.clone(), &**name, files[name].as_str().into());
        let (policies, schema) = (source(&self.policies), source(&self.schema));
        let mut findings = Vec::new();
        let bundle = load(&policies, &schema, &mut findings);
        if let Some(difference) = difference(self.should_validate, &findings) {
            tally
                .differences
                .push(format!("{name}: {difference}: {findings:?}"));
        }
        let entities: Value = serde_json::from_str(&files[&self.entities]).unwrap();
        for (index, expected) in self.requests.iter().enumerate() {
            let request = PreparedRequest::from_json(&bundle, &expected.request(), &entities);
            let decision = bundle.evaluate(&request.unwrap());
            tally.requests += 1;
            if !expected.expects(&decision) {
                let what = format!("{name}, request {index}: {decision:?}");
                tally.differences.push(what);
            }
        }
    }
}

/// Returns the difference between these findings and the corpus, which states for each policy set
/// whether it should validate.
///
/// The corpus is older than this version of Cedar, for which a policy that no action can reach is a
/// warning instead of an error. The gateway refuses warnings, but the corpus does not list them. That
/// policies read no further than the entities of a request is a rule of the gateway.
fn difference(should_validate: bool, findings: &[Finding]) -> Option<&'static str> {
    let refused = findings
        .iter()
        .any(|one| one.code == validation::VALIDATION && !one.message.contains("level"));
    match should_validate {
        true if refused => Some("it should validate"),
        false if findings.is_empty() => Some("it should not validate"),
        _ => None,
    }
}

/// Loads a policy set without the rules about ids, annotations and the schema. Policies are named by
/// their position, as in the corpus.
fn load(policies: &Source, schema: &Source, findings: &mut Vec<Finding>) -> Bundle {
    let fragment = schema::parse(schema, findings).unwrap();
    let schema = Schema::from_schema_fragments([fragment]).unwrap();
    let schema = SchemaIndex {
        actions: schema.action_entities().unwrap(),
        cedar: schema,
        claims: Vec::new(),
        names: BTreeSet::new(),
        memory: Arc::default(),
        site: "".into(),
    };
    let validator = PolicyValidator::new(&schema);
    let mut assembled = AssembledPolicies::default();
    for (index, policy) in parse_file(policies, findings).into_iter().enumerate() {
        let mut statement = Statement::read(policies, policy, &mut Vec::new());
        statement.annotations = Annotations::default();
        statement.set_id(&PolicyId::new(format!("policy{index}")));
        assembled.add(&statement).unwrap();
        validator.validate(&statement, &[], findings);
    }
    drop(validator);
    assembled.into_bundle(schema.into(), "corpus".into(), None, findings)
}

impl CorpusRequest {
    /// Returns the request in the form of `cedar run-tests`.
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

    fn expects(&self, decision: &Decision) -> bool {
        // The gateway refuses if a policy errs, whatever Cedar decides.
        let effect = match (self.decision.as_str(), self.errors.is_empty()) {
            (_, false) => Effect::Failed,
            ("allow", true) => Effect::Allow,
            ("deny", true) => Effect::Deny("forbidden".to_owned()),
            (other, true) => panic!("{other} is no decision"),
        };
        let sorted = |ids: &[String]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids
        };
        let errors = sorted(&self.errors);
        decision.effect == effect
            && decision.policies == sorted(&self.reason)
            && decision.errors.len() == errors.len()
            && decision.errors.iter().zip(&errors).all(|(error, id)| {
                error.starts_with(&format!("error while evaluating policy `{id}`: "))
            })
    }
}

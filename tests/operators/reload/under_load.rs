//! Reloads in a loop while requests are served.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join;
use tokio::task::JoinSet;

use super::*;
use crate::support::authenticator::Attestation;
use crate::support::client::COMPLETE;

const PASSKEY: &str = "webauthn_passkey";
const CALLERS: usize = 4;
/// The number of replacements of the policies.
const ROUNDS: usize = 20;

/// One of the two versions: two files that belong together.
fn version(folder: &Path, name: &str) {
    let folder = folder.join(format!("..{name}"));
    fs::create_dir(&folder).unwrap();
    for (file, actions) in [
        ("one", "action in Gate::Action::\"manageOwnMfa\""),
        ("two", "action == Gate::Action::\"trustAuthenticator\""),
    ] {
        let policy = format!(
            "@id(\"{file}-{name}\")\n@notice(\"{name}\")\n\
             permit (principal, {actions}, resource)\nwhen {{ resource in principal.account }};\n"
        );
        fs::write(folder.join(file).with_extension("cedar"), policy).unwrap();
    }
}

/// Enrols one user after the other until the end. Each request is permitted.
async fn enrol(caller: usize, site: Arc<Site>, over: Arc<AtomicBool>) -> Vec<String> {
    let mut ids = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let user = site.user(&format!("user-{caller}-{}", ids.len()));
        let options = user.begin(PASSKEY).await;
        let credential = Attestation::to(&options, &site.deployment.origin()).credential();
        let completed = user.complete(PASSKEY, &credential).await;
        assert_eq!(completed.status, 200, "{completed:?}");
        let listed = user.get(METHODS).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        ids.extend(user.request_ids());
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_fail_no_request_and_each_request_sees_one_revision() {
    let deployment = Deployment::embedded();
    let policies = deployment.config().with_file_name("policies");
    for name in ["a", "b"] {
        version(&policies, name);
    }
    symlink("..a", policies.join("..data")).unwrap();
    for file in ["one.cedar", "two.cedar"] {
        symlink(format!("..data/{file}"), policies.join(file)).unwrap();
    }
    let site = Arc::new(Site::serve(deployment));
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(enrol(caller, Arc::clone(&site), Arc::clone(&over)));
    }

    // The symlink is also swapped while its files are being read.
    let mut known = BTreeSet::new();
    for round in 0..ROUNDS {
        let swap = async {
            let target = ["..b", "..a"][round % 2];
            replace(&policies.join("..data"), |new| {
                symlink(target, new).unwrap()
            });
        };
        let (answer, ()) = join(site.reload(), swap).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let settled = site.reload().await;
        assert_eq!(settled.status, 200, "{settled:?}");
        known.insert(text(&settled.body["revision"]));
    }
    over.store(true, Ordering::Relaxed);
    assert_eq!(known.len(), 2, "two versions, and no mixture of them");
    assert!(site.loads("replaced").await >= ROUNDS as u64);
    assert_eq!(site.loads("failed").await, 0);

    let mut seen = BTreeSet::new();
    let mut completed = 0;
    while let Some(ids) = callers.join_next().await {
        for id in ids.unwrap() {
            let event = site.gateway.event(&id);
            let decisions = event["decisions"].as_array().unwrap();
            let revisions: BTreeSet<_> = decisions.iter().map(|it| text(&it["revision"])).collect();
            assert_eq!(revisions.len(), 1, "one request, one revision: {event}");
            // Both decisions were made by the policies of one version.
            let notices = event["notices"].as_array().unwrap();
            assert_eq!(notices.len(), 1, "{event}");
            let is_completion = event["route"] == COMPLETE;
            assert_eq!(decisions.len(), 1 + usize::from(is_completion), "{event}");
            completed += usize::from(is_completion);
            seen.extend(revisions);
        }
    }
    assert_eq!(
        seen, known,
        "requests were decided by both, and by nothing else"
    );
    assert!(completed > 0);
}

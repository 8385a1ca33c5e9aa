//! Every kind of change is served without a restart.

use crate::support::deployment::OWN_PARTY;
use std::os::unix::fs::symlink;

use super::*;
use crate::support::gateway::copy;

#[tokio::test]
async fn added_changed_and_removed_files_are_followed() {
    let site = Site::shipped();
    site.write("50-marker.cedar", marker("new"));
    site.until_decided_by("new").await;

    fs::write(site.policy("50-marker.cedar"), marker("edited")).unwrap();
    site.until_decided_by("edited").await;

    site.write("50-marker.cedar", marker("renamed"));
    site.until_decided_by("renamed").await;

    fs::create_dir_all(site.policy("deep/er")).unwrap();
    site.write("deep/er/marker.cedar", marker("deep"));
    site.until_decided_by("deep").await;
    assert!(site.is_decided_by("renamed").await);

    fs::remove_dir_all(site.policy("deep")).unwrap();
    until("its folder is gone", async || {
        !site.is_decided_by("deep").await
    })
    .await;

    fs::remove_file(site.policy("50-marker.cedar")).unwrap();
    until("the file is gone", async || {
        !site.is_decided_by("renamed").await
    })
    .await;
    let revision = site.decided().await.1;
    assert_eq!(revision, site.gateway.ready["revision"], "all is as it was");
}

#[tokio::test]
async fn newly_declared_claim_is_usable_in_policies() {
    let site = Site::shipped();
    let schema = site.home().join("schema/site.cedarschema");
    let policy = "@id(\"marker\")
        permit (principal is Gate::User, action == Gate::Action::\"listMfaMethods\", resource)
        when { resource in principal.account && !(principal.claims has department) };";
    let shipped = fs::read_to_string(&schema).unwrap();
    let declared = shipped.replacen("Claims = {", "Claims = { department?: String,", 1);
    assert_ne!(declared, shipped);
    site.write("50-marker.cedar", policy);
    let reason = site.until_stale().await;
    assert!(reason.contains("department"), "{reason}");
    fs::write(&schema, declared).unwrap();
    site.until_decided_by("marker").await;
    site.until_ready().await;
}

#[tokio::test]
async fn folder_that_is_removed_and_created_again_is_followed() {
    let site = Site::shipped();
    let (folder, aside) = (site.home().join("policies"), site.home().join("aside"));
    fs::rename(&folder, &aside).unwrap();
    let reason = site.until_stale().await;
    assert!(reason.contains("policies: cannot be read"), "{reason}");
    assert!(site.is_decided_by("own-factors").await, "they serve on");

    fs::write(aside.join("50-marker.cedar"), marker("again")).unwrap();
    fs::rename(&aside, &folder).unwrap();
    site.until_decided_by("again").await;
    site.until_ready().await;
}

/// A volume as Kubernetes mounts a ConfigMap: each file is a symlink through `..data`, which links
/// to the folder of one version.
fn mount(folder: &Path, version: &str, id: &str) {
    fs::create_dir(folder.join(version)).unwrap();
    fs::write(folder.join(version).join("marker.cedar"), marker(id)).unwrap();
}

fn point(link: &Path, target: &str) {
    replace(link, |new| symlink(target, new).unwrap());
}

#[tokio::test]
async fn volume_whose_symlink_is_swapped_is_followed() {
    let deployment = Deployment::embedded();
    let policies = deployment.config().with_file_name("policies");
    mount(&policies, "..2026_01", "first");
    symlink("..2026_01", policies.join("..data")).unwrap();
    symlink("..data/marker.cedar", policies.join("marker.cedar")).unwrap();
    let site = Site::serve(deployment);
    assert!(site.is_decided_by("first").await);

    mount(&policies, "..2026_02", "second");
    point(&policies.join("..data"), "..2026_02");
    fs::remove_dir_all(policies.join("..2026_01")).unwrap();
    site.until_decided_by("second").await;
    assert!(!site.is_decided_by("first").await);
    assert_eq!(site.logged(FAILED), Vec::<Value>::new());
}

#[tokio::test]
async fn folder_that_is_a_symlink_is_followed() {
    let deployment = Deployment::embedded();
    let home = deployment.config().parent().unwrap().to_owned();
    fs::rename(home.join("policies"), home.join("one")).unwrap();
    symlink("one", home.join("policies")).unwrap();
    let site = Site::serve(deployment);
    copy(&home.join("one"), &home.join("two"));
    fs::remove_file(home.join("two/00-open-doors.cedar")).unwrap();
    fs::write(home.join("two/marker.cedar"), marker("two")).unwrap();
    point(&home.join("policies"), "two");
    site.until_decided_by("two").await;
    assert_eq!(site.decided().await.0, ["two"]);
}

#[tokio::test]
async fn backup_files_of_editors_change_nothing() {
    let site = Site::shipped();
    let before = site.policies().await;
    for name in [
        "50.cedar~",
        "#50.cedar#",
        "4913",
        ".50.cedar.swp",
        ".#50.cedar",
        "50.cedar.tmp",
    ] {
        site.write(name, "not a policy");
    }
    until("they were looked at", async || {
        site.loads("unchanged").await > 0
    })
    .await;
    assert_eq!(site.policies().await, before);
    assert_eq!(
        (site.loads("replaced").await, site.loads("failed").await),
        (0, 0)
    );
    for message in [
        FAILED,
        LOADED,
        MENDED,
        "the policies are the same as before",
    ] {
        assert_eq!(site.logged(message), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn sighup_loads_the_policies() {
    let site = Site::shipped();
    site.gateway.hang_up();
    until("it is said that nothing changed", async || {
        site.logged("the policies are the same as before").len() == 1
    })
    .await;
    site.write("50-marker.cedar", marker("signalled"));
    site.gateway.hang_up();
    site.until_decided_by("signalled").await;
    assert_eq!(site.logged(LOADED).len(), 1);
}

#[tokio::test]
async fn policies_copied_file_by_file_are_never_served_in_part() {
    let site = Site::shipped();
    let before = site.decided().await.1;
    let folder = site.home().join("policies");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    files.sort_by_key(|entry| entry.as_ref().unwrap().path());
    let files: Vec<_> = files
        .into_iter()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    for (path, _) in &files {
        fs::remove_file(path).unwrap();
    }
    let other_tenant = site.user("alice").tenant(OWN_PARTY);
    let started = std::time::Instant::now();
    // The copy goes in the order of names: the permits come first, and it stops before the file
    // that isolates tenants.
    let (open, rest) = files.split_at(1);
    fs::write(&open[0].0, &open[0].1).unwrap();
    let mut written = 0;
    while started.elapsed() < std::time::Duration::from_secs(3) {
        written += 1;
        let text = format!("{}// {written}\n", marker("copying"));
        fs::write(site.policy("90-copying.cedar"), text).unwrap();
        let refused = other_tenant.get(METHODS).await;
        assert_eq!(refused.says(), (403, "tenant_mismatch"), "{refused:?}");
        assert_eq!(site.decided().await.1, before, "after {written} writes");
    }
    for (path, content) in rest {
        fs::write(path, content).unwrap();
    }
    site.until_decided_by("copying").await;
    let refused = other_tenant.get(METHODS).await;
    assert_eq!(refused.says(), (403, "tenant_mismatch"), "{refused:?}");
}

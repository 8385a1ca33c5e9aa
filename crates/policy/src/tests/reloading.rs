//! A reload from a bundle gives the same result as a load without it, whatever has changed.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::property::check;
use crate::shipped::{POLICIES, SITE_SCHEMA};
use crate::{AuthorizationRequest, Bundle, Caller, Requirements, Resource, Sources};
use cedargate_core::{Effect, Findings, GateAction, Timestamp, User};

/// Policies, templates and mistakes. `#` is replaced by a number.
const TEXTS: [&str; 16] = [
    r#"@id("a-#") permit (principal in Gate::Group::"corp||g#", action in Gate::Action::"manageOwnMfa", resource);"#,
    r#"@id("a-#") permit (principal, action in Gate::Action::"enroll", resource) when { context.factors.count == # };"#,
    "// a comment of #\n@notice(\"No #.\")\n@id(\"b-#\")\nforbid (principal in Gate::Tenant::\"00000000-0000-4000-8000-00000000000#\", action, resource);",
    r#"@id("c-#") @code("own_#") forbid (principal, action in Gate::Action::"enroll", resource) unless { context.methodType == Gate::MethodType::"webauthn_fido" };"#,
    r#"@id("s-#") @mode("shadow") forbid (principal, action, resource) when { context.network.address == ip("192.0.2.#") };"#,
    r#"@id("t-0") forbid (principal in ?principal, action in Gate::Action::"enroll", resource) when { # < 5 };"#,
    r#"@id("t-1") permit (principal in ?principal, action in Gate::Action::"administerMfa", resource);"#,
    // Mistakes.
    r#"@id("b-#") permit (principal, action, resource);"#,
    r#"@id("d-#") permit (principal, action in Gate::Action::"enrol", resource);"#,
    r#"@id("d-#") permit (principal in Gate::Issuer::"corp", action in Gate::Action::"administerMfa", resource);"#,
    r#"@id("e-#") forbid (principal, action in Gate::Action::"mfa", resource) when { principal.claims has shoe };"#,
    r#"@id("Bad #") forbid (principal, action, resource);"#,
    "forbid (principal, action, resource) when { # == # };",
    r##"@id("f-#") forbid (principal, action, resource) when { "#" };"##,
    r#"@id("g-#") forbid (principal, action, resource"#,
    "",
];

/// Links of the templates, and mistakes.
const LINKS: [&str; 5] = [
    r##"{"template_id": "t-0", "link_id": "l-#", "args": {"?principal": "Gate::Group::\"corp||g#\""}}"##,
    r##"{"template_id": "t-1", "link_id": "m-#", "args": {"?principal": "Gate::Group::\"corp||g#\""}}"##,
    r##"{"template_id": "t-1", "link_id": "m-#", "args": {"?principal": "Gate::Tenant::\"00000000-0000-4000-8000-00000000000#\""}}"##,
    r##"{"template_id": "t-9", "link_id": "l-#", "args": {}}"##,
    r##"{"template_id": "t-0", "link_id": "a-#", "args": {"?principal": "Gate::Group::\"corp||g#\""}}"##,
];

const OPEN: &str = r#"@id("open") permit (principal, action in Gate::Action::"public", resource);"#;

/// The files of one version: pairs of an index of a text and a number.
#[derive(Clone, Debug)]
struct Version {
    files: Vec<Vec<(usize, usize)>>,
    links: Vec<(usize, usize)>,
    claims: bool,
}

impl Version {
    fn files(&self, base: &[(&str, &str)]) -> Sources {
        let write = |(text, number): &(usize, usize), texts: &[&str]| {
            texts[*text].replace('#', &number.to_string())
        };
        let mut files: Vec<(String, String)> = base
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        for (index, file) in self.files.iter().enumerate() {
            let texts: Vec<_> = file.iter().map(|one| write(one, &TEXTS)).collect();
            files.push((
                format!("5{index}.cedar"),
                format!("{}\n", texts.join("\n\n")),
            ));
        }
        let links: Vec<_> = self.links.iter().map(|one| write(one, &LINKS)).collect();
        files.push((
            "60.links.json".to_owned(),
            format!("[{}]", links.join(",\n")),
        ));
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let schema = "namespace Site { type Claims = { shoe?: Long }; }";
        Sources::of(&files, if self.claims { schema } else { SITE_SCHEMA })
    }
}

/// Draws policies of which most have no mistake.
fn item(texts: usize, valid: usize) -> impl Strategy<Value = (usize, usize)> {
    (prop_oneof![9 => 0..valid, 1 => 0..texts], 0..4_usize)
}

fn version() -> impl Strategy<Value = Version> {
    let file = prop::collection::vec(item(TEXTS.len(), 7), 0..4);
    let links = prop::collection::vec(item(LINKS.len(), 2), 0..3);
    let files = prop::collection::vec(file, 1..4);
    (files, links, prop::bool::weighted(0.1)).prop_map(|(files, links, claims)| Version {
        files,
        links,
        claims,
    })
}

/// Draws a version and changes of single files or of the links, one after the other.
fn versions() -> impl Strategy<Value = Vec<Version>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), version()), 1..5);
    (version(), changes).prop_map(|(first, changes)| {
        let mut versions = vec![first];
        for (at, other) in changes {
            let mut next = versions.last().unwrap().clone();
            match at.index(next.files.len() + 2) {
                0 => next.links = other.links,
                1 => next.claims = other.claims,
                file => next.files[file - 2] = other.files[0].clone(),
            }
            versions.push(next);
        }
        versions
    })
}

/// Returns all that a bundle is made of, in an order of its own.
fn content(loaded: &Result<Bundle, Findings>) -> Value {
    let bundle = match loaded {
        Ok(bundle) => bundle,
        Err(Findings(findings)) => return json!(findings),
    };
    let text = |entry: &crate::PolicyEntry| {
        let place = (entry.text_file().to_owned(), entry.text_line());
        (place, entry.text().to_owned(), entry.text.depth)
    };
    let set = |set: &cedar_policy::PolicySet| {
        let mut texts: Vec<_> = set
            .policies()
            .map(|one| format!("{}: {one}", one.id()))
            .collect();
        texts.extend(set.templates().map(|one| format!("{}: {one}", one.id())));
        texts.sort_unstable();
        texts
    };
    let annotations = bundle.annotations.iter();
    let mut annotations: Vec<_> = annotations.map(|one| format!("{one:?}")).collect();
    annotations.sort_unstable();
    json!({
        "entries": bundle.entries(),
        "texts": bundle.entries().iter().map(text).collect::<Vec<_>>(),
        "live": set(bundle.live.set()),
        "all": bundle.with_shadow.as_ref().map(|all| set(all.set())),
        "annotations": annotations,
        "depth": bundle.depth,
        "revision": bundle.revision(),
    })
}

/// Loads the versions, each with and without the last one that loaded, and compares the results. Returns the
/// number of versions that load.
fn compare(
    versions: &[Version],
    base: &[(&str, &str)],
    requirements: &Requirements,
) -> Result<usize, TestCaseError> {
    let mut in_force: Option<Bundle> = None;
    let mut loaded = 0;
    for version in versions {
        let sources = version.files(base);
        let fresh = Bundle::load_with(&sources, requirements);
        if let Some(bundle) = &in_force {
            let reloaded = bundle.reload(&sources, requirements);
            prop_assert_eq!(content(&reloaded), content(&fresh));
            if let (Ok(reloaded), Ok(fresh)) = (&reloaded, &fresh) {
                prop_assert_eq!(&reloaded.passed_canaries, &fresh.passed_canaries);
            }
            in_force = reloaded.ok().or(in_force);
        } else {
            in_force = fresh.as_ref().ok().cloned();
        }
        loaded += usize::from(fresh.is_ok());
    }
    Ok(loaded)
}

#[test]
fn reload_after_random_edits_gives_the_bundle_or_the_findings_of_a_fresh_load() {
    let base = [("00-open.cedar", OPEN)];
    check(
        96,
        &versions(),
        &[("loads", 12), ("fails", 12)],
        |versions, tally| {
            let loaded = compare(&versions, &base, &Requirements::none())?;
            tally.add("loads", usize::from(loaded > 1));
            tally.add("fails", usize::from(loaded < versions.len()));
            Ok(())
        },
    );
}

#[test]
fn reload_decides_the_canary_requests_that_an_edit_affects() {
    let base = [POLICIES[0], POLICIES[1], POLICIES[2], POLICIES[3]];
    let at = |text: usize, number: usize| vec![(text, number)];
    let version = |file: Vec<(usize, usize)>| Version {
        files: vec![file, at(1, 3)],
        links: Vec::new(),
        claims: false,
    };
    let versions = [at(0, 1), at(2, 1), at(0, 1), at(9, 1), at(4, 2)].map(version);
    let loaded = compare(&versions, &base, &Requirements::default()).unwrap();
    assert_eq!(loaded, 4);

    let sources = |files: &[(&str, &str)]| Sources::of(files, SITE_SCHEMA);
    let bundle = Bundle::load(&sources(&base)).unwrap();
    let (id, shadow) = (
        "@id(\"tenant-isolation\")",
        "@id(\"tenant-isolation\") @mode(\"shadow\")",
    );
    let weak = base.map(|(name, text)| (name, text.replace(id, shadow)));
    let weak = sources(&weak.each_ref().map(|(name, text)| (*name, text.as_str())));
    let fresh = Bundle::load(&weak).unwrap_err();
    assert_eq!(fresh.0[0].code, "canary");
    let reloaded = bundle.reload(&weak, &Requirements::default());
    assert_eq!(reloaded.err(), Some(fresh));
}

#[test]
fn policies_of_the_same_text_are_taken_over() {
    let base = [("00-open.cedar", OPEN)];
    let version = |files: Vec<Vec<(usize, usize)>>| {
        let links = vec![(0, 1)];
        let claims = false;
        let version = Version {
            files,
            links,
            claims,
        };
        version.files(&base)
    };
    let requirements = Requirements::none();
    let old = version(vec![vec![(0, 1), (5, 0)], vec![(2, 1)]]);
    let old = Bundle::load_with(&old, &requirements).unwrap();
    // Other lines, another file, and one policy that differs.
    let new = version(vec![vec![(2, 2), (0, 1)], vec![(5, 0), (2, 1)]]);
    let new = old.reload(&new, &requirements).unwrap();
    let is_same = |id: &str| {
        let [old, new] = [&old, &new].map(|one| one.entry(id).unwrap());
        std::sync::Arc::ptr_eq(&old.text.source, &new.text.source)
    };
    assert!(is_same("a-1") && is_same("b-1") && is_same("l-1") && is_same("open"));
    assert_eq!(new.entry("b-1").unwrap().line, 4);
    assert!(old.entry("b-2").is_none() && new.entry("b-2").is_some());
}

#[test]
fn finding_in_a_large_file_has_the_place_of_its_text() {
    let policy = |number: usize| {
        let mistake = if number.is_multiple_of(97) {
            "enrol"
        } else {
            "enroll"
        };
        format!(
            "// é {number}\n@id(\"p-{number}\")\nforbid (principal,\n  action in Gate::Action::\"{mistake}\", resource);"
        )
    };
    let text: Vec<_> = (0..1000).map(policy).collect();
    let text = text.join("\n\n");
    let files = [("00-open.cedar", OPEN), ("50.cedar", text.as_str())];
    let sources = Sources::of(&files, SITE_SCHEMA);
    let Err(Findings(found)) = Bundle::load_with(&sources, &Requirements::none()) else {
        panic!("it loads");
    };
    let wrong = text.match_indices("Gate::Action::\"enrol\"");
    let expected: Vec<_> = wrong
        .map(|(at, _)| text[..at].matches('\n').count() + 1)
        .collect();
    assert_eq!(expected.len(), 11);
    let places: Vec<_> = found.iter().map(|one| (one.line, one.column)).collect();
    let expected: Vec<_> = expected.into_iter().map(|line| (line, 13)).collect();
    assert_eq!(places, expected);
}

#[test]
fn large_bundle_decides_by_the_changed_policies_after_reloads() {
    let alice: User = super::decisions::user("corp|00000000-0000-4000-8000-000000000007|alice");
    let alice = std::sync::Arc::new(alice);
    let determining = |bundle: &Bundle| {
        // In tests, each decision is compared with that of Cedar's authorizer.
        let decision = bundle.decide(&AuthorizationRequest {
            caller: Caller::member(
                &alice,
                "00000000-0000-4000-8000-000000000007".parse().unwrap(),
            ),
            action: GateAction::ListMfaMethods.into(),
            resource: Resource::Account(&alice.id),
            address: "203.0.113.7".parse().unwrap(),
            now: Timestamp::from_millis(1_768_467_600_000),
        });
        decision.policies.join(" ")
    };
    let rules = |kept: &dyn Fn(usize) -> bool, of_seven: &str| {
        let rule = |number: usize| {
            let tenant = format!("00000000-0000-4000-8000-{number:012}");
            let condition = if number == 7 { of_seven } else { "" };
            format!(
                "@id(\"r-{number}\") forbid (principal in Gate::Tenant::\"{tenant}\", action in Gate::Action::\"manageOwnMfa\", resource) {condition};"
            )
        };
        let rules: Vec<_> = (0..400).filter(|number| kept(*number)).map(rule).collect();
        let text = format!(
            "{OPEN}\n@id(\"own\") permit (principal, action in Gate::Action::\"manageOwnMfa\", resource);\n{}",
            rules.join("\n")
        );
        Sources::of(&[("a.cedar", &text)], SITE_SCHEMA)
    };
    let none = Requirements::none();
    let all = rules(&|_| true, "");
    let mut bundle = Bundle::load_with(&all, &none).unwrap();
    assert_eq!(determining(&bundle), "r-7");
    let false_for_alice = "when { context.factors.count > 0 }";
    for (sources, expected) in [
        (rules(&|_| true, false_for_alice), "own"),
        (rules(&|number| number != 7, ""), "own"),
        (
            rules(&|_| true, "when { context.factors.count == 0 }"),
            "r-7",
        ),
        (rules(&|number| number != 9, ""), "r-7"),
        (rules(&|number| number > 200, ""), "own"),
        (all, "r-7"),
    ] {
        bundle = bundle.reload(&sources, &none).unwrap();
        assert_eq!(determining(&bundle), expected);
        let fresh = Bundle::load_with(&sources, &none).unwrap();
        let reads = [&bundle, &fresh].map(|one| format!("{:?}", one.live.reads()));
        assert_eq!(reads[0], reads[1]);
    }
}

#[test]
fn large_bundle_with_shadow_policies_and_links_decides_as_a_fresh_one_after_reloads() {
    let tenant = "00000000-0000-4000-8000-000000000007";
    let alice: User = super::decisions::user(&format!("corp|{tenant}|alice"));
    let alice = std::sync::Arc::new(alice);
    let decide = |bundle: &Bundle| {
        bundle.decide(&AuthorizationRequest {
            caller: Caller::member(&alice, tenant.parse().unwrap()),
            action: GateAction::ListMfaMethods.into(),
            resource: Resource::Account(&alice.id),
            address: "203.0.113.7".parse().unwrap(),
            now: Timestamp::from_millis(1_768_467_600_000),
        })
    };
    let own = r#"@id("own") permit (principal, action in Gate::Action::"manageOwnMfa", resource);"#;
    let version = |rule_mode: &str, template_mode: &str, linked: usize| {
        let rule = |number: usize| {
            let mode = if number == 7 { rule_mode } else { "" };
            format!(
                "@id(\"r-{number}\") {mode} forbid (principal in Gate::Tenant::\"00000000-0000-4000-8000-{number:012}\", action in Gate::Action::\"manageOwnMfa\", resource);"
            )
        };
        let rules: Vec<_> = (0..400).map(rule).collect();
        let template = format!(
            "@id(\"t\") {template_mode} forbid (principal in ?principal, action in Gate::Action::\"manageOwnMfa\", resource);"
        );
        let text = format!("{OPEN}\n{own}\n{template}\n{}", rules.join("\n"));
        let links = format!(
            r#"[{{"template_id": "t", "link_id": "l", "args": {{"?principal": "Gate::Tenant::\"00000000-0000-4000-8000-{linked:012}\""}}}}]"#
        );
        Sources::of(&[("a.cedar", &text), ("a.links.json", &links)], SITE_SCHEMA)
    };
    let shadow = r#"@mode("shadow")"#;
    let none = Requirements::none();
    let mut bundle = Bundle::load_with(&version("", "", 8), &none).unwrap();
    let mut with_shadow_decision = 0;
    for (rule_mode, template_mode, linked) in [
        (shadow, "", 8),
        (shadow, "", 7),
        (shadow, shadow, 7),
        ("", shadow, 7),
        (shadow, shadow, 8),
        ("", "", 8),
        (shadow, "", 8),
    ] {
        let sources = version(rule_mode, template_mode, linked);
        bundle = bundle.reload(&sources, &none).unwrap();
        let fresh = Bundle::load_with(&sources, &none).unwrap();
        let decision = decide(&bundle);
        assert_eq!(decision, decide(&fresh));
        let forbidden = rule_mode.is_empty() || (template_mode.is_empty() && linked == 7);
        assert_eq!(decision.effect != Effect::Allow, forbidden);
        with_shadow_decision += usize::from(decision.shadow.is_some());
    }
    assert_eq!(with_shadow_decision, 4);
}

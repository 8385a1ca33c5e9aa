//! Policies that do not load leave the last good ones in force.

use std::os::unix::fs::symlink;

use super::*;
use crate::support::program::{cedargate, stderr};

/// One error in a file, and the report of it.
struct Broken {
    what: &'static str,
    /// The path, relative to the gateway's folder.
    file: &'static str,
    make: fn(&Path),
    code: &'static str,
    /// The line and column. Zeros stand for a whole file.
    place: (u64, u64),
    /// The line in the excerpt, if there is one.
    excerpt: &'static str,
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
}

const BROKEN: &[Broken] = &[
    Broken {
        what: "syntax",
        file: "policies/x.cedar",
        make: |it| write(it, "@id(\"x\")\nforbid (principal, action resource);"),
        code: "syntax",
        place: (2, 27),
        excerpt: "forbid (principal, action resource)",
    },
    Broken {
        what: "validation",
        file: "policies/x.cedar",
        make: |it| {
            let head =
                "@id(\"x\")\nforbid (principal, action in Gate::Action::\"enroll\", resource)";
            write(
                it,
                format!("{head}\nwhen {{ context.methodTyp == principal }};"),
            );
        },
        code: "validation",
        place: (3, 8),
        excerpt: "context.methodTyp",
    },
    Broken {
        what: "half-written",
        file: "policies/10-tenant-isolation.cedar",
        make: |it| write(it, "@id(\"tenant-isolation\")\n@code(\"tenant_mis"),
        code: "syntax",
        place: (2, 7),
        excerpt: "@code(\"tenant_mis",
    },
    Broken {
        what: "empty",
        file: "policies/10-tenant-isolation.cedar",
        make: |it| write(it, ""),
        code: "empty_file",
        place: (0, 0),
        excerpt: "",
    },
    Broken {
        what: "not UTF-8",
        file: "policies/x.cedar",
        make: |it| write(it, b"// caf\xe9\n"),
        code: "not_utf8",
        place: (1, 7),
        excerpt: "// caf",
    },
    Broken {
        what: "50 MB",
        file: "policies/x.cedar",
        make: |it| fs::File::create(it).unwrap().set_len(50 << 20).unwrap(),
        code: "too_large",
        place: (0, 0),
        excerpt: "",
    },
    Broken {
        what: "a folder",
        file: "policies/x.cedar",
        make: |it| fs::create_dir(it).unwrap(),
        code: "not_a_file",
        place: (0, 0),
        excerpt: "",
    },
    Broken {
        what: "a dangling link",
        file: "policies/x.cedar",
        make: |it| symlink("nowhere", it).unwrap(),
        code: "unreadable",
        place: (0, 0),
        excerpt: "",
    },
    Broken {
        what: "unreadable",
        // Tests may run as root, whom permissions do not keep out. Reading this fails for
        // everybody.
        file: "policies/x.cedar",
        make: |it| symlink("/proc/self/mem", it).unwrap(),
        code: "unreadable",
        place: (0, 0),
        excerpt: "",
    },
    Broken {
        what: "a schema that contradicts itself",
        file: "schema/site.cedarschema",
        make: |it| {
            let twice = "type Claims = {};\n";
            write(it, format!("namespace Site {{\n{twice}{twice}}}\n"));
        },
        code: "schema_syntax",
        place: (2, 6),
        excerpt: "type Claims",
    },
];

#[tokio::test]
async fn last_good_policies_serve_until_a_broken_file_is_fixed() {
    let site = Site::shipped();
    let revision = site.decided().await.1;
    for (round, broken) in BROKEN.iter().enumerate() {
        let what = broken.what;
        let file = site.home().join(broken.file);
        let good = fs::read(&file).ok();
        replace(&file, broken.make);

        let answer = site.reload().await;
        assert_eq!(
            (answer.status, &answer.body["status"]),
            (422, &json!("stale")),
            "{what}"
        );
        let finding = &answer.body["findings"][0];
        let place = [&finding["line"], &finding["column"]].map(|it| it.as_u64().unwrap());
        let found = (text(&finding["code"]), (place[0], place[1]));
        assert_eq!(
            found,
            (broken.code.to_owned(), broken.place),
            "{what}: {finding}"
        );
        assert_eq!(Path::new(&text(&finding["file"])), file, "{what}");
        assert_eq!(site.reload().await.body, answer.body, "{what}: still so");

        let (status, reasons) = site.readiness().await;
        assert_eq!((status.as_str(), reasons.len()), ("stale", 1), "{what}");
        assert!(reasons[0].contains(broken.file), "{what}: {reasons:?}");
        assert!(
            reasons[0].contains(&text(&finding["message"])),
            "{what}: {reasons:?}"
        );
        assert_eq!(site.sample("cedargate_policies_stale").await, 1, "{what}");
        let failed = site.loads("failed").await;
        assert!(failed >= 2 * (round as u64 + 1), "{what}: {failed}");
        assert_eq!(
            site.decided().await.1,
            revision,
            "{what}: the last good ones"
        );
        let list = site.policies().await;
        assert_eq!(list["findings"], answer.body["findings"], "{what}");
        assert_eq!(list["reasons"], json!(reasons), "{what}");

        match good {
            Some(good) => replace(&file, |it| write(it, &good)),
            None if file.is_dir() => fs::remove_dir(&file).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let answer = site.reload().await;
        assert_eq!(
            (answer.status, &answer.body["changed"]),
            (200, &json!(false)),
            "{what}"
        );
        assert_eq!(answer.body["revision"], revision.as_str(), "{what}");
        assert_eq!(
            site.readiness().await,
            ("ready".to_owned(), Vec::new()),
            "{what}"
        );
        assert_eq!(site.sample("cedargate_policies_stale").await, 0, "{what}");

        until("the mending is logged", async || {
            site.logged(MENDED).len() > round
        })
        .await;
        let lines = site.logged(FAILED);
        assert_eq!(lines.len(), round + 1, "{what}: logged once: {lines:?}");
        let line = &lines[round];
        for member in ["code", "file", "line", "column"] {
            assert_eq!(line[member], finding[member], "{what}: {member} of {line}");
        }
        assert_eq!(
            (&line["level"], &line["reason"]),
            (&json!("ERROR"), &finding["message"])
        );
        assert_eq!(line["revision"], revision.as_str());
        let excerpt = text(&line["excerpt"]);
        assert!(excerpt.contains(broken.excerpt), "{what}: {excerpt}");
        assert_eq!(site.logged(MENDED).len(), round + 1, "{what}: logged once");
    }
    assert_eq!(site.loads("replaced").await, 0);
}

#[tokio::test]
async fn broken_and_fixed_files_are_noticed_without_requests() {
    let site = Site::shipped();
    site.write("50-marker.cedar", "permit (");
    let reason = site.until_stale().await;
    assert!(reason.contains("50-marker.cedar:1:9: "), "{reason}");
    // This is a new failure.
    site.write("50-marker.cedar", "@id(\"half\")\nforbid");
    until("the other failure is told", async || {
        site.until_stale().await.contains("50-marker.cedar:2:")
    })
    .await;
    site.write("50-marker.cedar", marker("mended"));
    site.until_decided_by("mended").await;
    site.until_ready().await;
    until("all is logged", async || site.logged(LOADED).len() == 1).await;
    assert_eq!(site.logged(FAILED).len(), 2);
}

#[tokio::test]
async fn gateway_does_not_start_with_policies_that_do_not_load() {
    let deployment = Deployment::embedded().policy("x.cedar", "permit (");
    let output = cedargate(deployment.home(), &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("x.cedar:1:9"), "{told}");
}

//! Secrets and files that cannot be read.

use super::*;

#[test]
fn secret_file_that_others_can_read_is_refused() {
    let folder = Folder::new();
    let text = MINIMAL.replace("url = \"embedded:data\"", "url_file = \"url\"");
    folder.write("url", b"redis://:hunter2@127.0.0.1:6379\n", 0o600);
    assert_eq!(
        redis_url(&folder.load(&text)),
        "redis://:hunter2@127.0.0.1:6379"
    );
    folder.write("url", b"redis://:hunter2@127.0.0.1:6379\n", 0o640);
    let report = folder.report(&text, &[], &[]);
    assert!(report.contains("help: run chmod 600 url"), "{report}");
}

#[test]
fn secret_is_in_no_finding() {
    let folder = Folder::new();
    for (text, env) in [
        ("[store]\nurl = \"redis://:hunter2@host/x\"", None),
        (
            "[store]\nurl = 'redis://:hunter2@host' # twice\nurl = 'redis://:hunter2@host'",
            None,
        ),
        ("[store]\nurl = redis://:hunter2@host", None),
        ("[store]\nurl = [\"hunter2\"]", None),
        (
            "[[issuers]]\nalgorithms = [\"ES256\"]\njwks = \"https://:hunter2@id.example.com/\"",
            None,
        ),
        ("[store]\npassword = hunter2", None),
        ("[store]\nuri = \"redis://:hunter2@host\"", None),
        ("[store]\npassword = \"hunter2\"", None),
        ("store = { url = \"redis://:hunter2@host\", ur = 1 }", None),
        (
            "store = { password = \"hunter2\", require_durable = 1 }",
            None,
        ),
        ("store = \"redis://:hunter2@host\"", None),
        ("[[store]]\nurl = \"redis://:hunter2@host\"", None),
        (
            "",
            Some(("CEDARGATE_STORE__URL", "redis://:hunter2@host/x")),
        ),
        ("", Some(("CEDARGATE_STORE__UR", "redis://:hunter2@host/x"))),
        ("", Some(("CEDARGATE_STORE", "redis://:hunter2@host/x"))),
    ] {
        let env: Vec<_> = env.into_iter().collect();
        let findings = folder.load_with(text, &env, &[]).err().expect(text);
        let shown = format!("{findings}\n{findings:?}");
        assert!(!shown.contains("hunter2"), "{text}: {shown}");
    }
    folder.write("url", b"postgres://:hunter2@host", 0o600);
    let shown = folder.report("[store]\nurl_file = \"url\"", &[], &[]);
    assert!(
        shown.contains("`store.url_file`: it must be embedded:FOLDER"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn loaded_file_is_overridden_by_flags_and_environment() {
    let folder = Folder::new();
    folder.write("cedargate.toml", MINIMAL.as_bytes(), 0o644);
    let env = [
        ("CEDARGATE_LISTEN", "127.0.0.1:1"),
        ("CEDARGATE_ADMIN_LISTEN", "127.0.0.1:2"),
    ]
    .map(|(name, value)| (name.into(), value.into()));
    let flags = [("listen", "127.0.0.1:3".to_owned())];
    let config = load(&flags, env, &folder.path("cedargate.toml"))
        .unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.admin_listen.port(), 2);
}

#[test]
fn unreadable_configuration_file_is_reported_with_its_path() {
    let folder = Folder::new();
    let error = |name| load(&[], [], &folder.path(name)).err().unwrap().0.remove(0);
    let finding = error("none.toml");
    assert_eq!(finding.file, folder.path("none.toml").display().to_string());
    assert_eq!(finding.code, "unreadable_file");
    folder.write("latin1.toml", b"\xe4", 0o644);
    assert_eq!(
        error("latin1.toml").message,
        "the configuration file is not UTF-8 text"
    );
}

#[test]
fn variable_that_is_not_utf8_is_refused_for_its_key_only() {
    use std::os::unix::ffi::OsStringExt as _;
    let folder = Folder::new();
    folder.write("cedargate.toml", MINIMAL.as_bytes(), 0o644);
    let env = [
        (
            "CEDARGATE_LISTEN".into(),
            OsString::from_vec(b"\xff".to_vec()),
        ),
        (OsString::from_vec(b"\xff".to_vec()), "x".into()),
    ];
    let findings = load(&[], env, &folder.path("cedargate.toml"))
        .err()
        .unwrap();
    assert_eq!(findings.0.len(), 1);
    assert_eq!(findings.0[0].file, "environment variable CEDARGATE_LISTEN");
}

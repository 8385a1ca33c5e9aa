//! Messages for invalid values.

use super::*;

#[test]
fn unsupported_feature_is_refused_as_not_built() {
    let folder = Folder::new();
    let tls = format!("{MINIMAL}\n[tls]\ncertificate = \"tls.crt\"\n");
    let message = "`tls` is not supported in this version".to_owned();
    assert_eq!(folder.messages(&tls, &[]), [("not_built", message)]);
    for url in [
        "redis+sentinel://a:1,b:2/main",
        "redis+cluster://a:1",
        "rediss+cluster://a:1",
    ] {
        assert_eq!(
            folder.messages(&MINIMAL.replace("embedded:data", url), &[]),
            [(
                "not_built",
                "`store.url`: Redis Sentinel and Redis Cluster are not supported in this version: name one server".into()
            )]
        );
    }
}

#[test]
fn invalid_value_is_refused_with_its_rule() {
    let folder = Folder::new();
    folder.write("short.key", &[7; 31], 0o600);
    folder.write("open.key", &[8; 32], 0o644);
    folder.write("same.key", &[7; 32], 0o600);
    folder.write(
        "private.json",
        br#"{"keys":[{"kty":"EC","d":"AA"}]}"#,
        0o644,
    );
    let store = store_url::FORMS;
    let host = "each entry must be a host name without a port, such as gateway.internal (IP addresses and localhost need no entry)";
    let port = "the port in the store's URL is not a number from 1 to 65535 (a password has / as %2F, ? as %3F, # as %23 and @ as %40)";
    let party = "[backup_codes]\npepper_files = [\"pepper.key\"]\n[[relying_parties]]\nid = \"example.com\"\norigins = [\"https://example.com\"]\n";
    for (from, to, code, message) in [
        ("embedded:data", "postgres://x", "invalid_value", format!("`store.url`: {store}")),
        ("embedded:data", "redis://", "invalid_value", "`store.url`: the store's URL cannot be used: Missing hostname - InvalidClientConfig".into()),
        ("embedded:data", "redis://:hunter2@host:99999/0", "invalid_value", format!("`store.url`: {port}")),
        ("embedded:data", "rediss://host:0", "invalid_value", format!("`store.url`: {port}")),
        ("embedded:data", "redis://user:hun/ter2@host:6379", "invalid_value", format!("`store.url`: {port}")),
        ("embedded:data", "redis://host/x", "invalid_value", "`store.url`: the store's URL cannot be used: Invalid database number - InvalidClientConfig".into()),
        ("embedded:data", "rediss://host/#insecure", "invalid_value", "`store.url`: the store's URL asks for TLS that does not check the server (#insecure): this is not supported".into()),
        ("embedded:data", "embedded:", "invalid_value", "`store.url`: `embedded:` must be followed by a folder".into()),
        ("\"corp\"", "\"Corp\"", "invalid_value", "`issuers[0].name`: an issuer's name is 1 to 32 of a-z, 0-9 and -, and begins with a letter".into()),
        ("[\"https://api.example.com\"]", "[]", "invalid_value", "`issuers[0].audiences`: it must have at least one entry".into()),
        ("[\"https://api.example.com\"]", "[\"\"]", "invalid_value", "`issuers[0].audiences`: it must not be empty".into()),
        ("[\"https://api.example.com\"]", "\"x\"", "wrong_type", "`issuers[0].audiences` must be a list of strings, but is a string".into()),
        ("[\"ES256\"]", "[]", "invalid_value", "`issuers[0].algorithms`: it must have at least one entry".into()),
        ("[\"ES256\"]", "[256]", "wrong_type", "each entry of `issuers[0].algorithms` must be a string in quotes, but is a number".into()),
        ("[\"ES256\"]", "[\"RS256\"]", "invalid_value", "`issuers[0].jwks`: in jwks.json: it has no key that verifies RS256: key 1 is for another algorithm (`kty`, `crv`, `alg`)".into()),
        ("jwks.json", "private.json", "invalid_value", "`issuers[0].jwks`: in private.json: it holds private keys: key 1 has `d`. Replace that key at the issuer, and give the public keys only".into()),
        ("jwks.json", "none.json", "unreadable_file", "`issuers[0].jwks`: none.json cannot be read: No such file or directory (os error 2)".into()),
        ("jwks.json", "http://id.example.com/jwks", "invalid_value", "`issuers[0].jwks`: it must begin with https://, because an attacker who can change the keys in transit can sign in as any user (http:// is accepted for this machine only)".into()),
        ("jwks.json", "file:///jwks.json", "invalid_value", "`issuers[0].jwks`: it must begin with https://, or be the path of a file".into()),
        ("\n[store]", "[cors]\norigins = [\"*\"]\n[store]", "invalid_value", "`cors.origins`: `*` would open the API to pages that you do not know: list the origin of each page that calls it, such as `https://app.example.com`".into()),
        ("\n[store]", "[cors]\norigins = [\"https://app.example.com/\"]\n[store]", "invalid_value", "`cors.origins`: `https://app.example.com/` must be written as browsers send it: `https://app.example.com`".into()),
        ("pepper.key", "short.key", "unreadable_file", "`backup_codes.pepper_files`: short.key is shorter than 32 bytes".into()),
        ("pepper.key", "open.key", "unreadable_file", "`backup_codes.pepper_files`: open.key holds a secret, but users other than its owner can access it".into()),
        ("\"pepper.key\"", "\"pepper.key\", \"same.key\"", "duplicate", "`backup_codes.pepper_files`: this file holds the same key as an earlier entry: remove one of them".into()),
        ("[\"pepper.key\"]", "[]", "invalid_value", "`backup_codes.pepper_files`: it must have at least one entry".into()),
        ("[[issuers]]", "[issuers]", "wrong_type", "`issuers` must be a list of tables".into()),
        ("tenant_id\"", "tenant_id\"\nstrong_acr = [\"a b\"]", "invalid_value", "`issuers[0].strong_acr`: each entry must be visible ASCII without spaces, \" and \\".into()),
        ("\n[store]", "[policies]\ncanaries = \"perhaps\"\n[store]", "invalid_value", "`policies.canaries`: it must be \"on\" or \"off\"".into()),
        ("\n[store]", "[policies]\ncanaries = false\n[store]", "wrong_type", "`policies.canaries` must be a string in quotes, but is a boolean".into()),
        ("\n[store]", "[policies]\nrequired = [\"\"]\n[store]", "invalid_value", "`policies.required`: it must not be empty".into()),
        ("\n[store]", "listen = \"1.2.3.4:5\"\nadmin_listen = \"1.2.3.4:5\"\n[store]", "invalid_value", "`admin_listen` is the same as `listen`: give each its own port".into()),
        ("data\"", "data\"\nenrollment_ttl = \"0s\"", "invalid_value", "`store.enrollment_ttl`: it must be a duration from 1s to 1h, such as \"5m\"".into()),
        ("data\"", "data\"\nenrollment_ttl = \"61m\"", "invalid_value", "`store.enrollment_ttl`: it must be a duration from 1s to 1h, such as \"5m\"".into()),
        ("data\"", "data\"\nurl_file = \"url\"", "invalid_value", "`store.url` and `store.url_file` are both set: remove one of them".into()),
        ("\n[store]", "admin_hosts = [\"gateway.internal:9090\"]\n[store]", "invalid_value", format!("`admin_hosts`: {host}")),
        ("\n[store]", "admin_hosts = [\"*.internal\"]\n[store]", "invalid_value", format!("`admin_hosts`: {host}")),
        ("\n[store]", "admin_hosts = [\"\"]\n[store]", "invalid_value", format!("`admin_hosts`: {host}")),
        ("\n[store]", "[network]\ntrusted_proxies = [\"10.0.0.0/33\"]\n[store]", "invalid_value", "`network.trusted_proxies`: each entry must be an address or a network, such as 10.0.0.0/8".into()),
        ("[backup_codes]\npepper_files = [\"pepper.key\"]\n", &format!("{party}tenants = [\"*\", \"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\"]\n"), "invalid_value", "`relying_parties[0].tenants`: \"*\" must be the only entry: it means every tenant that no other relying party names".into()),
        ("[backup_codes]\npepper_files = [\"pepper.key\"]\n", &format!("{party}method_types = [\"totp\"]\n"), "invalid_value", "`relying_parties[0].method_types`: each entry must be webauthn_passkey or webauthn_fido".into()),
        ("[backup_codes]\npepper_files = [\"pepper.key\"]\n", &format!("{party}[[relying_parties.models]]\naaguid = \"x\"\nname = \"x\"\nroots = \"roots.pem\"\n"), "invalid_value", "`relying_parties[0].models[0].aaguid`: it must be a UUID with hyphens, such as 73bb0cd4-e502-49b8-9c6f-b59445bf720b".into()),
    ] {
        let text = MINIMAL.replace(from, to);
        assert_eq!(folder.messages(&text, &[]), [(code, message)], "{text}");
    }
}

#[test]
fn missing_folder_is_reported_where_it_is_configured() {
    let folder = Folder::new();
    folder.write("a-file", b"", 0o644);
    let text = format!("{MINIMAL}\n[policies]\npath = \"nowhere\"\nschema = \"a-file\"\n");
    insta::assert_snapshot!(folder.report(&text, &[], &[]));
    fs::remove_dir(folder.path("policies")).unwrap();
    fs::remove_dir(folder.path("schema")).unwrap();
    let missing = |key: &str, name: &str| {
        let why = "No such file or directory (os error 2)";
        let message = format!("`policies.{key}`: {name} cannot be read: {why}");
        ("unreadable_file", message)
    };
    assert_eq!(
        folder.messages(MINIMAL, &[]),
        [missing("path", "policies"), missing("schema", "schema")],
        "default folders"
    );
}

#[test]
fn jwks_url_is_not_fetched_while_loading() {
    let folder = Folder::new();
    let url = "https://id.example.invalid/jwks.json";
    let config = folder.load(&MINIMAL.replace("jwks.json", url));
    let keys = &config.authn.issuers[0].keys;
    assert!(matches!(keys, crate::authn::KeySource::Remote(_)));
}

#[test]
fn invalid_relying_party_is_reported_at_its_key() {
    let folder = Folder::new();
    let text = EXAMPLE.replace("id = \"example.com\"", "id = \"192.0.2.1\"");
    let findings = folder.load_with(&text, &[], &[]).err().unwrap();
    assert_eq!(
        findings.0[0].line,
        1 + text[..text.find("id = \"192").unwrap()]
            .matches('\n')
            .count()
    );
    assert_eq!(findings.0[0].column, 6);
}

#[test]
fn issuers_with_the_same_name_or_url_are_refused() {
    let folder = Folder::new();
    let start = MINIMAL.find("[[issuers]]").unwrap();
    let end = MINIMAL.find("[backup_codes]").unwrap();
    let text = format!("{MINIMAL}\n{}", &MINIMAL[start..end]);
    assert_eq!(
        folder.messages(&text, &[]),
        [
            (
                "duplicate",
                "`issuers[1].name`: another issuer has the same value".to_owned()
            ),
            (
                "duplicate",
                "`issuers[1].issuer`: another issuer has the same value".to_owned()
            ),
        ]
    );
}

#[test]
fn issuer_tenants_that_are_empty_or_not_uuids_are_refused() {
    let folder = Folder::new();
    let with =
        |list: &str| MINIMAL.replace("tenant_id\"", &format!("tenant_id\"\ntenants = {list}"));
    let (first, second) = (
        "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0",
        "5a5a5a5a-0000-4000-8000-000000000001",
    );
    let config = folder.load(&with(&format!(
        "[\"{first}\", \"{}\"]",
        second.to_uppercase()
    )));
    let tenants = [first, second].map(|tenant| tenant.parse().unwrap());
    assert_eq!(config.authn.issuers[0].tenants, Some(tenants.to_vec()));
    let env = [("CEDARGATE_ISSUERS__0__TENANTS", second)];
    let config = folder.load_with(MINIMAL, &env, &[]).ok().unwrap();
    assert_eq!(config.authn.issuers[0].tenants, Some(vec![tenants[1]]));

    let not_uuid = "`issuers[0].tenants`: a tenant is a UUID with hyphens, such as 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
    let star = "`issuers[0].tenants`: remove the key to accept tokens of every tenant";
    let empty = "`issuers[0].tenants`: an empty list refuses every token that names a tenant";
    let type_of_list = "`issuers[0].tenants` must be a list of strings, but is a string";
    let type_of_entry =
        "each entry of `issuers[0].tenants` must be a string in quotes, but is a number";
    for (list, code, message) in [
        ("[]".to_owned(), "invalid_value", empty),
        (
            format!("[\"{first}\", \"acme\"]"),
            "invalid_value",
            not_uuid,
        ),
        (
            format!("[\"{}\"]", first.replace('-', "")),
            "invalid_value",
            not_uuid,
        ),
        ("[\"*\"]".to_owned(), "invalid_value", star),
        (format!("\"{first}\""), "wrong_type", type_of_list),
        ("[1]".to_owned(), "wrong_type", type_of_entry),
    ] {
        let found = folder.messages(&with(&list), &[]);
        assert_eq!(found, [(code, message.to_owned())], "{list}");
    }
    // The finding points to the invalid entry. For an empty list, its help says how to accept all.
    let text = with(&format!("[\"{first}\",\n  \"acme\"]"));
    let findings = folder.load_with(&text, &[], &[]).err().unwrap();
    let line = 1 + text[..text.find("\"acme").unwrap()].matches('\n').count();
    assert_eq!((findings.0[0].line, findings.0[0].column), (line, 3));
    let findings = folder.load_with(&with("[]"), &[], &[]).err().unwrap();
    let help = "list the tenants that this issuer may assert, or remove the key to accept all";
    assert_eq!(findings.0[0].help.as_deref(), Some(help));
    let typo = MINIMAL.replace("tenant_id\"", "tenant_id\"\ntenant = []");
    let findings = folder.load_with(&typo, &[], &[]).err().unwrap();
    let help = "did you mean `issuers[0].tenants`?";
    assert_eq!(findings.0[0].help.as_deref(), Some(help));
}

#[test]
fn invalid_step_up_section_is_refused_with_its_rule() {
    use crate::authn::signing::SigningKey;
    let folder = Folder::new();
    folder.write("one.p8", &SigningKey::generate().unwrap(), 0o600);
    folder.write("open.p8", &SigningKey::generate().unwrap(), 0o644);
    folder.write("no.p8", b"key", 0o600);
    let section = |rest: &str| {
        format!("{MINIMAL}\n[step_up]\naudience = \"https://api.example.com\"\n{rest}\n")
    };
    let good = "issuer = \"https://mfa.example.com\"\nsigning_key_files = [\"one.p8\"]";
    assert!(folder.load(&section(good)).mfa.step_up.is_some());
    assert!(folder.load(MINIMAL).mfa.step_up.is_none());
    for (rest, code, part) in [
        (
            "issuer = \"https://mfa.example.com\"".to_owned(),
            "missing_key",
            "`step_up.signing_key_files` is missing",
        ),
        (
            good.replace("mfa.", "id."),
            "duplicate",
            "one of `issuers` has the same value",
        ),
        (
            good.replace("one.p8", "no.p8"),
            "unreadable_file",
            "holds no P-256 key as PKCS#8",
        ),
        (
            good.replace("one.p8", "open.p8"),
            "unreadable_file",
            "open.p8",
        ),
        (
            good.replace("\"one.p8\"", "\"one.p8\", \"one.p8\""),
            "duplicate",
            "the same key as an earlier entry",
        ),
        (
            format!("{good}\nttl = \"2h\""),
            "invalid_value",
            "from 1m to 1h",
        ),
        (
            format!("{good}\nkey = \"one.p8\""),
            "unknown_key",
            "unknown key `step_up.key`",
        ),
    ] {
        let messages = folder.messages(&section(&rest), &[]);
        let [(got, message)] = &messages[..] else {
            panic!("{rest}: {messages:?}")
        };
        assert!(
            *got == code && message.contains(part),
            "{rest}: {got} {message}"
        );
    }
}

#[test]
fn decision_log_without_file_or_with_unknown_mask_is_refused() {
    let folder = Folder::new();
    let messages = |section: &str| folder.messages(&format!("{MINIMAL}\n{section}\n"), &[]);
    assert_eq!(
        messages("[decision_log]\nmask = [\"principal.claims.email\"]"),
        [("missing_key", "`decision_log.file` is missing".into())]
    );
    assert_eq!(
        messages("[decision_log]\nfile = \"\""),
        [(
            "invalid_value",
            "`decision_log.file`: it must not be empty".into()
        )]
    );
    assert_eq!(
        messages("[decision_log]\nfile = \"d\"\nmaks = []"),
        [("unknown_key", "unknown key `decision_log.maks`".into())]
    );
    let wrong = "[decision_log]\nfile = \"d\"\nmask = [\"context.network.adress\", \"principal.claims.x\", \"email\"]";
    let expected = [
        "there is no \"context.network.adress\" in a request: did you mean \"context.network.address\"?",
        "there is no \"email\" in a request: it is a claim, such as \"principal.claims.email\", or a part of the context, such as \"context.network.address\"",
    ];
    assert_eq!(
        messages(wrong),
        expected.map(|message| ("invalid_value", format!("`decision_log.mask`: {message}")))
    );
}

#[test]
fn audit_stream_without_file_is_refused() {
    let folder = Folder::new();
    let messages = |section: &str| folder.messages(&format!("{MINIMAL}\n{section}\n"), &[]);
    let missing = "`audit.file` is missing".to_owned();
    assert_eq!(messages("[audit]"), [("missing_key", missing)]);
    let empty = "`audit.file`: it must not be empty".to_owned();
    assert_eq!(messages("[audit]\nfile = \"\""), [("invalid_value", empty)]);
    let config = folder.load(&format!("{MINIMAL}\n[audit]\nfile = \"audit.jsonl\"\n"));
    assert_eq!(config.audit, Some(folder.path("audit.jsonl")));
}

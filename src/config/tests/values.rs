//! What is wrong with a value is explained.

use super::*;

#[test]
fn what_is_not_built_yet_says_so() {
    let folder = Folder::new();
    let tls = format!("{LEAST}\n[tls]\ncertificate = \"tls.crt\"\n");
    let said = "`tls` is not built yet in this version".to_owned();
    assert_eq!(folder.messages(&tls, &[]), [("not_built", said)]);
    for url in [
        "redis+sentinel://a:1,b:2/main",
        "redis+cluster://a:1",
        "rediss+cluster://a:1",
    ] {
        assert_eq!(
            folder.messages(&LEAST.replace("embedded:data", url), &[]),
            [(
                "not_built",
                "`store.url`: Sentinel and cluster are not built yet in this version: name one server".into()
            )]
        );
    }
}

#[test]
fn a_wrong_value_is_explained() {
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
    let host = "each is a host name without a port, such as gateway.internal (IP addresses and localhost need no entry)";
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
        ("embedded:data", "embedded:", "invalid_value", "`store.url`: a folder follows `embedded:`".into()),
        ("\"corp\"", "\"Corp\"", "invalid_value", "`issuers[0].name`: an issuer's name is 1 to 32 of a-z, 0-9 and -, and begins with a letter".into()),
        ("[\"https://api.example.com\"]", "[]", "invalid_value", "`issuers[0].audiences`: it needs at least one entry".into()),
        ("[\"https://api.example.com\"]", "[\"\"]", "invalid_value", "`issuers[0].audiences`: it is empty".into()),
        ("[\"https://api.example.com\"]", "\"x\"", "wrong_type", "`issuers[0].audiences` must be a list of texts, and is a text".into()),
        ("[\"ES256\"]", "[]", "invalid_value", "`issuers[0].algorithms`: it needs at least one entry".into()),
        ("[\"ES256\"]", "[256]", "wrong_type", "each of `issuers[0].algorithms` must be a text in quotes, and is a number".into()),
        ("[\"ES256\"]", "[\"RS256\"]", "invalid_value", "`issuers[0].jwks`: in jwks.json: it has no key that verifies RS256: key 1 is for another algorithm (`kty`, `crv`, `alg`)".into()),
        ("jwks.json", "private.json", "invalid_value", "`issuers[0].jwks`: in private.json: it holds private keys: key 1 has `d`. Replace that key at the issuer, and give the public keys only".into()),
        ("jwks.json", "none.json", "unreadable_file", "`issuers[0].jwks`: none.json cannot be read: No such file or directory (os error 2)".into()),
        ("jwks.json", "http://id.example.com/jwks", "invalid_value", "`issuers[0].jwks`: it must begin with https://, because an attacker who can change the keys in transit can sign in as any user (http:// is accepted for this machine only)".into()),
        ("jwks.json", "file:///jwks.json", "invalid_value", "`issuers[0].jwks`: it must begin with https://, or be the path of a file".into()),
        ("\n[store]", "[cors]\norigins = [\"*\"]\n[store]", "invalid_value", "`cors.origins`: `*` would open the API to pages that you do not know: list the origin of each page that calls it, such as `https://app.example.com`".into()),
        ("\n[store]", "[cors]\norigins = [\"https://app.example.com/\"]\n[store]", "invalid_value", "`cors.origins`: `https://app.example.com/` must be written as browsers send it: `https://app.example.com`".into()),
        ("pepper.key", "short.key", "unreadable_file", "`backup_codes.pepper_files`: short.key is shorter than 32 bytes".into()),
        ("pepper.key", "open.key", "unreadable_file", "`backup_codes.pepper_files`: open.key holds a secret, and others than its owner have access to it".into()),
        ("\"pepper.key\"", "\"pepper.key\", \"same.key\"", "duplicate", "`backup_codes.pepper_files`: this file holds the same key as an earlier one".into()),
        ("[\"pepper.key\"]", "[]", "invalid_value", "`backup_codes.pepper_files`: it needs at least one entry".into()),
        ("[[issuers]]", "[issuers]", "wrong_type", "`issuers` must be a list of tables".into()),
        ("tenant_id\"", "tenant_id\"\nstrong_acr = [\"a b\"]", "invalid_value", "`issuers[0].strong_acr`: each is visible ASCII without spaces, \" and \\".into()),
        ("\n[store]", "[policies]\ncanaries = \"perhaps\"\n[store]", "invalid_value", "`policies.canaries`: it is \"on\" or \"off\"".into()),
        ("\n[store]", "[policies]\ncanaries = false\n[store]", "wrong_type", "`policies.canaries` must be a text in quotes, and is true or false".into()),
        ("\n[store]", "[policies]\nrequired = [\"\"]\n[store]", "invalid_value", "`policies.required`: it is empty".into()),
        ("\n[store]", "listen = \"1.2.3.4:5\"\nadmin_listen = \"1.2.3.4:5\"\n[store]", "invalid_value", "`admin_listen` is the same as `listen`: each needs a port of its own".into()),
        ("data\"", "data\"\nenrollment_ttl = \"0s\"", "invalid_value", "`store.enrollment_ttl`: it is a duration from 1s to 1h, such as \"5m\"".into()),
        ("data\"", "data\"\nenrollment_ttl = \"61m\"", "invalid_value", "`store.enrollment_ttl`: it is a duration from 1s to 1h, such as \"5m\"".into()),
        ("data\"", "data\"\nurl_file = \"url\"", "invalid_value", "`store.url` and `store.url_file` are both set: one of them must go".into()),
        ("\n[store]", "admin_hosts = [\"gateway.internal:9090\"]\n[store]", "invalid_value", format!("`admin_hosts`: {host}")),
        ("\n[store]", "admin_hosts = [\"*.internal\"]\n[store]", "invalid_value", format!("`admin_hosts`: {host}")),
        ("\n[store]", "admin_hosts = [\"\"]\n[store]", "invalid_value", format!("`admin_hosts`: {host}")),
        ("\n[store]", "[network]\ntrusted_proxies = [\"10.0.0.0/33\"]\n[store]", "invalid_value", "`network.trusted_proxies`: each is an address or a network, such as 10.0.0.0/8".into()),
        ("[backup_codes]\npepper_files = [\"pepper.key\"]\n", &format!("{party}tenants = [\"*\", \"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0\"]\n"), "invalid_value", "`relying_parties[0].tenants`: \"*\" stands alone: it already means every tenant that no other party names".into()),
        ("[backup_codes]\npepper_files = [\"pepper.key\"]\n", &format!("{party}method_types = [\"totp\"]\n"), "invalid_value", "`relying_parties[0].method_types`: each is webauthn_passkey or webauthn_fido".into()),
        ("[backup_codes]\npepper_files = [\"pepper.key\"]\n", &format!("{party}[[relying_parties.models]]\naaguid = \"x\"\nname = \"x\"\nroots = \"roots.pem\"\n"), "invalid_value", "`relying_parties[0].models[0].aaguid`: it is a UUID with hyphens, such as 73bb0cd4-e502-49b8-9c6f-b59445bf720b".into()),
    ] {
        let text = LEAST.replace(from, to);
        assert_eq!(folder.messages(&text, &[]), [(code, message)], "{text}");
    }
}

#[test]
fn folders_that_are_not_there_are_shown_where_they_are_named() {
    let folder = Folder::new();
    folder.write("a-file", b"", 0o644);
    let text = format!("{LEAST}\n[policies]\npath = \"nowhere\"\nschema = \"a-file\"\n");
    insta::assert_snapshot!(folder.wrong(&text, &[], &[]));
    fs::remove_dir(folder.path("policies")).unwrap();
    fs::remove_dir(folder.path("schema")).unwrap();
    let missing = |key: &str, name: &str| {
        let why = "No such file or directory (os error 2)";
        let message = format!("`policies.{key}`: {name} cannot be read: {why}");
        ("unreadable_file", message)
    };
    assert_eq!(
        folder.messages(LEAST, &[]),
        [missing("path", "policies"), missing("schema", "schema")],
        "those that nobody named"
    );
}

#[test]
fn keys_by_url_are_not_fetched_to_look_at_a_configuration() {
    let folder = Folder::new();
    let url = "https://id.example.invalid/jwks.json";
    let config = folder.load(&LEAST.replace("jwks.json", url));
    let keys = &config.authn.issuers[0].keys;
    assert!(matches!(keys, crate::authn::KeySource::Remote(_)));
}

#[test]
fn what_a_ceremony_demands_of_a_party_is_shown_where_it_was_written() {
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
fn two_issuers_share_neither_name_nor_url() {
    let folder = Folder::new();
    let start = LEAST.find("[[issuers]]").unwrap();
    let end = LEAST.find("[backup_codes]").unwrap();
    let text = format!("{LEAST}\n{}", &LEAST[start..end]);
    assert_eq!(
        folder.messages(&text, &[]),
        [
            (
                "duplicate",
                "`issuers[1].name`: another issuer has the same".to_owned()
            ),
            (
                "duplicate",
                "`issuers[1].issuer`: another issuer has the same".to_owned()
            ),
        ]
    );
}

#[test]
fn tenants_of_an_issuer_are_uuids_and_never_an_empty_list() {
    let folder = Folder::new();
    let with = |list: &str| LEAST.replace("tenant_id\"", &format!("tenant_id\"\ntenants = {list}"));
    let (one, other) = (
        "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0",
        "5a5a5a5a-0000-4000-8000-000000000001",
    );
    let config = folder.load(&with(&format!("[\"{one}\", \"{}\"]", other.to_uppercase())));
    let tenants = [one, other].map(|it| it.parse().unwrap());
    assert_eq!(config.authn.issuers[0].tenants, Some(tenants.to_vec()));
    let env = [("CEDARGATE_ISSUERS__0__TENANTS", other)];
    let config = folder.load_with(LEAST, &env, &[]).ok().unwrap();
    assert_eq!(config.authn.issuers[0].tenants, Some(vec![tenants[1]]));

    let not_one = "`issuers[0].tenants`: a tenant is a UUID with hyphens, such as 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";
    let star = "`issuers[0].tenants`: leave the key out to accept tokens of every tenant";
    let empty =
        "`issuers[0].tenants`: with an empty list, every token that names a tenant is refused";
    let type_of_list = "`issuers[0].tenants` must be a list of texts, and is a text";
    let type_of_one = "each of `issuers[0].tenants` must be a text in quotes, and is a number";
    for (list, code, message) in [
        ("[]".to_owned(), "invalid_value", empty),
        (format!("[\"{one}\", \"acme\"]"), "invalid_value", not_one),
        (
            format!("[\"{}\"]", one.replace('-', "")),
            "invalid_value",
            not_one,
        ),
        ("[\"*\"]".to_owned(), "invalid_value", star),
        (format!("\"{one}\""), "wrong_type", type_of_list),
        ("[1]".to_owned(), "wrong_type", type_of_one),
    ] {
        let found = folder.messages(&with(&list), &[]);
        assert_eq!(found, [(code, message.to_owned())], "{list}");
    }
    // The finding points to the entry that is wrong, and says what to write for an empty list.
    let text = with(&format!("[\"{one}\",\n  \"acme\"]"));
    let findings = folder.load_with(&text, &[], &[]).err().unwrap();
    let line = 1 + text[..text.find("\"acme").unwrap()].matches('\n').count();
    assert_eq!((findings.0[0].line, findings.0[0].column), (line, 3));
    let findings = folder.load_with(&with("[]"), &[], &[]).err().unwrap();
    let help = "list the tenants that this issuer may assert, or leave the key out for all";
    assert_eq!(findings.0[0].help.as_deref(), Some(help));
    let typo = LEAST.replace("tenant_id\"", "tenant_id\"\ntenant = []");
    let findings = folder.load_with(&typo, &[], &[]).err().unwrap();
    let help = "did you mean `issuers[0].tenants`?";
    assert_eq!(findings.0[0].help.as_deref(), Some(help));
}

#[test]
fn step_ups_are_made_as_configured() {
    use crate::authn::signing::SigningKey;
    let folder = Folder::new();
    folder.write("one.p8", &SigningKey::generate().unwrap(), 0o600);
    folder.write("open.p8", &SigningKey::generate().unwrap(), 0o644);
    folder.write("no.p8", b"key", 0o600);
    let section = |rest: &str| {
        format!("{LEAST}\n[step_up]\naudience = \"https://api.example.com\"\n{rest}\n")
    };
    let good = "issuer = \"https://mfa.example.com\"\nsigning_key_files = [\"one.p8\"]";
    assert!(folder.load(&section(good)).mfa.step_up.is_some());
    assert!(folder.load(LEAST).mfa.step_up.is_none());
    for (rest, code, said) in [
        (
            "issuer = \"https://mfa.example.com\"".to_owned(),
            "missing_key",
            "`step_up.signing_key_files` is missing",
        ),
        (
            good.replace("mfa.", "id."),
            "duplicate",
            "a configured issuer has the same",
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
            "the same key as an earlier one",
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
        let [(found, message)] = &messages[..] else {
            panic!("{rest}: {messages:?}")
        };
        assert!(
            *found == code && message.contains(said),
            "{rest}: {found} {message}"
        );
    }
}

#[test]
fn the_decision_log_needs_a_file_and_masks_what_there_is() {
    let folder = Folder::new();
    let messages = |section: &str| folder.messages(&format!("{LEAST}\n{section}\n"), &[]);
    assert_eq!(
        messages("[decision_log]\nmask = [\"principal.claims.email\"]"),
        [("missing_key", "`decision_log.file` is missing".into())]
    );
    assert_eq!(
        messages("[decision_log]\nfile = \"\""),
        [("invalid_value", "`decision_log.file`: it is empty".into())]
    );
    assert_eq!(
        messages("[decision_log]\nfile = \"d\"\nmaks = []"),
        [("unknown_key", "unknown key `decision_log.maks`".into())]
    );
    let wrong = "[decision_log]\nfile = \"d\"\nmask = [\"context.network.adress\", \"principal.claims.x\", \"email\"]";
    let said = [
        "there is no \"context.network.adress\" in a request: did you mean \"context.network.address\"?",
        "there is no \"email\" in a request: it is a claim, such as \"principal.claims.email\", or a part of the context, such as \"context.network.address\"",
    ];
    assert_eq!(
        messages(wrong),
        said.map(|said| ("invalid_value", format!("`decision_log.mask`: {said}")))
    );
}

#[test]
fn the_audit_stream_needs_a_file() {
    let folder = Folder::new();
    let of = |section: &str| folder.messages(&format!("{LEAST}\n{section}\n"), &[]);
    let missing = "`audit.file` is missing".to_owned();
    assert_eq!(of("[audit]"), [("missing_key", missing)]);
    let empty = "`audit.file`: it is empty".to_owned();
    assert_eq!(of("[audit]\nfile = \"\""), [("invalid_value", empty)]);
    let config = folder.load(&format!("{LEAST}\n[audit]\nfile = \"audit.jsonl\"\n"));
    assert_eq!(config.audit, Some(folder.path("audit.jsonl")));
}

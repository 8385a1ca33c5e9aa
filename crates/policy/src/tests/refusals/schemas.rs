//! Invalid schema files.

use super::super::super::{GATE_SCHEMA, Sources};
use super::{OPEN, at, helps, only};
use crate::tests::load_sources;

#[track_caller]
fn refused_site(site: &str, code: &str, marked: &str, help: &str) {
    let finding = only(
        load_sources(&Sources::of(&[("a.cedar", OPEN)], site))
            .unwrap_err()
            .0,
    );
    assert_eq!(
        (finding.code, finding.file.as_str()),
        (code, "schema/site.cedarschema"),
        "{finding}"
    );
    at(&finding, site, site.find(marked).unwrap());
    helps(&finding, help);
}

#[test]
fn invalid_site_schema_is_refused_at_its_place() {
    let of =
        |content: &str| format!("namespace Site {{\n  // claims, not Extra or b\n  {content}\n}}");
    let load = |site: &str| load_sources(&Sources::of(&[("a.cedar", OPEN)], site));
    load(&of("type Claims = { a?: String, b?: Long, c?: Bool, d?: Set<String>, \"https://x/y\"?: __cedar::String };")).unwrap();
    load(&of("type Claims = {};")).unwrap();
    refused_site(
        &of("type Claims = { b: String };"),
        "site_schema",
        "b: String",
        "write b?: …",
    );
    for wrong in [
        "Set<Long>",
        "{ c?: String }",
        "decimal",
        "ipaddr",
        "Set<Set<String>>",
    ] {
        refused_site(
            &of(&format!("type Claims = {{ b?: {wrong} }};")),
            "site_schema",
            "b?",
            "Set<String>",
        );
    }
    let sets = |many| format!("{}String{}", "Set<".repeat(many), ">".repeat(many));
    let site = |many| of(&format!("type Claims = {{ b?: {} }};", sets(many)));
    refused_site(&site(200), "site_schema", "b?", "Set<String>");
    let deep = site(50_000);
    let finding = only(load(&deep).unwrap_err().0);
    assert_eq!(finding.code, "nesting", "{finding}");
    refused_site(
        &of("type Claims = {}; type Extra = String;"),
        "site_schema",
        "Extra = ",
        "remove it",
    );
    refused_site(
        &of("type Claims = {}; entity Extra;"),
        "site_schema",
        "Extra;",
        "remove it",
    );
    refused_site(
        &of("type Claims = {}; action Extra;"),
        "site_schema",
        "Extra;",
        "remove it",
    );
    refused_site(
        "namespace Site { type Claims = {}; }\nnamespace Extra { entity Other; }",
        "site_schema",
        "Extra",
        "remove it",
    );
    for namespace in ["Gate", "Other"] {
        let text = format!("{}\nnamespace {namespace} {{}}", of("type Claims = {};"));
        refused_site(
            &text,
            "site_schema",
            &format!("{namespace} {{"),
            "remove it",
        );
    }
    for twice in ["a?: String, a?: Long", "a?: String, \"a\"?: String"] {
        let text = of(&format!("type Claims = {{ {twice} }};"));
        let finding = only(load(&text).unwrap_err().0);
        assert_eq!(finding.code, "site_schema", "{finding}");
        at(
            &finding,
            &text,
            text.find(twice).unwrap() + "a?: String, ".len(),
        );
        helps(&finding, "remove one of the two");
    }
    refused_site(
        &of("type Claims = String;"),
        "site_schema",
        "Claims",
        "type Claims = {",
    );
    refused_site("namespace Site {}", "site_schema", "", "type Claims = {");
    refused_site(
        &of("type Claims = { a? String };"),
        "schema_syntax",
        "String",
        "",
    );
}

#[test]
fn changed_gate_schema_is_refused_where_it_differs() {
    let mut sources = Sources::of(&[("a.cedar", OPEN)], "namespace Site { type Claims = {}; }");
    sources.gate_schema.text = GATE_SCHEMA.replace("acr: String,", "acr: Long,").into();
    let finding = only(load_sources(&sources).unwrap_err().0);
    assert_eq!(
        (finding.code, finding.file.as_str()),
        ("gate_schema", "schema/gate.cedarschema")
    );
    at(
        &finding,
        GATE_SCHEMA,
        GATE_SCHEMA.find("acr: String,").unwrap() + "acr: ".len(),
    );
    helps(&finding, "`cedargate policy schema --write` renews it");
    for near in [
        GATE_SCHEMA.trim_end().to_owned(),
        format!("{GATE_SCHEMA}\n"),
        GATE_SCHEMA.replace('\n', "\r\n"),
    ] {
        sources.gate_schema.text = near.into();
        assert_eq!(
            only(load_sources(&sources).unwrap_err().0).code,
            "gate_schema"
        );
    }
}

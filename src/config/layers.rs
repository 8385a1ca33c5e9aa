//! Flags, environment and file become one tree, in which each value knows where it came from.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::problems::{Place, Problems};

/// What the name of each variable of ours begins with.
pub(super) const PREFIX: &str = "CEDARGATE_";

/// A table: key → (value, where it came from).
pub(super) type Entries = BTreeMap<String, Entry>;

/// A value and where it came from.
pub(super) struct Entry {
    pub(super) value: Value,
    /// Where its key is.
    pub(super) key: Place,
    /// Where the value is.
    pub(super) place: Place,
}

/// What can be written. No key is a float or a date: they are only named in errors.
pub(super) enum Value {
    Table(Entries),
    List(Vec<Entry>),
    Text(String),
    Boolean(bool),
    Integer(i64),
    Other(&'static str),
}

/// All layers as one tree; none when the file cannot be parsed.
pub(super) fn merge(
    flags: &[(&str, String)],
    env: impl IntoIterator<Item = (String, String)>,
    text: Option<&str>,
    problems: &mut Problems<'_>,
) -> Option<Entries> {
    let mut entries = parse(text.unwrap_or_default(), problems)?;
    hide_secrets(&entries, problems);
    let mut variables: Vec<_> = env
        .into_iter()
        .filter_map(|(name, value)| {
            let key = name.strip_prefix(PREFIX)?;
            is_key(key).then(|| (key.to_ascii_lowercase(), name.clone(), value))
        })
        .collect();
    // A whole table comes before what is set in it.
    variables.sort();
    for (key, name, value) in variables {
        let path: Vec<_> = key.split("__").collect();
        set(&mut entries, &path, &value, Place::Variable(name), problems);
    }
    for (key, value) in flags {
        let path: Vec<_> = key.split('.').collect();
        set(&mut entries, &path, value, Place::Flag(flag(key)), problems);
    }
    Some(entries)
}

/// Whether the rest of a variable's name is a key. `CEDARGATE_VECTORS` is the tests'; and Kubernetes
/// sets `CEDARGATE_PORT…` and `CEDARGATE_SERVICE_…` in every pod beside a service that is called
/// cedargate.
fn is_key(rest: &str) -> bool {
    !(rest == "VECTORS"
        || rest == "PORT"
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_"))
}

/// What the flag of a key is called.
fn flag(key: &str) -> String {
    let name = match key {
        "policies.path" => "policies",
        "policies.schema" => "schema",
        other => other,
    };
    format!("--{}", name.replace(['.', '_'], "-"))
}

/// What a line with a secret in it looks like.
const TELLTALES: [&str; 4] = ["url", "://", "pass", "secret"];

fn parse(text: &str, problems: &mut Problems<'_>) -> Option<Entries> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table_entries(table.into_inner(), None));
    }
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        // In a text that does not parse nobody knows which line is the one with the password.
        let line = text.get(..span.end).unwrap_or(text).lines().last();
        if line.is_some_and(|line| TELLTALES.iter().any(|one| line.contains(one))) {
            problems.hide_line(span.start);
        }
        let message = format!("this is not TOML: {}", error.message());
        problems.add(&span.into(), "syntax", message, None);
    }
    None
}

/// The store's URL may have a password in it.
fn hide_secrets(entries: &Entries, problems: &mut Problems<'_>) {
    let Some(store) = entries.get("store") else {
        return;
    };
    match &store.value {
        Value::Table(entries) => {
            if let Some(url) = entries.get("url") {
                problems.hide(&url.place);
            }
        }
        _ => problems.hide(&store.place),
    }
}

/// `from` is where the text came from, when that is not the file.
fn table_entries(table: DeTable<'_>, from: Option<&Place>) -> Entries {
    table
        .into_iter()
        .map(|(key, value)| {
            let place = from.cloned().unwrap_or_else(|| key.span().into());
            (key.into_inner().into_owned(), entry(place, value, from))
        })
        .collect()
}

fn entry(key: Place, value: toml::Spanned<DeValue<'_>>, from: Option<&Place>) -> Entry {
    let place = from.cloned().unwrap_or_else(|| value.span().into());
    let value = match value.into_inner() {
        DeValue::Table(table) => Value::Table(table_entries(table, from)),
        DeValue::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| entry(place_of_item(&item, from), item, from))
                .collect(),
        ),
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Integer(number) => {
            let digits = number.as_str();
            i64::from_str_radix(digits, number.radix())
                .map_or(Value::Other("a number"), Value::Integer)
        }
        DeValue::Float(_) => Value::Other("a number"),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Entry { value, key, place }
}

fn place_of_item(item: &toml::Spanned<DeValue<'_>>, from: Option<&Place>) -> Place {
    from.cloned().unwrap_or_else(|| item.span().into())
}

/// Sets one key of the tree, over what stands there.
fn set(
    entries: &mut Entries,
    path: &[&str],
    text: &str,
    place: Place,
    problems: &mut Problems<'_>,
) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        entries.insert((*key).to_owned(), written(text, place));
        return;
    }
    let child = entries
        .entry((*key).to_owned())
        .or_insert_with(|| container(rest, &place));
    set_within(child, rest, text, place, problems);
}

fn set_within(
    entry: &mut Entry,
    path: &[&str],
    text: &str,
    place: Place,
    problems: &mut Problems<'_>,
) {
    match &mut entry.value {
        Value::Table(entries) => set(entries, path, text, place, problems),
        Value::List(items) => {
            let index = path.first().and_then(|one| one.parse::<usize>().ok());
            match (index, &path[1..]) {
                (Some(index), []) if index < items.len() => items[index] = written(text, place),
                (Some(index), []) if index == items.len() => items.push(written(text, place)),
                (Some(index), rest) if index <= items.len() => {
                    if index == items.len() {
                        items.push(container(rest, &place));
                    }
                    set_within(&mut items[index], rest, text, place, problems);
                }
                _ => {
                    let message = format!("there is no entry {:?}", path[0]);
                    let help = format!("entries are counted from 0, and there are {}", items.len());
                    problems.add(&place, "unknown_key", message, Some(help));
                }
            }
        }
        _ => {
            let message = format!("{:?} cannot be set in what is no table", path.join("__"));
            problems.add(&place, "unknown_key", message, None);
        }
    }
}

/// An empty list when the next part of the path is a number, else an empty table.
fn container(path: &[&str], place: &Place) -> Entry {
    let is_list = path.first().is_some_and(|one| one.parse::<usize>().is_ok());
    Entry {
        value: if is_list {
            Value::List(Vec::new())
        } else {
            Value::Table(Entries::new())
        },
        key: place.clone(),
        place: place.clone(),
    }
}

/// A value in a flag or a variable: a list or a table as TOML writes them, else the text itself.
fn written(text: &str, place: Place) -> Entry {
    if text.trim_start().starts_with(['[', '{'])
        && let Ok(value) = DeValue::parse(text.trim())
    {
        return entry(place.clone(), value, Some(&place));
    }
    Entry {
        value: Value::Text(text.to_owned()),
        key: place.clone(),
        place,
    }
}

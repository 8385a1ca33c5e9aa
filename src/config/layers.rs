//! Merges flags, environment and file into one tree, in which each value knows its place.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::problems::{Place, Problems};

/// The prefix of the gateway's environment variables.
pub(super) const PREFIX: &str = "CEDARGATE_";

pub(super) type Entries = BTreeMap<String, Entry>;

pub(super) struct Entry {
    pub(super) value: Value,
    /// The place of the key.
    pub(super) key: Place,
    /// The place of the value.
    pub(super) place: Place,
}

/// A value of the tree. No key takes a float, a date or an integer beyond 64 bits: these are `Other`,
/// with their name for messages.
pub(super) enum Value {
    Table(Entries),
    List(Vec<Entry>),
    Text(String),
    Boolean(bool),
    Integer(i64),
    Other(&'static str),
}

/// Merges the layers. Returns `None` if the file cannot be parsed.
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
    // Sorting puts the variable of a table before those of its keys, which override it.
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

/// Returns true if the part of a variable's name after the prefix is a key. Tests use
/// `CEDARGATE_VECTORS`. Kubernetes sets `CEDARGATE_PORT…` and `CEDARGATE_SERVICE_…` in the pods of a
/// namespace that has a service named `cedargate`.
fn is_key(rest: &str) -> bool {
    !(rest == "VECTORS"
        || rest == "PORT"
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_"))
}

/// Returns the name of the flag for a dotted key.
fn flag(key: &str) -> String {
    let name = match key {
        "policies.path" => "policies",
        "policies.schema" => "schema",
        other => other,
    };
    format!("--{}", name.replace(['.', '_'], "-"))
}

/// Text that marks a line as one that may hold a secret.
const SECRET_MARKS: [&str; 4] = ["url", "://", "pass", "secret"];

fn parse(text: &str, problems: &mut Problems<'_>) -> Option<Entries> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table_entries(table.into_inner(), None));
    }
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        // Text that does not parse has no keys to find `store.url` by.
        let line = text.get(..span.end).unwrap_or(text).lines().last();
        if line.is_some_and(|line| SECRET_MARKS.iter().any(|mark| line.contains(mark))) {
            problems.hide_line(span.start);
        }
        let message = format!("this is not valid TOML: {}", error.message());
        problems.add(&span.into(), "syntax", message, None);
    }
    None
}

/// Hides the store's URL, because it may hold a password.
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

/// Converts a table. `from` is the place of all its parts if the text is not that of the file.
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

/// Sets one key of the tree. Overrides a value that is already there.
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
        entries.insert((*key).to_owned(), override_value(text, place));
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
            let index = path.first().and_then(|part| part.parse::<usize>().ok());
            match (index, &path[1..]) {
                (Some(index), []) if index < items.len() => {
                    items[index] = override_value(text, place)
                }
                (Some(index), []) if index == items.len() => {
                    items.push(override_value(text, place))
                }
                (Some(index), rest) if index <= items.len() => {
                    if index == items.len() {
                        items.push(container(rest, &place));
                    }
                    set_within(&mut items[index], rest, text, place, problems);
                }
                _ => {
                    let message = format!("this list has no entry {:?}", path[0]);
                    let help = format!("use an index from 0 to {}", items.len());
                    problems.add(&place, "unknown_key", message, Some(help));
                }
            }
        }
        _ => {
            let message = format!(
                "{:?} cannot be set, because the key above it is not a table",
                path.join("__")
            );
            problems.add(&place, "unknown_key", message, None);
        }
    }
}

/// Returns an empty list if the next part of the path is an index, else an empty table.
fn container(path: &[&str], place: &Place) -> Entry {
    let is_list = path
        .first()
        .is_some_and(|part| part.parse::<usize>().is_ok());
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

/// Reads the value of a flag or a variable: a TOML list or inline table, else the text itself.
fn override_value(text: &str, place: Place) -> Entry {
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

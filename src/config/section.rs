//! One table of the configuration. Keys are taken out of it, and those that are left are unknown.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::layers::{Entries, Entry, PREFIX, Value};
use super::problems::{Place, Problems};
use cedargate_core::nearest;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A table from which keys are taken.
pub(super) struct Section {
    /// The dotted key of the table, which is empty for the top-level table.
    path: String,
    place: Place,
    entries: Entries,
    /// The valid keys: those that were taken, whether they are present or not.
    known: Vec<&'static str>,
    /// The places of the values that were taken.
    places: BTreeMap<&'static str, Place>,
}

impl Section {
    pub(super) fn root(entries: Entries) -> Self {
        Self::new(String::new(), Place::Nowhere, entries)
    }

    fn new(path: String, place: Place, entries: Entries) -> Self {
        Self {
            path,
            place,
            entries,
            known: Vec::new(),
            places: BTreeMap::new(),
        }
    }

    /// Returns the dotted key of a key of this table.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Returns the place of a value that was taken, or the table's place if the key is absent.
    pub(super) fn place_of(&self, key: &str) -> &Place {
        self.places.get(key).unwrap_or(&self.place)
    }

    fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        let entry = self.entries.remove(key)?;
        self.places.insert(key, entry.place.clone());
        Some(entry)
    }

    /// Returns true if the key is present and was not taken yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Reports the keys that are absent. Must be called before they are taken.
    pub(super) fn require(&self, keys: &[&'static str], problems: &mut Problems<'_>) {
        for key in keys {
            if !self.has(key) {
                self.missing(key, problems);
            }
        }
    }

    pub(super) fn missing(&self, key: &str, problems: &mut Problems<'_>) {
        let name = self.name(key);
        let help = format!(
            "add it to the configuration file, or set {}",
            variable(&name)
        );
        let message = format!("`{name}` is missing");
        problems.add(&self.place, "missing_key", message, Some(help));
    }

    /// Takes a string.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Located<String>> {
        let name = self.name(key);
        text(self.take(key)?, &name, problems)
    }

    /// Takes a string and parses it. An error is a sentence, such as "it must not be empty".
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.parsed_located(key, problems, parse)
            .map(|located| located.value)
    }

    /// Takes a value as [`Section::parsed`] does, and returns it with its place.
    pub(super) fn parsed_located<T, E: Display>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Located<T>> {
        let text = self.text(key, problems)?;
        let name = self.name(key);
        parsed(text, &name, problems, parse)
    }

    /// Takes a list of strings and parses them. Returns `None` if an entry is invalid.
    pub(super) fn parsed_list<T, E: Display>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let name = self.name(key);
        let texts = self.list(key, problems)?;
        // All entries are parsed first, so that each invalid entry is reported.
        let values: Vec<_> = texts
            .into_iter()
            .map(|text| parsed(text, &name, problems, &parse))
            .collect();
        values
            .into_iter()
            .map(|value| value.map(|located| located.value))
            .collect()
    }

    /// Takes a list of strings.
    pub(super) fn list(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Located<String>>> {
        let name = self.name(key);
        let entry = self.take(key)?;
        match entry.value {
            Value::List(items) => {
                let texts: Vec<_> = items
                    .into_iter()
                    .map(|item| text(item, &format!("each entry of `{name}`"), problems))
                    .collect();
                texts.into_iter().collect()
            }
            // In a flag or a variable, a plain string is a list with one entry.
            Value::Text(value) if !matches!(entry.place, Place::File { .. }) => {
                Some(vec![Located {
                    value,
                    place: entry.place,
                }])
            }
            other => {
                wrong_type(&entry.place, &name, "a list of strings", &other, problems);
                None
            }
        }
    }

    /// Takes a list of strings. Neither the list nor an entry may be empty.
    pub(super) fn filled_list(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Located<String>>> {
        let list = self.list(key, problems)?;
        let name = self.name(key);
        if list.is_empty() {
            let message = format!("`{name}`: it must have at least one entry");
            problems.add(self.place_of(key), "invalid_value", message, None);
            return None;
        }
        let texts: Vec<_> = list
            .into_iter()
            .map(|text| parsed(text, &name, problems, super::not_empty))
            .collect();
        texts.into_iter().collect()
    }

    /// Takes an integer in this range.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        problems: &mut Problems<'_>,
    ) -> Option<i64> {
        let name = self.name(key);
        let entry = self.take(key)?;
        let number = match (&entry.value, &entry.place) {
            (Value::Integer(number), _) => Some(*number),
            (Value::Text(text), Place::Variable(_) | Place::Flag(_)) => text.parse().ok(),
            (other, place) => {
                wrong_type(place, &name, "an integer", other, problems);
                return None;
            }
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let message = format!("`{name}`: it must be an integer from {least} to {most}");
            problems.add(&entry.place, "invalid_value", message, None);
        }
        number
    }

    /// Takes a duration in this range. `rule` is the message for other values.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        rule: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Duration> {
        self.parsed(key, problems, |text| {
            let duration = humantime::parse_duration(text).ok();
            duration
                .filter(|duration| range.contains(duration))
                .ok_or(rule)
        })
    }

    pub(super) fn boolean(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<bool> {
        let name = self.name(key);
        let entry = self.take(key)?;
        match (&entry.value, &entry.place) {
            (Value::Boolean(value), _) => Some(*value),
            (Value::Text(text), Place::Variable(_) | Place::Flag(_)) if text == "true" => {
                Some(true)
            }
            (Value::Text(text), Place::Variable(_) | Place::Flag(_)) if text == "false" => {
                Some(false)
            }
            (other, place) => {
                wrong_type(place, &name, "true or false", other, problems);
                None
            }
        }
    }

    /// Takes a table. An absent table is empty.
    pub(super) fn section(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Section {
        let name = self.name(key);
        let Some(entry) = self.take(key) else {
            return Section::new(name, self.place.clone(), Entries::new());
        };
        match entry.value {
            Value::Table(entries) => Section::new(name, entry.place, entries),
            other => {
                wrong_type(&entry.place, &name, "a table", &other, problems);
                Section::new(name, entry.place, Entries::new())
            }
        }
    }

    /// Takes a list of tables. Returns `None` if the key is absent or not a list.
    pub(super) fn sections(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Section>> {
        let name = self.name(key);
        let entry = self.take(key)?;
        let Value::List(items) = entry.value else {
            let message = format!("`{name}` must be a list of tables");
            let help = format!(
                "write [[{}]], with two brackets, above each table",
                without_indices(&name)
            );
            problems.add(&entry.place, "wrong_type", message, Some(help));
            return None;
        };
        let mut sections = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let name = format!("{name}[{index}]");
            match item.value {
                Value::Table(entries) => sections.push(Section::new(name, item.place, entries)),
                other => wrong_type(&item.place, &name, "a table", &other, problems),
            }
        }
        Some(sections)
    }

    /// Reports a key of a feature that comes in a later version.
    pub(super) fn not_built(&mut self, key: &'static str, problems: &mut Problems<'_>) {
        if let Some(entry) = self.take(key) {
            let message = format!("`{}` is not supported in this version", self.name(key));
            let help = "remove it: it would have no effect".to_owned();
            problems.hide(&entry.place);
            problems.add(&entry.key, "not_built", message, Some(help));
        }
    }

    /// Reports the keys that were not taken.
    pub(super) fn finish(&self, problems: &mut Problems<'_>) {
        for (key, entry) in &self.entries {
            // The value of an unknown key may be a secret.
            problems.hide(&entry.place);
            let message = format!("unknown key `{}`", self.name(key));
            let nearest = nearest(key, self.known.iter().copied()).map(|known| self.name(known));
            let help = match (&entry.key, nearest) {
                (Place::Variable(written), Some(name)) => {
                    format!("did you mean {}?", respelled(written, &variable(&name)))
                }
                (_, Some(name)) => format!("did you mean `{name}`?"),
                (_, None) => format!("the known keys here are {}", self.known.join(", ")),
            };
            problems.add(&entry.key, "unknown_key", message, Some(help));
        }
    }
}

/// Removes the indices from a dotted key.
fn without_indices(name: &str) -> String {
    let parts = name.split('.');
    let names: Vec<_> = parts
        .map(|part| part.split('[').next().unwrap_or(part))
        .collect();
    names.join(".")
}

/// Returns the name of the environment variable for a dotted key.
fn variable(name: &str) -> String {
    let name = name.replace('[', ".").replace(']', "");
    format!("{PREFIX}{}", name.replace('.', "__").to_ascii_uppercase())
}

/// Replaces the first parts of a variable's name by those of `known`, and keeps the others.
fn respelled(written: &str, known: &str) -> String {
    let further = written.split("__").skip(known.split("__").count());
    further.fold(known.to_owned(), |name, part| format!("{name}__{part}"))
}

fn text(entry: Entry, name: &str, problems: &mut Problems<'_>) -> Option<Located<String>> {
    match entry.value {
        Value::Text(value) => Some(Located {
            value,
            place: entry.place,
        }),
        other => {
            wrong_type(&entry.place, name, "a string in quotes", &other, problems);
            None
        }
    }
}

fn parsed<T, E: Display>(
    text: Located<String>,
    name: &str,
    problems: &mut Problems<'_>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<Located<T>> {
    match parse(&text.value) {
        Ok(value) => Some(Located {
            value,
            place: text.place,
        }),
        Err(sentence) => {
            let message = format!("`{name}`: {sentence}");
            problems.add(&text.place, "invalid_value", message, None);
            None
        }
    }
}

fn wrong_type(place: &Place, name: &str, wanted: &str, found: &Value, problems: &mut Problems<'_>) {
    let found = match found {
        Value::Table(_) => "a table",
        Value::List(_) => "a list",
        Value::Text(_) => "a string",
        Value::Boolean(_) => "a boolean",
        Value::Integer(_) => "a number",
        Value::Other(kind) => kind,
    };
    let name = if name.contains('`') {
        name.to_owned()
    } else {
        format!("`{name}`")
    };
    let message = format!("{name} must be {wanted}, but is {found}");
    problems.add(place, "wrong_type", message, None);
}

//! One table of the configuration: keys are taken out of it, and what is left over is unknown.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::layers::{Entries, Entry, PREFIX, Value};
use super::problems::{Place, Problems};
use cedargate_core::nearest;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A table from which keys are taken.
pub(super) struct Section {
    /// The key of the table itself; empty at the top.
    path: String,
    place: Place,
    entries: Entries,
    /// The keys that there are: those that were asked for.
    known: Vec<&'static str>,
    places: BTreeMap<&'static str, Place>,
}

impl Section {
    /// The top of the tree.
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

    /// The whole name of a key in it.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Where the value of a key is that was taken before; the table's place if there was none.
    pub(super) fn place_of(&self, key: &str) -> &Place {
        self.places.get(key).unwrap_or(&self.place)
    }

    fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        let entry = self.entries.remove(key)?;
        self.places.insert(key, entry.place.clone());
        Some(entry)
    }

    /// Whether the key is there and was not taken yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Reports those of the keys that are not there. Comes before they are taken.
    pub(super) fn require(&self, keys: &[&'static str], problems: &mut Problems<'_>) {
        for key in keys {
            if !self.has(key) {
                self.missing(key, problems);
            }
        }
    }

    /// Reports that a required key is not there.
    pub(super) fn missing(&self, key: &str, problems: &mut Problems<'_>) {
        let name = self.name(key);
        let help = format!("write it in the file, or set {}", variable(&name));
        let message = format!("`{name}` is missing");
        problems.add(&self.place, "missing_key", message, Some(help));
    }

    /// A text.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Located<String>> {
        let name = self.name(key);
        text(self.take(key)?, &name, problems)
    }

    /// A text that means something. The error is a sentence about "it".
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.parsed_located(key, problems, parse)
            .map(|located| located.value)
    }

    /// As [`Section::parsed`], with its place.
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

    /// A list of texts that mean something. None when the key is absent or one of them is wrong.
    pub(super) fn parsed_list<T, E: Display>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let name = self.name(key);
        let texts = self.list(key, problems)?;
        // Every one of them is looked at before the first error ends it.
        let values: Vec<_> = texts
            .into_iter()
            .map(|text| parsed(text, &name, problems, &parse))
            .collect();
        values
            .into_iter()
            .map(|value| value.map(|located| located.value))
            .collect()
    }

    /// A list of texts.
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
                    .map(|item| text(item, &format!("each of `{name}`"), problems))
                    .collect();
                texts.into_iter().collect()
            }
            // A flag or a variable has no other way to say a list of one plainly.
            Value::Text(value) if !matches!(entry.place, Place::File { .. }) => {
                Some(vec![Located {
                    value,
                    place: entry.place,
                }])
            }
            other => {
                wrong_type(&entry.place, &name, "a list of texts", &other, problems);
                None
            }
        }
    }

    /// A list of texts that must not be empty, nor may any of them.
    pub(super) fn filled_list(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Located<String>>> {
        let list = self.list(key, problems)?;
        let name = self.name(key);
        if list.is_empty() {
            let message = format!("`{name}`: it needs at least one entry");
            problems.add(self.place_of(key), "invalid_value", message, None);
            return None;
        }
        let texts: Vec<_> = list
            .into_iter()
            .map(|text| parsed(text, &name, problems, super::not_empty))
            .collect();
        texts.into_iter().collect()
    }

    /// A whole number in this range.
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
                wrong_type(place, &name, "a whole number", other, problems);
                return None;
            }
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let message = format!("`{name}`: it is a whole number from {least} to {most}");
            problems.add(&entry.place, "invalid_value", message, None);
        }
        number
    }

    /// A duration in this range, which `rule` describes to people.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        rule: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Duration> {
        self.parsed(key, problems, |text| {
            let duration = humantime::parse_duration(text).ok();
            duration.filter(|one| range.contains(one)).ok_or(rule)
        })
    }

    /// Yes or no.
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

    /// The table under a key; an empty one when it is absent.
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

    /// The list of tables under a key. None when the key is absent or no list.
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
                "write [[{}]], with two brackets, above each of them",
                plain(&name)
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

    /// A key whose feature comes in a later version.
    pub(super) fn not_built(&mut self, key: &'static str, problems: &mut Problems<'_>) {
        if let Some(entry) = self.take(key) {
            let message = format!("`{}` is not built yet in this version", self.name(key));
            let help = "take it out: nothing would act on it".to_owned();
            problems.hide(&entry.place);
            problems.add(&entry.key, "not_built", message, Some(help));
        }
    }

    /// Reports what was not taken.
    pub(super) fn finish(&self, problems: &mut Problems<'_>) {
        for (key, entry) in &self.entries {
            // Nobody knows what an unknown key holds.
            problems.hide(&entry.place);
            let message = format!("unknown key `{}`", self.name(key));
            let nearest = nearest(key, self.known.iter().copied()).map(|one| self.name(one));
            let help = match (&entry.key, nearest) {
                (Place::Variable(written), Some(name)) => {
                    format!("did you mean {}?", respelt(written, &variable(&name)))
                }
                (_, Some(name)) => format!("did you mean `{name}`?"),
                (_, None) => format!("the keys here are {}", self.known.join(", ")),
            };
            problems.add(&entry.key, "unknown_key", message, Some(help));
        }
    }
}

/// The name of a key without the numbers of the entries that it is in.
fn plain(name: &str) -> String {
    let parts = name.split('.');
    let plain: Vec<_> = parts
        .map(|part| part.split('[').next().unwrap_or(part))
        .collect();
    plain.join(".")
}

/// The environment variable of a key.
fn variable(name: &str) -> String {
    let name = name.replace('[', ".").replace(']', "");
    format!("{PREFIX}{}", name.replace('.', "__").to_ascii_uppercase())
}

/// A variable whose first parts are those of `known`, and whose further ones are as it was written.
fn respelt(written: &str, known: &str) -> String {
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
            wrong_type(&entry.place, name, "a text in quotes", &other, problems);
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
        Value::Text(_) => "a text",
        Value::Boolean(_) => "true or false",
        Value::Integer(_) => "a number",
        Value::Other(kind) => kind,
    };
    let name = if name.contains('`') {
        name.to_owned()
    } else {
        format!("`{name}`")
    };
    let message = format!("{name} must be {wanted}, and is {found}");
    problems.add(place, "wrong_type", message, None);
}

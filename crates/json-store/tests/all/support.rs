use std::path::{Path, PathBuf};

use layerhold_json_store::{JsonStore, KeySpec, Location, LocationId, Options, Record};
use serde_json::{Map, Value};

/// A record that keeps everything it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thing {
    pub(crate) json: Map<String, Value>,
    id: String,
    names: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ThingError {
    #[error("bad JSON")]
    Json(#[from] serde_json::Error),
    #[error("no usable ID")]
    Id,
}

impl Thing {
    pub(crate) fn new(id: &str) -> Self {
        Self::parse(format!("{{\"id\":{}}}", Value::from(id)).as_bytes()).unwrap()
    }

    pub(crate) fn named(id: &str, names: &[&str]) -> Self {
        let mut thing = Self::new(id);
        thing.set_names(names.iter().map(|name| (*name).to_owned()).collect());
        thing
    }

    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.set(field, value);
        self
    }

    pub(crate) fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.json.insert(field.to_owned(), value.into());
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.json
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

impl Record for Thing {
    const KIND: &'static str = "thing";
    const KEYS: &'static [KeySpec] = &[
        KeySpec::field("parent"),
        KeySpec::computed("tag"),
        KeySpec::field("alias").resolved(),
        KeySpec::mentioned("label"),
    ];
    type Error = ThingError;

    fn parse(json: &[u8]) -> Result<Self, ThingError> {
        let json: Map<String, Value> = serde_json::from_slice(json)?;
        let id = json
            .get("id")
            .and_then(Value::as_str)
            .ok_or(ThingError::Id)?;
        let names = match json.get("names") {
            Some(names) => serde_json::from_value(names.clone())?,
            None => Vec::new(),
        };
        Ok(Self {
            id: id.to_owned(),
            names,
            json,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, &self.json).unwrap();
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn set_names(&mut self, names: Vec<String>) {
        if names.is_empty() {
            self.json.shift_remove("names");
        } else {
            self.json.insert("names".to_owned(), names.clone().into());
        }
        self.names = names;
    }

    fn assign_names(&mut self, names: Vec<String>) {
        self.set("assigned", names.len());
        self.set_names(names);
    }

    fn key_values(&self, key: usize, found: &mut dyn FnMut(&str)) {
        match key {
            0 => found(self.text("parent")),
            1 | 3 => {
                let tags = self.json.get("tags").and_then(Value::as_array);
                tags.into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .for_each(found);
            }
            _ => found(self.text("alias")),
        }
    }
}

pub(crate) const DURABLE: LocationId = LocationId::FIRST;
pub(crate) const VOLATILE: LocationId = LocationId::new(1);

/// A directory with a store of a durable and a volatile file.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) scratch: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            scratch: layerhold_testkit::scratch(),
        }
    }

    /// With these bytes in the durable file.
    pub(crate) fn with(content: impl AsRef<[u8]>) -> Self {
        let place = Self::new();
        place.write("things.json", content);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn options(&self) -> Options {
        options_in(self.path())
    }

    pub(crate) fn open(&self) -> JsonStore<Thing> {
        JsonStore::open(self.options()).unwrap()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.file(name), content).unwrap();
    }

    /// The text of a file; `None` if there is none.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let bytes = std::fs::read(self.file(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names of all files but the lock.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "things.lock").collect();
        names.sort();
        names
    }
}

pub(crate) fn options_in(dir: &Path) -> Options {
    Options::new(dir.join("things.lock"), dir.join("data"))
        .location(Location::durable(dir, "things.json"))
        .location(Location::volatile(dir, "volatile-things.json"))
}

/// The text of a file with these records.
pub(crate) fn list(things: &[Thing]) -> String {
    let things: Vec<String> = things
        .iter()
        .map(|thing| String::from_utf8(thing.bytes()).unwrap())
        .collect();
    format!("[{}]", things.join(","))
}

pub(crate) fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

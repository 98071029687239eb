//! A cache that the jobs of a CI machine share: `ci_cache DIRECTORY put KEY FILE [NAME]`,
//! `get KEY-OR-NAME FILE`, `list`, `trim BYTES`.
//!
//! A key says what the file was made from, such as the hash of a lock file. A name is moved to the
//! newest entry that takes it (`main`). Jobs run at the same time, and any of them may be killed at
//! any moment: an entry is listed only when its content is complete.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which reads and writes the files it is given"
)]

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use layerhold_json_store::{JsonStore, Location, LocationId, Options, Record};

const CONTENT: &str = "content";
/// The largest file that is kept.
const LIMIT: u64 = 1 << 30;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Entry {
    id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    bytes: u64,
    /// When it was put or last got, in seconds since 1970.
    used: u64,
    /// Fields of later versions of this program come out as they came in.
    #[serde(flatten)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

impl Record for Entry {
    const KIND: &'static str = "cache entry";
    type Error = serde_json::Error;

    fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
    fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("strings and numbers are always JSON");
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn names(&self) -> &[String] {
        &self.names
    }
    fn set_names(&mut self, names: Vec<String>) {
        self.names = names;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [directory, command, rest @ ..] = words.as_slice() else {
        return Err("usage: ci_cache DIRECTORY put|get|list|trim …".into());
    };
    std::fs::create_dir_all(directory)?;
    let options = Options::new(format!("{directory}/cache.lock"), *directory)
        .location(Location::durable(*directory, "cache.json"));
    let cache = JsonStore::<Entry>::open(options)?;
    match (*command, rest) {
        ("put", [key, file]) => put(&cache, key, file, None),
        ("put", [key, file, name]) => put(&cache, key, file, Some(name)),
        ("get", [key, file]) => get(&cache, key, file),
        ("list", []) => list(&cache),
        ("trim", [bytes]) => trim(&cache, bytes.parse()?),
        _ => Err("usage: put KEY FILE [NAME] | get KEY-OR-NAME FILE | list | trim BYTES".into()),
    }
}

fn put(
    cache: &JsonStore<Entry>,
    key: &str,
    file: &str,
    name: Option<&str>,
) -> Result<(), Box<dyn Error>> {
    let content = std::fs::read(file)?;
    let mut guard = cache.write()?;
    if guard.to_snapshot().contains(key) {
        println!("{key} is there already");
        return Ok(());
    }
    let entry = Entry {
        id: key.to_owned(),
        names: name.map(str::to_owned).into_iter().collect(),
        bytes: 0,
        used: now(),
        unknown: serde_json::Map::new(),
    };
    // The content reaches the disk before `save` writes the record that names it.
    guard.insert(entry, LocationId::FIRST)?;
    guard.set_big_data(key, CONTENT, &content, |entry| {
        entry.bytes = content.len() as u64
    })?;
    guard.save()?;
    println!("put {key}, {} bytes", content.len());
    Ok(())
}

fn get(cache: &JsonStore<Entry>, key: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let mut guard = cache.write()?;
    let view = guard.to_snapshot();
    let id = view
        .resolve(key)
        .one()
        .ok_or("no entry has this key, name or prefix")?;
    let content = cache.read_big_data(id, CONTENT, LIMIT)?;
    let content = content.ok_or("the content is gone")?;
    drop(guard.update(id, |entry| entry.used = now())?);
    guard.save()?;
    std::fs::write(file, &content)?;
    println!("got {id}, {} bytes", content.len());
    Ok(())
}

fn list(cache: &JsonStore<Entry>) -> Result<(), Box<dyn Error>> {
    // No lock is held while this prints.
    for entry in cache.snapshot()?.iter() {
        let entry = entry?.into_record();
        println!(
            "{} {} bytes {}",
            entry.id,
            entry.bytes,
            entry.names.join(",")
        );
    }
    Ok(())
}

/// Removes the entries that were not used for longest.
fn trim(cache: &JsonStore<Entry>, limit: u64) -> Result<(), Box<dyn Error>> {
    let mut guard = cache.write()?;
    let mut entries = Vec::new();
    for entry in guard.to_snapshot().iter() {
        entries.push(entry?.into_record());
    }
    entries.sort_by_key(|entry| entry.used);
    let mut sum: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut removed = Vec::new();
    for entry in entries {
        if sum <= limit {
            break;
        }
        guard.remove(&entry.id)?;
        sum -= entry.bytes;
        removed.push(entry.id.clone());
    }
    guard.save()?;
    // The content last, for the same reason.
    for id in &removed {
        guard.remove_data(id)?;
    }
    println!("removed {}, {sum} bytes are left", removed.len());
    Ok(())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

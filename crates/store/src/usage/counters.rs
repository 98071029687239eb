//! The usage file: what each layer takes, as it was once counted.
//!
//! It has one line of JSON for each layer and is only appended to, so that a writer needs no lock
//! and does not have to read it: one write of whole lines at the end of a file does not mix with
//! another. Each line begins with the line break, so that a line that a full disk or a crash cut
//! off damages no other. Of several lines for one layer the last one counts.
//!
//! A line is valid for a layer whose record has the same ID, creation time and digest. A layer that
//! any program deleted and created again has another creation time, and a layer that a diff was
//! applied to has another digest; both are counted again. Stale lines stay until they outnumber the
//! valid ones; then the file is replaced. A line that another process appends at that moment is
//! lost, and its layer is counted again.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;

use layerhold_ids::LayerId;
use layerhold_sys::{
    Create, Dir, Durability, MetadataIo, OpenOptions, PathError, Result, best_effort, stat_file,
};
use serde::{Deserialize, Serialize};

use crate::catalog::layout::FILE_MODE;
use crate::records::Layer;

/// Name of the file, beside `layers.json`.
pub(crate) const USAGE_FILE: &str = "layerhold-usage.jsonl";
/// A larger file is ignored: a million layers need half of this.
const MAX_FILE: u64 = 512 << 20;
/// A file shorter than this is not worth replacing.
const SMALL_FILE: u64 = 64 << 10;
/// A line has about 300 bytes. With this many bytes for each layer, most of the file is stale.
const MUCH_FOR_A_LAYER: u64 = 1024;

/// What was counted in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) bytes: u64,
    pub(crate) inodes: u64,
    pub(crate) allocated: u64,
    /// The size of its tar-split file.
    #[serde(rename = "tar-split")]
    pub(crate) tar_split: u64,
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counter {
    id: LayerId,
    #[serde(flatten)]
    identity: LayerIdentity,
    #[serde(flatten)]
    counts: Counts,
}

/// What shows that a layer is still the one that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LayerIdentity {
    /// When it was created, in UTC.
    created: String,
    digest: String,
}

impl LayerIdentity {
    /// Returns the identity of a layer; `None` if its contents may change without a change of its
    /// record.
    fn of(layer: &Layer) -> Option<Self> {
        let record = layer.record();
        let digests = [&record.diff_digest, &record.toc_digest];
        let digest = digests.into_iter().find(|digest| !digest.is_empty())?;
        Some(Self {
            created: layer.created().to_utc().to_string(),
            digest: digest.clone(),
        })
    }
}

impl Counter {
    /// Makes a counter for a layer; `None` if its contents may change without a change of its
    /// record.
    pub(crate) fn new(layer: &Layer, counts: Counts) -> Option<Self> {
        Some(Self {
            id: layer.id().clone(),
            identity: LayerIdentity::of(layer)?,
            counts,
        })
    }

    /// The layer.
    pub(crate) fn id(&self) -> &LayerId {
        &self.id
    }
}

/// The counters that were read.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    by_id: HashMap<LayerId, Counter>,
    /// The number of lines, including those that are stale or cannot be parsed.
    lines: usize,
}

impl Counters {
    /// Reads the file. A missing or unreadable file has no counters.
    pub(crate) fn read(io: &dyn MetadataIo, layers_dir: &Dir) -> Self {
        let bytes = io.read(layers_dir, USAGE_FILE.as_ref(), MAX_FILE);
        Self::parse(&bytes.ok().flatten().unwrap_or_default())
    }

    /// Reads the counters of some layers alone.
    pub(crate) fn read_of(io: &dyn MetadataIo, layers_dir: &Dir, wanted: &HashSet<&str>) -> Self {
        let bytes = io.read(layers_dir, USAGE_FILE.as_ref(), MAX_FILE);
        Self::parse_if(&bytes.ok().flatten().unwrap_or_default(), |line| {
            id_in_front(line).is_none_or(|id| wanted.contains(id))
        })
    }

    fn parse(bytes: &[u8]) -> Self {
        Self::parse_if(bytes, |_| true)
    }

    fn parse_if(bytes: &[u8], is_wanted: impl Fn(&[u8]) -> bool) -> Self {
        let mut counters = Self::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            counters.lines += 1;
            if !is_wanted(line) {
                continue;
            }
            if let Ok(counter) = serde_json::from_slice::<Counter>(line) {
                counters.by_id.insert(counter.id.clone(), counter);
            }
        }
        counters
    }

    /// Returns what was counted in a layer, if the layer is still the same.
    pub(crate) fn get(&self, layer: &Layer) -> Option<Counts> {
        let counter = self.by_id.get(layer.id())?;
        (LayerIdentity::of(layer).as_ref() == Some(&counter.identity)).then_some(counter.counts)
    }

    /// Adds new counters, and drops stale lines if they are most of the file. `layers` are all
    /// layers of the store. A failure is ignored: what is not recorded is counted again.
    pub(crate) fn note<'l>(
        &self,
        io: &dyn MetadataIo,
        layers_dir: &Dir,
        layers: impl Iterator<Item = &'l Layer>,
        new: &[Counter],
    ) {
        let replaced: HashSet<&LayerId> = new.iter().map(Counter::id).collect();
        let valid: Vec<&Counter> = layers
            .filter(|layer| self.get(layer).is_some())
            .filter_map(|layer| self.by_id.get(layer.id()))
            .filter(|counter| !replaced.contains(&counter.id))
            .collect();
        let stale = self.lines.saturating_sub(valid.len());
        if stale > valid.len().saturating_add(64) {
            let text = text(valid.into_iter().chain(new));
            best_effort(io.replace(
                layers_dir,
                USAGE_FILE.as_ref(),
                FILE_MODE,
                &[&text],
                Durability::Volatile,
            ));
        } else {
            best_effort(append(layers_dir, new));
        }
    }
}

/// The ID of a line, if it begins with it as the lines that we write do.
fn id_in_front(line: &[u8]) -> Option<&str> {
    let rest = line.strip_prefix(br#"{"id":""#)?;
    let id = rest.split(|byte| *byte == b'"').next()?;
    // A text with escapes has to be parsed.
    std::str::from_utf8(id).ok().filter(|id| !id.contains('\\'))
}

/// Returns the lines of counters, each with the line break in front.
fn text<'c>(counters: impl Iterator<Item = &'c Counter>) -> Vec<u8> {
    let mut text = Vec::new();
    for counter in counters {
        if let Ok(line) = serde_json::to_vec(counter) {
            text.push(b'\n');
            text.extend(line);
        }
    }
    text
}

/// Appends counters to the file. Returns how many layers its length is enough for.
pub(crate) fn append(layers_dir: &Dir, counters: &[Counter]) -> Result<Length> {
    if counters.is_empty() {
        return Ok(Length::Short);
    }
    let options = OpenOptions::append()
        .create(Create::IfMissing)
        .mode(FILE_MODE);
    let mut file: File = layers_dir.open_with(USAGE_FILE, options)?;
    let stat = stat_file(&file)?;
    let failed = |error| PathError::new("write", layers_dir.path().join(USAGE_FILE), error);
    if !stat.is_file() {
        return Err(failed(std::io::ErrorKind::InvalidInput.into()));
    }
    // One call: the kernel appends all of it after what other processes wrote.
    file.write_all(&text(counters.iter())).map_err(failed)?;
    Ok(match stat.size {
        0..SMALL_FILE => Length::Short,
        bytes => Length::Enough {
            layers: bytes / MUCH_FOR_A_LAYER,
        },
    })
}

/// The length of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Too short to be worth replacing.
    Short,
    /// Enough for this many layers; with fewer layers it is mostly stale.
    Enough { layers: u64 },
}

#[cfg(test)]
mod tests {
    use layerhold_json_store::Record;

    use super::*;

    fn layer(id: char, created: &str, digest: &str) -> Layer {
        let id = id.to_string().repeat(64);
        let json = format!(r#"{{"id":"{id}","created":"{created}","diff-digest":"{digest}"}}"#);
        Layer::parse(json.as_bytes()).unwrap()
    }

    const TIME: &str = "2024-05-01T12:00:00.25+02:00";
    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn counts(bytes: u64) -> Counts {
        Counts {
            bytes,
            inodes: 2,
            allocated: 4096,
            tar_split: 7,
        }
    }

    #[test]
    fn a_line_is_what_the_documentation_says() {
        let counter = Counter::new(&layer('a', TIME, DIGEST), counts(5)).unwrap();
        let expected = format!(
            "\n{{\"id\":\"{}\",\"created\":\"2024-05-01T10:00:00.25Z\",\"digest\":\"{DIGEST}\",\
             \"bytes\":5,\"inodes\":2,\"allocated\":4096,\"tar-split\":7}}",
            "a".repeat(64)
        );
        assert_eq!(String::from_utf8(text([counter].iter())).unwrap(), expected);
    }

    #[test]
    fn only_the_layer_that_was_counted_has_the_counter() {
        let counted = layer('a', TIME, DIGEST);
        let line = text([Counter::new(&counted, counts(5)).unwrap()].iter());
        let counters = Counters::parse(&line);
        assert_eq!(counters.get(&counted), Some(counts(5)));
        let same_moment = layer('a', "2024-05-01T10:00:00.25Z", DIGEST);
        assert_eq!(counters.get(&same_moment), Some(counts(5)));
        let later = layer('a', "2024-05-01T10:00:00.26Z", DIGEST);
        assert_eq!(counters.get(&later), None);
        let other = DIGEST.replace('a', "b");
        assert_eq!(counters.get(&layer('a', TIME, &other)), None);
        assert_eq!(counters.get(&layer('b', TIME, DIGEST)), None);
        assert_eq!(Counter::new(&layer('c', TIME, ""), counts(5)), None);
    }

    #[test]
    fn only_wanted_lines_are_parsed() {
        let layers: Vec<Layer> = ('a'..='f').map(|id| layer(id, TIME, DIGEST)).collect();
        let lines = layers
            .iter()
            .map(|layer| Counter::new(layer, counts(5)).unwrap());
        let mut bytes = text(lines.collect::<Vec<_>>().iter());
        // Not as we write it, so only parsing tells whose it is.
        let odd = layer('9', TIME, DIGEST);
        let line = text([Counter::new(&odd, counts(6)).unwrap()].iter());
        bytes.extend(
            String::from_utf8(line)
                .unwrap()
                .replace("{\"id\"", "{ \"id\"")
                .bytes(),
        );
        let wanted = [layers[1].id().as_str()];
        let is_wanted = |line: &[u8]| id_in_front(line).is_none_or(|id| wanted.contains(&id));
        let counters = Counters::parse_if(&bytes, is_wanted);
        assert_eq!((counters.lines, counters.by_id.len()), (7, 2));
        assert_eq!(counters.get(&layers[1]), Some(counts(5)));
        assert_eq!(counters.get(&odd), Some(counts(6)));
    }

    #[test]
    fn lines_of_many_writers_do_not_mix() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let layers: Vec<Layer> = ('a'..='f').map(|id| layer(id, TIME, DIGEST)).collect();
        std::thread::scope(|scope| {
            for layer in &layers {
                scope.spawn(|| {
                    for bytes in 0..50 {
                        let counter = Counter::new(layer, counts(bytes)).unwrap();
                        append(&dir, &[counter]).unwrap();
                    }
                });
            }
        });
        let counters = Counters::read(&layerhold_sys::HostIo, &dir);
        assert_eq!(counters.lines, 6 * 50);
        for layer in &layers {
            assert_eq!(counters.get(layer), Some(counts(49)));
        }
    }

    #[test]
    fn torn_and_strange_lines_spoil_no_others() {
        let [first, second] = ['a', 'b'].map(|id| layer(id, TIME, DIGEST));
        let mut bytes = text([Counter::new(&first, counts(1)).unwrap()].iter());
        let torn = text([Counter::new(&first, counts(9)).unwrap()].iter());
        bytes.extend(&torn[..torn.len() - 1]);
        bytes.extend(b"\n\0\0\0\n{}\n[1]\n{\"id\":\"../x\"}");
        bytes.extend(text([Counter::new(&second, counts(2)).unwrap()].iter()));
        let counters = Counters::parse(&bytes);
        assert_eq!(counters.get(&first), Some(counts(1)));
        assert_eq!(counters.get(&second), Some(counts(2)));
        bytes.extend(text([Counter::new(&second, counts(3)).unwrap()].iter()));
        assert_eq!(Counters::parse(&bytes).get(&second), Some(counts(3)));
    }
}

//! Measures the JSON store with 100 to 50,000 records in the form of real layers.
//!
//! `load` opens a store and loads it. `lookup_cold` is the work of a short-lived process (open,
//! lock, read, find), `lookup_once` the same without keeping the file, `lookup_warm` that of a
//! long-lived process.

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use layerhold_json_store::{Freshness, JsonStore, KeySpec, Location, LocationId, Options, Record};
use serde::{Deserialize, Serialize};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 50_000];

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Layer {
    id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    parent: String,
    created: String,
    #[serde(default)]
    compressed_diff_digest: String,
    #[serde(default)]
    compressed_size: u64,
    #[serde(default)]
    diff_digest: String,
    #[serde(default)]
    diff_size: u64,
    #[serde(default)]
    compression: u32,
    #[serde(default)]
    uidset: Vec<u32>,
    #[serde(default)]
    gidset: Vec<u32>,
}

impl Record for Layer {
    const KIND: &'static str = "layer";
    const KEYS: &'static [KeySpec] = &[
        KeySpec::field("parent"),
        KeySpec::field("compressed-diff-digest"),
        KeySpec::field("diff-digest"),
        KeySpec::field("toc-digest"),
    ];
    type Error = serde_json::Error;

    fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
    fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("plain fields are always JSON");
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
    fn key_values(&self, key: usize, found: &mut dyn FnMut(&str)) {
        match key {
            0 => found(&self.parent),
            1 => found(&self.compressed_diff_digest),
            2 => found(&self.diff_digest),
            _ => {}
        }
    }
}

fn hex(seed: usize) -> String {
    let mut state = seed as u64 + 1;
    let word = |_| {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        format!("{:016x}", state ^ (state >> 29))
    };
    (0..4).map(word).collect()
}

fn layer(number: usize) -> Layer {
    Layer {
        id: hex(number),
        names: number
            .is_multiple_of(10)
            .then(|| format!("registry.example/image:{number}"))
            .into_iter()
            .collect(),
        parent: hex(number.saturating_sub(1)),
        created: "2024-05-06T07:08:09.123456789Z".to_owned(),
        compressed_diff_digest: format!("sha256:{}", hex(number + 1_000_000)),
        compressed_size: 1234 + number as u64,
        diff_digest: format!("sha256:{}", hex(number + 2_000_000)),
        diff_size: 56_789 + number as u64,
        compression: 2,
        uidset: vec![0, 1, 33, 42, 100, 65534],
        gidset: vec![0, 4, 5, 8, 12, 13, 22, 29, 33, 37, 42, 43, 50, 65534],
    }
}

fn content(records: usize) -> Vec<u8> {
    serde_json::to_vec(&(0..records).map(layer).collect::<Vec<_>>())
        .expect("plain fields are always JSON")
}

fn open(dir: &Path) -> JsonStore<Layer> {
    let options = Options::new(dir.join("layers.lock"), dir)
        .location(Location::durable(dir, "layers.json"))
        .location(Location::volatile(dir, "volatile-layers.json"))
        .freshness(Freshness::TokenAndFiles);
    JsonStore::open(options).expect("a lock path and locations were given")
}

fn store_of(records: usize) -> (tempfile::TempDir, Vec<u8>) {
    let scratch = tempfile::tempdir().expect("the temporary directory is writable");
    let bytes = content(records);
    let mut file =
        std::fs::File::create(scratch.path().join("layers.json")).expect("the directory is new");
    std::io::Write::write_all(&mut file, &bytes).expect("there is room");
    (scratch, bytes)
}

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("json_store");
    group.sample_size(20);
    for records in SIZES {
        let (scratch, bytes) = store_of(records);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("read_file_only", records), |bencher| {
            let path = scratch.path().join("layers.json");
            bencher.iter(|| {
                let mut content = Vec::with_capacity(bytes.len() + 1);
                let mut file = std::fs::File::open(&path).expect("the file is there");
                std::io::Read::read_to_end(&mut file, &mut content).expect("it is readable")
            });
        });
        group.bench_function(BenchmarkId::new("load", records), |bencher| {
            bencher.iter(|| {
                black_box(
                    open(scratch.path())
                        .snapshot()
                        .expect("the store is whole")
                        .len(),
                )
            });
        });
        let middle = hex(records / 2);
        for (what, text) in [
            ("hit", middle.as_str()),
            ("prefix", &middle[..12]),
            ("miss", "nothing-like-it"),
        ] {
            group.bench_function(
                BenchmarkId::new(format!("lookup_cold_{what}"), records),
                |bencher| {
                    bencher.iter(|| {
                        let snapshot = open(scratch.path()).snapshot().expect("the store is whole");
                        black_box(snapshot.resolve(text).one().is_some())
                    });
                },
            );
            group.bench_function(
                BenchmarkId::new(format!("lookup_once_{what}"), records),
                |bencher| {
                    bencher.iter(|| {
                        let found = open(scratch.path()).lookup(text);
                        black_box(found.expect("the store is whole").one().is_some())
                    });
                },
            );
        }
        let store = open(scratch.path());
        for (what, text) in [
            ("hit", middle.as_str()),
            ("prefix", &middle[..12]),
            ("miss", "nothing-like-it"),
        ] {
            group.bench_function(
                BenchmarkId::new(format!("lookup_warm_{what}"), records),
                |bencher| {
                    bencher.iter(|| {
                        let snapshot = store.snapshot().expect("the store is whole");
                        black_box(snapshot.resolve(text).one().is_some())
                    });
                },
            );
        }
        let snapshot = store.snapshot().expect("the store is whole");
        group.bench_function(BenchmarkId::new("list_all", records), |bencher| {
            bencher.iter(|| snapshot.iter().filter(Result::is_ok).count());
        });
    }
    group.finish();
}

fn change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("json_store");
    group.sample_size(10);
    for records in SIZES {
        let (scratch, bytes) = store_of(records);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("write_file_only", records), |bencher| {
            bencher.iter(|| {
                let path = scratch.path().join(".tmp-plain");
                let mut file = std::fs::File::create(&path).expect("the directory is writable");
                std::io::Write::write_all(&mut file, &bytes).expect("there is room");
                file.sync_data().expect("the disk works");
            });
        });
        let store = open(scratch.path());
        let id = hex(records / 3);
        let mut number = 0;
        group.bench_function(BenchmarkId::new("change_one", records), |bencher| {
            bencher.iter_batched(
                || {
                    number += 1;
                    number
                },
                |number| {
                    let mut guard = store.write().expect("no other process locks");
                    guard
                        .update(&id, |layer| layer.diff_size = number)
                        .expect("the record is there");
                    guard.save().expect("there is room");
                },
                BatchSize::PerIteration,
            );
        });
        let volatile = LocationId::new(1);
        let mut number = 0;
        group.bench_function(BenchmarkId::new("insert_volatile", records), |bencher| {
            bencher.iter(|| {
                number += 1;
                let mut guard = store.write().expect("no other process locks");
                let layer = Layer {
                    id: hex(number + 5_000_000),
                    ..Layer::default()
                };
                guard
                    .insert(layer, volatile)
                    .expect("the identifier is new");
                guard.save().expect("there is room");
                guard
                    .remove(&hex(number + 5_000_000))
                    .expect("it was added just now");
                guard.save().expect("there is room");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, load, change);
criterion_main!(benches);

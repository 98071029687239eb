//! Stores with many records: what a command asks for does not grow with them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::{fmt, fs, io};

use layerhold_cli::{Environment, Streams, containers_storage, layerhold};
use layerhold_sys::best_effort;
use layerhold_testkit::with_subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::Place;

/// The locks that a thread takes: the names of their files.
#[derive(Clone, Default)]
struct Locks(Arc<Mutex<Vec<String>>>);

impl Visit for Locks {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "path" {
            let path = format!("{value:?}");
            let name = path.rsplit('/').next().unwrap();
            self.0.lock().unwrap().push(name.to_owned());
        }
    }
}

impl Subscriber for Locks {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "layerhold"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        if span.metadata().name() == "lock_wait" {
            span.record(&mut self.clone());
        }
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A store with so many layers in one chain, images of them, and containers.
fn place(count: usize) -> Place {
    let place = Place::new();
    assert_eq!(place.run(["layers"]).code, Some(0));
    let created = r#""created":"2024-01-02T03:04:05Z""#;
    let (mut layers, mut images, mut containers) = (String::new(), String::new(), String::new());
    for number in 1..=count {
        let comma = if number == 1 { "" } else { "," };
        let parent = match number {
            1 => String::new(),
            _ => format!(r#""parent":"{:064x}","#, number - 1),
        };
        let digest = format!("sha256:{number:064x}");
        best_effort(write!(
            layers,
            r#"{comma}{{"id":"{number:064x}",{parent}{created},"diff-digest":"{digest}","diff-size":{number}}}"#
        ));
        best_effort(write!(
            images,
            r#"{comma}{{"id":"{number:064x}","names":["localhost/{number}:latest"],"layer":"{number:064x}",{created}}}"#
        ));
        best_effort(write!(
            containers,
            r#"{comma}{{"id":"{number:064x}","image":"{number:064x}","layer":"{:064x}",{created}}}"#,
            number + count
        ));
    }
    for (kind, records) in [
        ("layers", layers),
        ("images", images),
        ("containers", containers),
    ] {
        let path = place.path(&format!("root/vfs-{kind}/{kind}.json"));
        fs::write(path, format!("[{records}]")).unwrap();
    }
    place
}

type Program = fn(&[String], &Environment, &mut Streams<'_>) -> io::Result<u8>;

/// The output of a command that begins with words, and the locks it takes.
fn run_program(program: Program, words: &[&str]) -> (String, Vec<String>) {
    let arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = Streams::new(&mut out, &mut err, Box::new(io::empty()));
    let locks = Locks::default();
    let code = with_subscriber(locks.clone(), || {
        program(&arguments, &Environment::default(), &mut streams).unwrap()
    });
    assert_eq!((code, String::from_utf8(err).unwrap()), (0, String::new()));
    let locks = std::mem::take(&mut *locks.0.lock().unwrap());
    (String::from_utf8(out).unwrap(), locks)
}

/// The same for `layerhold`.
fn run(place: &Place, words: &[&str]) -> (String, Vec<String>) {
    let (root, runroot) = (place.path("root"), place.path("runroot"));
    let mut all = vec!["layerhold", "--driver", "vfs", "--root"];
    all.extend([root.to_str().unwrap(), "--runroot"]);
    all.push(runroot.to_str().unwrap());
    all.extend(words);
    run_program(layerhold::run, &all)
}

/// The locks of records that `containers-storage` takes.
fn locks_of_go_command(place: &Place, words: &[&str]) -> Vec<String> {
    let (root, runroot) = (place.path("root"), place.path("runroot"));
    let mut all = vec!["containers-storage", "-s", "vfs", "-g"];
    all.extend([root.to_str().unwrap(), "-R", runroot.to_str().unwrap()]);
    all.extend(words);
    let (_, mut locks) = run_program(containers_storage::run, &all);
    locks.retain(|lock| lock != "storage.lock");
    locks
}

#[test]
fn lists_take_the_same_locks_for_any_number_of_records() {
    let (small, large) = (place(1), place(40));
    for words in [
        &["images"][..],
        &["images", "--no-trunc"],
        &["layers"],
        &["containers"],
        &["--format", "json", "images"],
        &["du", "localhost/1:latest"],
    ] {
        let (_, few) = run(&small, words);
        let (_, many) = run(&large, words);
        assert_eq!(few, many, "{words:?}");
    }
}

#[test]
fn a_command_takes_only_the_locks_that_it_needs() {
    let place = place(3);
    let (layer, image) = (format!("{:064x}", 1), "localhost/1:latest");
    for (words, locks) in [
        (&["exists", &layer][..], &["layers.lock"][..]),
        // A name is not found in passing, and so the records are loaded.
        (
            &["exists", image],
            &["layers.lock", "images.lock", "images.lock"],
        ),
        // Read without waiting for writers, and then locked.
        (
            &["add-names", "-n", "x", image],
            &["layers.lock", "images.lock", "images.lock"],
        ),
    ] {
        assert_eq!(locks_of_go_command(&place, words), locks, "{words:?}");
    }
}

#[test]
fn sizes_of_images_are_those_of_their_chains() {
    let (list, _) = run(&place(40), &["--format", "json", "images"]);
    let images: serde_json::Value = serde_json::from_str(&list).unwrap();
    let images = images.as_array().unwrap().iter();
    let sizes: Vec<u64> = images
        .map(|image| image["size"].as_u64().unwrap())
        .collect();
    let expected: Vec<u64> = (1..=40).map(|top| (1..=top).sum()).collect();
    assert_eq!(sizes, expected);
}

//! Stores with many records: what a command asks for does not grow with them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io};

use layerhold_cli::{Environment, Streams, layerhold};
use layerhold_sys::best_effort;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::Place;

/// Counts the locks that a thread takes.
#[derive(Clone, Default)]
struct Locks(Arc<AtomicUsize>);

impl Subscriber for Locks {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "layerhold"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        if span.metadata().name() == "lock_wait" {
            self.0.fetch_add(1, Ordering::Relaxed);
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

/// The output of a command, and how many locks it takes.
fn run(place: &Place, words: &[&str]) -> (String, usize) {
    let text = |path: &str| place.path(path).to_str().unwrap().to_owned();
    let mut arguments: Vec<String> = ["layerhold", "--driver", "vfs", "--root"]
        .map(str::to_owned)
        .into();
    arguments.extend([text("root"), "--runroot".to_owned(), text("runroot")]);
    arguments.extend(words.iter().map(|word| (*word).to_owned()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = Streams::new(&mut out, &mut err, Box::new(io::empty()));
    let locks = Locks::default();
    let code = tracing::subscriber::with_default(locks.clone(), || {
        layerhold::run(&arguments, &Environment::default(), &mut streams).unwrap()
    });
    assert_eq!((code, String::from_utf8(err).unwrap()), (0, String::new()));
    let locks = locks.0.load(Ordering::Relaxed);
    (String::from_utf8(out).unwrap(), locks)
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
    ] {
        let (_, few) = run(&small, words);
        let (_, many) = run(&large, words);
        assert_eq!(few, many, "{words:?}");
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

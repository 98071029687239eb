//! Tests the spans of operations.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use layerhold::{DeleteMode, DiffCompression, ImageSpec, LayerSpec};
use layerhold_testkit::with_subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{Place, small_tar};

/// A span: its name, the name of the span that it began in, its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    name: &'static str,
    parent: Option<&'static str>,
    fields: Vec<(&'static str, String)>,
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), value.to_owned()));
    }
}

#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<(Vec<Seen>, Vec<usize>)>>);

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "layerhold"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let (seen, stack) = &mut *self.0.lock().unwrap();
        let mut new = Seen {
            name: span.metadata().name(),
            parent: stack.last().map(|at| seen[*at].name),
            fields: Vec::new(),
        };
        span.record(&mut new);
        seen.push(new);
        Id::from_u64(seen.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let (seen, _) = &mut *self.0.lock().unwrap();
        values.record(&mut seen[span.into_u64() as usize - 1]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().1.push(span.into_u64() as usize - 1);
    }

    fn exit(&self, span: &Id) {
        let (_, stack) = &mut *self.0.lock().unwrap();
        assert_eq!(stack.pop(), Some(span.into_u64() as usize - 1));
    }
}

/// The spans of the calling thread during `work`.
fn spans_of<T>(work: impl FnOnce() -> T) -> (Vec<Seen>, T) {
    let collector = Collector::default();
    let result = with_subscriber(collector.clone(), work);
    let (seen, stack) = std::mem::take(&mut *collector.0.lock().unwrap());
    assert_eq!(stack, Vec::<usize>::new());
    (seen, result)
}

fn names(spans: &[Seen], parent: Option<&str>) -> Vec<&'static str> {
    let of_parent = spans.iter().filter(|span| span.parent == parent);
    of_parent.map(|span| span.name).collect()
}

#[test]
fn an_import_tells_where_its_time_went() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let tar = small_tar();
    let (spans, layer) = spans_of(|| {
        tx.import_layer(LayerSpec::new(), Cursor::new(&tar))
            .unwrap()
    });
    assert_eq!(names(&spans, None), ["import_layer"]);
    assert_eq!(spans[0].field("kind"), Some("layer"));
    assert_eq!(spans[0].field("id"), Some(layer.id().as_str()));
    let parts = names(&spans, Some("import_layer"));
    assert_eq!(parts.last(), Some(&"unpack"));
    let unpack = spans.iter().find(|span| span.name == "unpack").unwrap();
    assert_eq!(unpack.field("bytes"), Some(tar.len().to_string().as_str()));

    let image = ImageSpec::new()
        .name("image")
        .top_layer(&layer)
        .without_manifest();
    let (spans, id) = spans_of(|| tx.create_image(image).unwrap());
    assert_eq!(names(&spans, None), ["create_image"]);
    assert_eq!(spans[0].field("id"), Some(id.as_str()));

    let (spans, _) = spans_of(|| tx.commit().unwrap());
    assert_eq!(names(&spans, None), ["commit"]);
    assert_eq!(
        names(&spans, Some("commit")),
        ["flush", "lock_wait", "lock_wait", "lock_wait", "publish"]
    );
    let locks: Vec<&str> = spans
        .iter()
        .filter(|span| span.name == "lock_wait")
        .map(|span| {
            assert_eq!(span.field("kind"), Some("write"));
            span.field("path").unwrap().rsplit('/').next().unwrap()
        })
        .collect();
    assert_eq!(locks, ["layers.lock", "images.lock", "containers.lock"]);
}

#[test]
fn an_operation_names_what_it_works_on() {
    let place = Place::new();
    let (image, layer) = crate::support::image(&place.store, "image", &small_tar());

    let (spans, _) = spans_of(|| place.store.metadata("image").unwrap());
    assert_eq!(
        (spans[0].name, spans[0].field("kind")),
        ("metadata", Some("item"))
    );
    assert_eq!(spans[0].field("id"), Some("image"));

    let (spans, mut diff) = spans_of(|| {
        let compression = DiffCompression::AsImported;
        place.store.diff(None, &layer, compression).unwrap()
    });
    assert_eq!(
        (spans[0].name, spans[0].field("kind")),
        ("diff", Some("layer"))
    );
    assert_eq!(spans[0].field("id"), Some(layer.as_str()));
    assert_eq!(names(&spans, Some("diff")).last(), Some(&"read_diff"));
    assert_eq!(diff.read(&mut [0]).unwrap(), 1);
    drop(diff);

    let (spans, _) = spans_of(|| {
        place
            .store
            .delete_image(&image, DeleteMode::Delete)
            .unwrap()
    });
    assert_eq!(spans[0].field("kind"), Some("image"));
    let parts = names(&spans, Some("delete_image"));
    assert!(
        parts.contains(&"lock_wait") && parts.contains(&"erase"),
        "{parts:?}"
    );
}

#[test]
fn every_operation_of_the_store_has_a_span() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store.rs");
    let text = std::fs::read_to_string(source).unwrap();
    let mut without = Vec::new();
    for method in text.split("\n    pub fn ").skip(1) {
        let method = method.split("\n    }\n").next().unwrap();
        let name = method.split(['<', '(']).next().unwrap();
        if method.contains("-> Result<") && !method.contains(&format!("operation!(\"{name}\"")) {
            without.push(name);
        }
    }
    // It only names a lock.
    assert_eq!(without, ["digest_lock"]);
}

#[test]
fn every_span_is_in_the_table_of_the_readme() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(crates.join("store/README.md")).unwrap();
    let table = readme.split("## Timings").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let documented: BTreeSet<String> = table
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    let mut used = BTreeSet::new();
    for source in ["store/src", "lockfile/src"] {
        collect_names(&crates.join(source), &mut used);
    }
    assert!(used.len() > 60, "{used:?}");
    let missing: Vec<_> = used.difference(&documented).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

/// Collects the names of spans in all sources below a directory.
fn collect_names(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_names(&path, names);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for begin in [
            "operation!(\"",
            "phase!(\"",
            "debug_span!(target: \"layerhold\", \"",
        ] {
            for rest in text.split(begin).skip(1) {
                names.extend(rest.split('"').next().map(str::to_owned));
            }
        }
    }
}

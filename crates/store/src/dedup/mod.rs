//! Deduplication: makes equal files of different layers share their blocks, where the filesystem
//! supports it.
//!
//! It walks the layers of images twice, on several threads and without any lock. The first walk
//! notes the lengths of files: a file with a unique length equals no other. The second walk groups
//! the rest by a checksum, and has the kernel make each file of a group share the blocks of the
//! group's first file. The kernel compares every byte before and keeps writers out while it does,
//! so neither a wrong checksum nor a layer in use can do harm. A layer may be deleted during the
//! walk.
//!
//! Memory use is about a hundred bytes and a path for each file that has a length in common with
//! another (Go: internal/dedup, which keeps all paths).

mod groups;
mod hash;
mod lengths;
mod walk;
mod tally;
mod report;

use std::collections::BTreeSet;

use layerhold_driver::Driver;
use layerhold_ids::LayerId;
use layerhold_sys::Cancel;

use crate::catalog::error::AccessError;
use crate::catalog::lookup::by_id;
use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::Snapshot;
use crate::engine::Engine;

use groups::Groups;
pub use hash::{HashMethod, UnknownHashMethod};
use lengths::Lengths;
pub use report::{DedupReport, DedupSupport};
use tally::Tally;
use walk::{Stop, walk};

/// How equal files are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DedupOptions {
    /// What makes two files worth comparing.
    pub method: HashMethod,
}

impl DedupOptions {
    /// Returns options with a method.
    #[must_use]
    pub const fn new(method: HashMethod) -> Self {
        Self { method }
    }
}

/// Deduplicates the layers of all images.
pub(crate) fn dedup(engine: &Engine, options: &DedupOptions) -> Result<DedupReport, AccessError> {
    let driver = engine.driver();
    let mut layers = layers_of_images(&engine.snapshot()?);
    // Contents of an additional layer store take no space here.
    layers.retain(|id| !matches!(driver.additional_layer_of(id), Ok(Some(_))));
    let report = dedup_layers(&*driver, &layers, options, &engine.options.cancel);
    engine.check_cancelled()?;
    Ok(report)
}

/// Lists the layers of images, without those of additional stores (Go: store.go, `Dedup`).
fn layers_of_images(view: &Snapshot) -> Vec<LayerId> {
    let mut seen = BTreeSet::new();
    let mut layers = Vec::new();
    for image in view.images() {
        let mut waiting: Vec<LayerId> = image.top_layer().into_iter().cloned().collect();
        waiting.extend(image.mapped_layers().iter().cloned());
        while let Some(id) = waiting.pop() {
            // A record that is damaged or gone ends the chain.
            let Ok(Some(layer)) = by_id(&view.layers, id.as_str()) else {
                continue;
            };
            if seen.insert(id.clone()) {
                waiting.extend(layer.parent().cloned());
                layers.push(id);
            }
        }
    }
    layers.retain(|id| view.layers.is_own(id.as_str()));
    layers
}

fn dedup_layers(
    driver: &dyn Driver,
    layers: &[LayerId],
    options: &DedupOptions,
    cancel: &Cancel,
) -> DedupReport {
    let tally = Tally::new(cancel.clone());
    let lengths = Lengths::new();
    let outcome = walk(driver, layers, &tally, |found| lengths.note(found)).and_then(|()| {
        let groups = Groups::new(driver, layers, options.method, &lengths, &tally);
        walk(driver, layers, &tally, |found| groups.take(found))
    });
    let support = match outcome {
        Ok(()) | Err(Stop::Cancelled(_)) => DedupSupport::Possible,
        Err(Stop::Driver) => DedupSupport::NotByDriver,
        Err(Stop::Filesystem(path)) => DedupSupport::NotByFilesystem { path },
    };
    tally.report(layers.len(), support)
}

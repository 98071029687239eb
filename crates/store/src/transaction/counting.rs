//! Counts the disk usage of an imported layer in the background.
//!
//! Right after the import the whole layer is in the kernel's caches, and the transaction usually
//! waits for something else: the next layer, or the flush before its commit. If counting fails, the
//! layer is counted when its usage is asked for.

use std::thread::{Builder, JoinHandle};

use layerhold_sys::{Cancel, Dir};

use crate::records::Layer;
use crate::usage::count_tree;
use crate::usage::counters::Counter;

/// A layer being counted. Dropping it waits for the end, so that no file of the layer stays open.
#[derive(Debug)]
pub(super) struct UsageCount(Option<JoinHandle<Option<Counter>>>);

impl UsageCount {
    /// Starts counting the tree of a layer, with a tar-split file of `tar_split` bytes, until
    /// `cancel` asks it to stop.
    pub(super) fn start(layer: &Layer, tree: &Dir, tar_split: u64, cancel: &Cancel) -> Self {
        let (layer, tree, cancel) = (layer.clone(), tree.clone(), cancel.clone());
        let count = move || Counter::new(&layer, count_tree(&tree, tar_split, &cancel).ok()?);
        Self(Builder::new().spawn(count).ok())
    }

    /// Waits for the result.
    pub(super) fn finish(mut self) -> Option<Counter> {
        self.wait()
    }

    fn wait(&mut self) -> Option<Counter> {
        self.0.take()?.join().ok().flatten()
    }
}

impl Drop for UsageCount {
    fn drop(&mut self) {
        drop(self.wait());
    }
}

//! Counting what an imported layer takes, beside other work.
//!
//! All of the layer is in the kernel's caches then, and the transaction usually has something to
//! wait for: the next layer, or the flush before its commit. What cannot be counted is no failure;
//! it is counted when somebody asks.

use std::thread::{Builder, JoinHandle};

use layerhold_sys::Dir;

use crate::records::Layer;
use crate::usage::count_tree;
use crate::usage::counters::Counter;

/// A layer that is being counted. Dropping it waits for the end, so that nothing of the layer stays
/// open.
#[derive(Debug)]
pub(super) struct Counting(Option<JoinHandle<Option<Counter>>>);

impl Counting {
    /// Starts to count the tree of a layer that has a tar-split file of so many bytes.
    pub(super) fn start(layer: &Layer, tree: &Dir, tar_split: u64) -> Self {
        let (layer, tree) = (layer.clone(), tree.clone());
        let count = move || Counter::new(&layer, count_tree(&tree, tar_split).ok()?);
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

impl Drop for Counting {
    fn drop(&mut self) {
        drop(self.wait());
    }
}

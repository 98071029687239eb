//! Layers on top of each other, made of any bytes, against a model of the rules, with overlay and
//! with vfs:
//!
//! - What the model says is to be refused is refused, and nothing else is.
//! - A layer that came in is exported byte for byte.
//! - Its tree is that of the model, with every driver; every name in it can be looked at.
//! - A check finds nothing.
//!
//! Takes root, for owners and devices; others only see that the model comes to an end.

#[path = "../../../crates/store/tests/all/layers/bench.rs"]
mod bench;

use layerhold_testkit::layers::{Chain, Layers};

/// Checks one input.
pub fn run(data: &[u8]) {
    let chain = Chain::from_bytes(data);
    if layerhold_sys::effective_user() != 0 {
        let mut layers = Layers::new();
        for layer in chain.layers() {
            drop(layers.add(layer));
        }
        return;
    }
    if let Err(message) = bench::judge(&bench::DRIVERS, &chain) {
        panic!("{message}");
    }
}

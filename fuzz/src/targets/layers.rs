//! Stacked layers made of any bytes, compared with a model of the rules, with overlay and with vfs:
//!
//! - Exactly the layers that the model refuses are refused.
//! - An imported layer is exported byte for byte.
//! - Its tree is that of the model, with every driver; every name in it can be looked up.
//! - A check finds nothing.
//!
//! Needs root, for owners and devices; otherwise only the model runs.

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

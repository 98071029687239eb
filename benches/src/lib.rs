//! Benchmarks of the layerhold crates.

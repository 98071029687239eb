//! Layers before they have an ID, trees that become the contents of layers, and what changes the
//! contents of a layer as a whole.

mod additional;
mod staged;
mod tree;
mod target;
mod new_layer;
mod root_attributes;
mod remap;
mod copy_up;

pub(crate) use additional::OverlayAdditional;
pub(crate) use remap::remap_committed;
pub(crate) use staged::OverlayStaged;
pub(crate) use target::OverlayTarget;
pub(crate) use tree::OverlayTree;

//! What a layer is on the disk: its directory, the files in it that name other layers, and the way
//! from a layer to its parents.

mod contents;
mod parent;
mod parents;
mod link_index;
mod layer;
mod layer_store;
mod external;
mod lower;
mod link;
mod attributes;

pub(crate) use attributes::{root_pair, set_mode_and_owner, try_set_mode_and_owner};
pub(crate) use contents::OverlayContents;
pub(crate) use external::{link_external, noted_external};
pub(crate) use layer::{Layer, LayerDir};
pub(crate) use layer_store::{LayerUse, find_in_stores, release_layer};
pub(crate) use link::{
    LinkName, is_no_link, layer_of_target, put_symlink, read_link_file, read_symlink, write_link,
};
pub(crate) use link_index::LinkIndex;
pub(crate) use lower::{LowerList, write_lower};
pub(crate) use parent::{Parent, StagedNode};
pub(crate) use parents::{
    known_parents, knows_any_parent, lower_of, nearest_parent, parents_of, resolve_each, stands_on,
};

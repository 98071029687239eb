//! Walks, copies, measures and removes whole trees.

pub(crate) mod remove_tree;
pub(crate) mod usage;
pub(crate) mod descent;
pub(crate) mod copy;
pub(crate) mod dedupe;

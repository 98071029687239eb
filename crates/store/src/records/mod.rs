//! The records of layers, images and containers, and the errors about them.

mod layer;
mod image;
mod container;
pub(crate) mod big_data_item;
pub(crate) mod reserved_flag;
mod common;
mod invalid;
pub(crate) mod kinds;
pub(crate) mod error_kind;

pub use container::Container;
pub(crate) use container::{BY_IMAGE, BY_LAYER};
pub use image::Image;
pub(crate) use image::{BY_DIGEST, BY_TOP_LAYER};
pub use invalid::InvalidRecord;
pub use layer::Layer;
pub(crate) use layer::{BY_COMPRESSED_DIGEST, BY_DIFF_DIGEST, BY_PARENT, BY_TOC_DIGEST};

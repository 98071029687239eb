//! What can go wrong, one enum per family of operations.
//!
//! Each answers `kind()`, the kind that callers of the Go library tell apart, where there is one.

mod adding;
mod base;
mod labels;
mod userns;
mod using;

pub use adding::{CommitError, StageError, UpdateError};
pub use base::{AccessError, Conflict, DataError, LookupError, OpenError};
pub use labels::LabelError;
pub use userns::UserNsError;
pub use using::{
    AdditionalLayerError, CollectError, DeleteError, DiffError, DirectoryError, MountError,
    ShutdownError,
};

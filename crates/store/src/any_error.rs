//! The union of all errors, for callers that do many different things.

use crate::error::{
    AccessError, CollectError, CommitError, DataError, DeleteError, DiffError, DirectoryError,
    LookupError, MountError, OpenError, ShutdownError, StageError, UpdateError,
};
use crate::kind::ErrorKind;

/// Any error of this crate.
///
/// Each operation returns its own, smaller type; all of them convert into this one, so that callers which do many
/// different things can use `?` throughout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Records cannot be locked, read or saved.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A text names nothing, or not one thing.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Something cannot be added to a transaction.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A transaction cannot be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A record cannot be changed.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// A big data item cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A layer cannot be mounted or unmounted.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// A difference cannot be made, measured or applied.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// Something cannot be deleted.
    #[error(transparent)]
    Delete(#[from] DeleteError),
    /// A directory or file of a container or image cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Garbage cannot be collected.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// A store cannot be shut down.
    #[error(transparent)]
    Shutdown(#[from] ShutdownError),
}

impl Error {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Open(error) => error.kind(),
            Self::Access(error) => error.kind(),
            Self::Lookup(error) => error.kind(),
            Self::Stage(error) => error.kind(),
            Self::Commit(error) => error.kind(),
            Self::Update(error) => error.kind(),
            Self::Data(error) => error.kind(),
            Self::Mount(error) => error.kind(),
            Self::Diff(error) => error.kind(),
            Self::Delete(error) => error.kind(),
            Self::Directory(error) => error.kind(),
            Self::Collect(error) => error.kind(),
            Self::Shutdown(error) => error.kind(),
        }
    }
}

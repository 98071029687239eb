//! The union of all errors, for callers that use many operations.

use crate::catalog::big_data::DataError;
use crate::catalog::error::{AccessError, LookupError};
use crate::check::CheckError;
use crate::contents::additional_layer::AdditionalLayerError;
use crate::contents::directories::DirectoryError;
use crate::contents::error::DiffError;
use crate::delete::error::DeleteError;
use crate::delete::garbage::CollectError;
use crate::edit::update::UpdateError;
use crate::engine::error::OpenError;
use crate::mount::error::MountError;
use crate::mount::shutdown::ShutdownError;
use crate::records::error_kind::error_kind;
use crate::repair::RepairError;
use crate::spec::error::StageError;
use crate::transaction::error::{CommitError, TransactionError};
use crate::usage::UsageError;

/// Any error of this crate.
///
/// Each operation returns its own type, and all of them convert into this one, so callers that use
/// many operations can use `?` throughout. The errors are boxed, which keeps a `Result` small.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A store cannot be opened.
    #[error(transparent)]
    Open(Box<OpenError>),
    /// Records cannot be locked, read or saved.
    #[error(transparent)]
    Access(Box<AccessError>),
    /// A key names no item, or more than one.
    #[error(transparent)]
    Lookup(Box<LookupError>),
    /// An item cannot be added to a transaction.
    #[error(transparent)]
    Stage(Box<StageError>),
    /// A transaction cannot be committed.
    #[error(transparent)]
    Commit(Box<CommitError>),
    /// A record cannot be changed.
    #[error(transparent)]
    Update(Box<UpdateError>),
    /// A big data item cannot be read or written.
    #[error(transparent)]
    Data(Box<DataError>),
    /// A layer cannot be mounted or unmounted.
    #[error(transparent)]
    Mount(Box<MountError>),
    /// A diff cannot be made, measured or applied.
    #[error(transparent)]
    Diff(Box<DiffError>),
    /// A layer cannot be looked up in the additional layer stores.
    #[error(transparent)]
    AdditionalLayer(Box<AdditionalLayerError>),
    /// An item cannot be deleted.
    #[error(transparent)]
    Delete(Box<DeleteError>),
    /// A directory or file of a container or image cannot be used.
    #[error(transparent)]
    Directory(Box<DirectoryError>),
    /// Garbage cannot be collected.
    #[error(transparent)]
    Collect(Box<CollectError>),
    /// A store cannot be shut down.
    #[error(transparent)]
    Shutdown(Box<ShutdownError>),
    /// A store cannot be checked.
    #[error(transparent)]
    Check(Box<CheckError>),
    /// A part of a repair failed.
    #[error(transparent)]
    Repair(Box<RepairError>),
    /// Disk usage cannot be determined.
    #[error(transparent)]
    Usage(Box<UsageError>),
}

error_kind!(Error, |error| match error {
    Self::Open(error) => error.kind(),
    Self::Access(error) => error.kind(),
    Self::Lookup(error) => error.kind(),
    Self::Stage(error) => error.kind(),
    Self::Commit(error) => error.kind(),
    Self::Update(error) => error.kind(),
    Self::Data(error) => error.kind(),
    Self::Mount(error) => error.kind(),
    Self::Diff(error) => error.kind(),
    Self::AdditionalLayer(error) => error.kind(),
    Self::Delete(error) => error.kind(),
    Self::Directory(error) => error.kind(),
    Self::Collect(error) => error.kind(),
    Self::Shutdown(error) => error.kind(),
    Self::Check(error) => error.kind(),
    Self::Repair(error) => error.kind(),
    Self::Usage(error) => error.kind(),
});

macro_rules! from {
    ($($variant:ident($error:ty)),* $(,)?) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$variant(Box::new(error))
            }
        }
    )*};
}

from! {
    Open(OpenError),
    Access(AccessError),
    Lookup(LookupError),
    Stage(StageError),
    Commit(CommitError),
    Update(UpdateError),
    Data(DataError),
    Mount(MountError),
    Diff(DiffError),
    AdditionalLayer(AdditionalLayerError),
    Delete(DeleteError),
    Directory(DirectoryError),
    Collect(CollectError),
    Shutdown(ShutdownError),
    Check(CheckError),
    Repair(RepairError),
    Usage(UsageError),
}

impl From<TransactionError> for Error {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Stage(error) => error.into(),
            TransactionError::Commit(error) => error.into(),
        }
    }
}

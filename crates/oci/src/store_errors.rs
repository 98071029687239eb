//! The errors of the store, one for each family of operations, become one case of ours.

use layerhold::{AccessError, CommitError, ErrorKind};

use crate::causes;

/// Converts errors of the crate `layerhold` into the case `Store` of an error of this crate.
macro_rules! store_errors {
    ($target:ident: $($error:ident),+) => {
        $(impl From<$error> for $target {
            fn from(error: $error) -> Self {
                $target::Store(error.into())
            }
        })+
    };
}

pub(crate) use store_errors;

/// Whether something that was named is not in the store.
pub(crate) fn is_not_found(error: &layerhold::Error) -> bool {
    use ErrorKind as Kind;
    let kind = error.kind();
    kind.is_some_and(|kind| {
        matches!(
            kind,
            Kind::ContainerUnknown
                | Kind::ImageUnknown
                | Kind::LayerUnknown
                | Kind::ParentUnknown
                | Kind::NotALayer
                | Kind::NotAnImage
                | Kind::NotAContainer
                | Kind::NotAnId
        )
    })
}

/// Whether the operation was cancelled.
pub(crate) fn is_cancelled(error: &layerhold::Error) -> bool {
    match error {
        layerhold::Error::Commit(error) if matches!(**error, CommitError::Cancelled) => true,
        layerhold::Error::Access(error) => match error.as_ref() {
            AccessError::Lock(error) => error.is_cancelled(),
            error => causes::is_cancelled(error),
        },
        error => causes::is_cancelled(error),
    }
}

/// Whether something else in the store is in the way: it has the ID or the name, or uses the item.
pub(crate) fn is_conflict(error: &layerhold::Error) -> bool {
    use ErrorKind as Kind;
    let kind = error.kind();
    kind.is_some_and(|kind| {
        matches!(
            kind,
            Kind::DuplicateId
                | Kind::DuplicateName
                | Kind::ImageUsedByContainer
                | Kind::ParentIsContainer
                | Kind::LayerHasChildren
                | Kind::LayerUsedByContainer
                | Kind::LayerUsedByImage
        )
    })
}

//! The store's errors, one for each family of operations, become one case of ours.

use layerhold::{
    AccessError, CommitError, DataError, DiffError, LookupError, StageError, UpdateError,
};

use crate::load::LoadError;
use crate::save::SaveError;

macro_rules! store_errors {
    ($target:ident: $($error:ident),+) => {
        $(impl From<$error> for $target {
            fn from(error: $error) -> Self {
                $target::Store(error.into())
            }
        })+
    };
}

store_errors!(LoadError: AccessError, CommitError, LookupError, StageError);
store_errors!(SaveError: AccessError, DataError, DiffError, LookupError, UpdateError);

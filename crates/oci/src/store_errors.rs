//! The errors of the store, one for each family of operations, become one case of ours.

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

//! Why a store cannot be opened.

use std::path::PathBuf;

use layerhold_sys::PathError;

use crate::catalog::error::AccessError;
use crate::records::error_kind::{ErrorKind, error_kind};

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Graph root or run root is empty.
    #[error("missing necessary StoreOptions: graph root and run root must be given")]
    IncompleteOptions,
    /// The configuration of the user cannot be used.
    #[cfg(feature = "config")]
    #[error("cannot use the configuration of the store")]
    Config(#[from] layerhold_config::ConfigError),
    /// The process of a user other than root is in no user namespace, which the user's own store
    /// needs.
    #[cfg(feature = "config")]
    #[error(
        "cannot use the store of user {user} outside of a user namespace: run the program with `podman unshare`"
    )]
    NoUserNamespace {
        /// The effective user.
        user: u32,
    },
    /// A directory cannot be used.
    #[error("cannot use the store at {root}")]
    Directory {
        /// The graph root.
        root: PathBuf,
        /// Why.
        #[source]
        source: PathError,
    },
    /// No driver fits.
    #[error("cannot open the graph driver of the store at {root}")]
    Driver {
        /// The graph root.
        root: PathBuf,
        /// Why.
        #[source]
        source: layerhold_driver::OpenError,
    },
    /// The driver that was asked for, or that the store was used with, is a feature of this crate
    /// that the program was built without.
    #[error(
        "cannot open the store at {root}: it needs the driver {feature}, which this program was built without; build it with the feature {feature} of the crate layerhold"
    )]
    DriverLeftOut {
        /// The graph root.
        root: PathBuf,
        /// The feature, which has the name of the driver.
        feature: &'static str,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

error_kind!(OpenError, |error| match error {
    Self::IncompleteOptions => Some(ErrorKind::IncompleteOptions),
    Self::Access(error) => error.kind(),
    _ => None,
});

//! Errors of choosing labels.

use std::path::PathBuf;

use layerhold_sys::PathError;

/// No SELinux labels can be chosen for a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// An option is not valid.
    #[error(
        "bad label option {option:?}, valid options are 'disable', or 'user', 'role', 'level', 'type' or 'filetype' followed by ':' and a value"
    )]
    Option {
        /// The option.
        option: String,
    },
    /// The policy has an invalid label for containers.
    #[error("cannot use {label:?} in {} as a label", .path.display())]
    Context {
        /// The file.
        path: PathBuf,
        /// The text.
        label: String,
    },
    /// Every pair of categories is in use.
    #[error("cannot draw an SELinux level: all are in use")]
    Exhausted,
    /// A file of the system cannot be read.
    #[error(transparent)]
    Os(#[from] PathError),
}

//! Why no labels can be chosen.

use std::path::PathBuf;

use layerhold_sys::PathError;

/// No SELinux labels can be chosen for a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// An option is none.
    #[error(
        "bad label option {option:?}, valid options are 'disable', or 'user', 'role', 'level', 'type' or 'filetype' followed by ':' and a value"
    )]
    Option {
        /// The option.
        option: String,
    },
    /// The policy of the system gives containers something that is no label.
    #[error("{} says {label:?}, which is no label", .path.display())]
    Context {
        /// The file.
        path: PathBuf,
        /// The text.
        label: String,
    },
    /// All pairs of categories are taken.
    #[error("every SELinux level is taken by some container")]
    Exhausted,
    /// A file of the system cannot be read.
    #[error(transparent)]
    Os(#[from] PathError),
}

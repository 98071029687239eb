//! SELinux labels for containers, as go-selinux (`label.InitLabels`) gives them to Go's store.
//!
//! A container has two labels: that of its processes, and that of its files. The policy of the
//! system says what both are for containers; options change parts of them. Where the policy
//! separates containers by level, each gets two categories that no other container of the store
//! has: `s0:c1,c2`. Go only knows those that its own process has met; here the records are asked.
//!
//! Without SELinux there are no labels, and options are not looked at.

use layerhold_sys::PathError;
use std::path::PathBuf;

mod context;
mod level;
mod policy;
mod wish;

pub(crate) use level::UsedLevels;
pub(crate) use wish::{Chosen, Pattern, choose};

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

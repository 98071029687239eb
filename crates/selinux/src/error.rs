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

impl LabelError {
    /// Tells whether something that was named does not exist. No label error means that.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        false
    }

    /// Tells whether something else is in the way. No label error means that.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        false
    }

    /// Tells whether the disk is full, or a quota is used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        layerhold_sys::is_out_of_space(self)
    }

    /// Tells whether the caller cancelled the operation.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        layerhold_sys::is_cancelled(self)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_found_in_the_cause() {
        let full = PathError::new("write", "/x", io::ErrorKind::StorageFull.into());
        let error = LabelError::from(full);
        assert!(error.is_out_of_space() && !error.is_cancelled());
        assert!(!error.is_not_found() && !error.is_conflict());
    }
}

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::PathError;

/// Why an overlay was not mounted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OverlayMountError {
    /// The options are too long for the classic way, even with the shortest names.
    #[error(
        "the options of the overlay for {} take {length} bytes of {limit}; fewer layers are needed",
        target.display()
    )]
    OptionsTooLong {
        /// The intended mount point.
        target: PathBuf,
        /// Length of the options in bytes.
        length: usize,
        /// The kernel's limit in bytes: a page without its last byte.
        limit: usize,
    },
    /// The kernel refused one step.
    #[error("cannot mount an overlay at {}: {step}{}", place.display(), Messages(messages))]
    Refused {
        /// The target, or the base directory if there is no target.
        place: PathBuf,
        /// The step, such as `lowerdir+=l/ABC`.
        step: String,
        /// The kernel's messages about it, if any.
        messages: Vec<String>,
        /// The error number.
        source: io::Error,
    },
    /// The options are for an existing mount, such as `remount` or `private`.
    #[error("cannot mount an overlay with the flags {flags:#x}: they are for existing mounts")]
    NotForNewMounts {
        /// The flags, as numbers of `mount(2)`.
        flags: u32,
    },
    /// The label cannot be written into options.
    #[error("cannot mount an overlay with the label {label:?}: it is no SELinux label")]
    BadLabel {
        /// The label.
        label: String,
    },
    /// A directory could not be opened, or the target could not be mounted on.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl OverlayMountError {
    /// The kernel's error number, if the error came from the kernel.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::Refused { source, .. } => source.raw_os_error(),
            Self::Path(error) => error.raw_os_error(),
            _ => None,
        }
    }

    pub(super) fn refused(place: &Path, step: String, source: impl Into<io::Error>) -> Self {
        Self::Refused {
            place: place.to_owned(),
            step,
            messages: Vec::new(),
            source: source.into(),
        }
    }
}

struct Messages<'a>(&'a [String]);

impl fmt::Display for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|message| write!(f, " ({message})"))
    }
}

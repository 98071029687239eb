//! What can be wrong with record files.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::LocationId;

/// What is wrong with a part of a record file.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DamageKind {
    /// It is not one complete JSON object.
    #[error("it is not a JSON object")]
    Syntax,
    /// It is an object without a usable ID.
    #[error("it has no ID")]
    MissingId,
    /// Another record has the same ID: an earlier one, or the first that can be read if this one
    /// cannot. Go leaves the later one out too.
    #[error("another record has the ID {}", id.escape_debug())]
    DuplicateId {
        /// The ID.
        id: String,
    },
    /// It is an object, but its fields are not those of a record.
    #[error("it is not a valid record")]
    Invalid(#[source] Arc<dyn Error + Send + Sync>),
    /// The parsed record has another ID than its first `id` field says.
    #[error("its ID is ambiguous")]
    AmbiguousId,
    /// The file does not end where the array ends: it was cut off, or something
    /// was appended, or it never was an array.
    #[error("it is not the end of a list of records")]
    Tail,
}

/// A part of a record file that was set aside: not served, kept as it is. Its text says which
/// record of which file it is, and why it cannot be read.
///
/// A save writes a damaged record back byte for byte. Only what follows the
/// last record of a torn file cannot stay, because an array ends somewhere; it is
/// kept in a side file (see [`JsonStore::set_aside_files`](crate::JsonStore::set_aside_files)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Damaged {
    /// What the store keeps, such as `layer`.
    pub record_kind: &'static str,
    /// The ID of the record, as far as it can be told: the one under which it is found, or the one
    /// that its bytes begin with.
    pub id: Option<String>,
    /// The location of the file.
    pub location: LocationId,
    /// The file.
    pub path: PathBuf,
    /// Position among the elements of the array, from 0.
    pub index: usize,
    /// First byte in the file as it was loaded.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
    /// What is wrong.
    pub kind: DamageKind,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (offset, path) = (self.offset, self.path.display());
        match (&self.kind, &self.id) {
            (DamageKind::Tail, _) => {
                write!(f, "cannot read the end of {path}, from byte {offset} on")?;
            }
            (_, Some(id)) => {
                let (kind, id) = (self.record_kind, id.escape_debug());
                write!(
                    f,
                    "cannot read the record of {kind} {id}, at byte {offset} of {path}"
                )?;
            }
            (_, None) => {
                let kind = self.record_kind;
                write!(
                    f,
                    "cannot read the {kind} record at byte {offset} of {path}"
                )?;
            }
        }
        write!(f, ": {}", self.kind)
    }
}

impl Error for Damaged {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The kind is in the text already.
        self.kind.source()
    }
}

/// What a record file was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// There is no file. True of a store that never saved; beside existing
    /// content it is damage, which only the caller can tell.
    Absent,
    /// The file is there and has no bytes or only white space. No version of any
    /// tool writes that, but a crash of old ones can leave it.
    Empty,
    /// An array from its first to its last byte.
    Complete,
    /// The records at the beginning are readable, the rest is set aside.
    Torn {
        /// First byte that is set aside.
        offset: u64,
        /// Number of bytes set aside.
        len: u64,
    },
}

/// What loading found in one location. It stays as it is when records change later.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FileReport {
    /// The location.
    pub location: LocationId,
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub state: FileState,
    /// Bytes in it.
    pub len: u64,
    /// Elements in it, damaged ones included.
    pub elements: usize,
}

/// A name that was found in two records. The later record keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameConflict {
    /// The name.
    pub name: String,
    /// ID of the record that lost it.
    pub lost_by: String,
    /// ID of the record that keeps it.
    pub kept_by: String,
}

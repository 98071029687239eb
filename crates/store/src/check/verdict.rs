//! The verdict on a finding, and which errors prove damage.
//!
//! A repair removes only what was proven to be damaged. The types ensure this: a [`Remedy`] exists
//! only within [`Verdict::Damaged`], and one function, [`Verdict::of_error`], decides which errors
//! prove damage. With every other error the verdict is open: a process without descriptors, memory
//! or permission knows nothing about what it could not read.

use std::error::Error;
use std::io;

use layerhold_driver::LayerError;
use layerhold_tar_split::{RebuildError, SkeletonError};

use super::damage::FileChange;

/// What a repair does about damage; see [`Verdict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// It rebuilds the damaged part from what else is there. Nothing is lost.
    Rebuild,
    /// It moves the damaged bytes to a side file, where they can be examined.
    SetAside,
    /// It removes the subject. What is removed with it is in
    /// [`CheckReport::removals`](super::CheckReport::removals).
    Remove,
    /// Nothing: another repair resolves it, or no repair is known.
    Nothing,
}

/// The verdict on a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is damage: what was read is not what it should be. A repair applies this remedy.
    Damaged(Remedy),
    /// Whether it is damage could not be found out. A repair does nothing about it.
    Unjudged,
    /// It is not damage, but worth knowing. A repair does nothing about it.
    Note,
}

/// The error numbers that prove damage. Every other one is about the process, the system or the
/// disk; after disk errors the filesystem has to be checked first.
const PROOF: [i32; 3] = [ENOENT, ENOTDIR, EISDIR];
/// Something that must exist does not.
const ENOENT: i32 = 2;
/// Something that must be a directory is not.
const ENOTDIR: i32 = 20;
/// Something that must be a file is a directory.
const EISDIR: i32 = 21;

impl Verdict {
    /// The verdict on something that must exist and cannot be read.
    pub(super) fn of_error(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(proves) = proves_damage(error) {
                return if proves {
                    Self::Damaged(Remedy::Remove)
                } else {
                    Self::Unjudged
                };
            }
            // The cause that an I/O error wraps is not among its sources.
            let wrapped = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            next = match wrapped {
                Some(wrapped) => Some(wrapped),
                None => error.source(),
            };
        }
        Self::Unjudged
    }

    /// The verdict on a layer with a file that is not as it was imported.
    pub(super) fn of_change(change: &FileChange) -> Self {
        match change {
            FileChange::Unreadable { .. } => Self::Unjudged,
            _ => Self::Damaged(Remedy::Remove),
        }
    }

    /// Returns what a repair does about it.
    #[must_use]
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::Damaged(remedy) => remedy,
            Self::Unjudged | Self::Note => Remedy::Nothing,
        }
    }

    /// Returns the worse of two verdicts.
    pub(super) const fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Damaged(_), _) | (Self::Unjudged, Self::Note) => self,
            _ => other,
        }
    }

    /// Returns the same verdict, with the remedy to rebuild if it is damage.
    pub(super) const fn repairable(self) -> Self {
        match self {
            Self::Damaged(_) => Self::Damaged(Remedy::Rebuild),
            other => other,
        }
    }
}

/// Tells whether an error proves damage; `None` when its source decides.
fn proves_damage(error: &(dyn Error + 'static)) -> Option<bool> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.raw_os_error().map(|code| PROOF.contains(&code));
    }
    if let Some(error) = error.downcast_ref::<LayerError>() {
        return of_layer(error);
    }
    if let Some(error) = error.downcast_ref::<RebuildError>() {
        return match error {
            RebuildError::Size { .. } | RebuildError::Checksum { .. } => Some(true),
            RebuildError::Output(_) => Some(false),
            _ => None,
        };
    }
    match error.downcast_ref::<SkeletonError>()? {
        SkeletonError::Input(error) => is_of_decoder(error).then_some(true),
        _ => Some(true),
    }
}

/// Tells whether bytes could be read but not decoded: then no system call failed.
fn is_of_decoder(error: &io::Error) -> bool {
    let is_about_bytes = matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    );
    error.raw_os_error().is_none() && is_about_bytes
}

fn of_layer(error: &LayerError) -> Option<bool> {
    match error {
        LayerError::NotRegular { .. } => Some(true),
        LayerError::Os(_) => None,
        // The kernel refuses mounts for many reasons, and the driver refuses unknown formats. A
        // layer that is not found may be in a store that this one does not name.
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use layerhold_sys::PathError;

    use super::*;

    const REMOVED: Verdict = Verdict::Damaged(Remedy::Remove);

    fn ways(code: i32) -> Vec<Box<dyn Error>> {
        let io = || io::Error::from_raw_os_error(code);
        let os = || PathError::new("read", "f", io());
        let open = |source| RebuildError::Open {
            name: b"f".to_vec(),
            source,
        };
        vec![
            Box::new(io()),
            Box::new(os()),
            Box::new(LayerError::Os(os())),
            Box::new(open(io())),
            Box::new(open(io::Error::other(LayerError::Os(os())))),
            Box::new(RebuildError::Skeleton(SkeletonError::Input(io()))),
            Box::new(io::Error::other(open(io()))),
        ]
    }

    #[test]
    fn of_all_error_numbers_three_prove_something() {
        let proof = |code: &i32| {
            ways(*code)
                .iter()
                .all(|e| Verdict::of_error(&**e) == REMOVED)
        };
        let unclear = |code: i32| {
            ways(code)
                .iter()
                .all(|e| Verdict::of_error(&**e) == Verdict::Unjudged)
        };
        let proofs: Vec<i32> = (1..200).filter(proof).collect();
        assert_eq!(proofs, PROOF);
        assert!((1..200).all(|code| proofs.contains(&code) || unclear(code)));
    }

    #[test]
    fn bytes_that_make_no_sense_prove_something() {
        let input = |kind: io::ErrorKind| SkeletonError::Input(io::Error::new(kind, "x"));
        let type_of = SkeletonError::Type { line: 1, kind: 9 };
        for (error, verdict) in [
            (input(io::ErrorKind::InvalidData), REMOVED),
            (input(io::ErrorKind::UnexpectedEof), REMOVED),
            (input(io::ErrorKind::OutOfMemory), Verdict::Unjudged),
            (type_of, REMOVED),
        ] {
            assert_eq!(Verdict::of_error(&error), verdict, "{error:?}");
        }
        let not_regular = LayerError::NotRegular { path: "f".into() };
        assert_eq!(Verdict::of_error(&not_regular), REMOVED);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_judged() {
        let reason = String::new();
        let change = FileChange::Unreadable { reason };
        assert_eq!(Verdict::of_change(&change), Verdict::Unjudged);
        assert_eq!(Verdict::of_change(&FileChange::Content), REMOVED);
    }
}

//! Differences between two trees.

mod overlay;
mod compare;
mod upper;
mod size;
mod listing;
mod lower;
mod facts;
mod change;

pub use change::{Change, ChangeKind, ChangesError};
pub use compare::{CompareOptions, compare};
pub(crate) use lower::{Lower, LowerEntry, LowerError};
pub use overlay::overlay_changes;
pub(crate) use size::LastParent;
pub use size::changes_size;
pub use upper::{check_redirected, overlay_size};

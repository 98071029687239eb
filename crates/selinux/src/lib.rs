//! The SELinux labels of containers, as go-selinux (`label.InitLabels`) gives them to Go's tools.
//!
//! A container has two labels: one for its processes and one for its files. The system's policy has
//! default labels for containers, and options change parts of them. If the policy separates
//! containers by level, each container gets a pair of categories that no other container has, as in
//! `s0:c1,c2`. go-selinux knows only the levels that its own process has seen. Here the caller
//! lists the levels in use, so the choice is unique across processes.
//!
//! Without SELinux the labels are empty and options are ignored.
//!
//! ```
//! use std::path::Path;
//!
//! use layerhold_selinux::{UsedLevels, choose};
//!
//! // No SELinux below this root.
//! let root = Path::new("/nonexistent");
//! let chosen = choose(root, &["type:spc_t".to_owned()], UsedLevels::default)?;
//! assert_eq!(chosen.labels.mount, "");
//! # Ok::<(), layerhold_selinux::LabelError>(())
//! ```
//!
//! # Limitations
//!
//! - The kernel is not asked whether its policy accepts the labels.
//! - Nothing is relabelled.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod choose;
mod policy;
mod level;
mod labels;
mod context;
mod error;

pub use choose::{ChosenLabels, LabelPattern, choose};
pub use context::Context;
pub use error::LabelError;
pub use labels::Labels;
pub use level::UsedLevels;
pub use policy::Policy;

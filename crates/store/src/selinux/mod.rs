//! SELinux labels for containers, as go-selinux (`label.InitLabels`) gives them to Go's store.
//!
//! A container has two labels: that of its processes, and that of its files. The policy of the
//! system says what both are for containers; options change parts of them. Where the policy
//! separates containers by level, each gets two categories that no other container of the store
//! has: `s0:c1,c2`. Go only knows those that its own process has met; here the records are asked.
//!
//! Without SELinux there are no labels, and options are not looked at.

mod context;
mod level;
mod policy;
mod wish;

pub(crate) use level::UsedLevels;
pub(crate) use wish::{Chosen, Pattern, choose};

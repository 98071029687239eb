//! What the kernel, or a mount program in its place, is asked to do: trying out what it supports,
//! mounting an [`OverlayPlan`], limiting a directory. Knows homes, and no layer.

mod probe;
mod features;
mod shifted_lowers;
mod mount_program;
mod plan;
mod label;
mod quota;

pub(crate) use features::{Answer, FeatureCache};
pub(crate) use mount_program::{
    MadeBy, ProgramMount, made_by, note_made_by, unmount_program, usual,
};
pub(crate) use plan::{Lower, OverlayPlan, Upper};
pub(crate) use probe::{Probe, Unusable, check_overlay};
pub(crate) use quota::{Quota, may_have_quota, wanted_limits};
pub(crate) use shifted_lowers::{ShiftedLowers, clear_shifted};

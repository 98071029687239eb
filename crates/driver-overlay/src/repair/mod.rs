//! Finding and repairing damage, and moving layers out of harm's way or back.

mod damage;
mod quarantine;
mod put_back;

pub(crate) use damage::{damage, home_damage, repair, repair_home};
pub(crate) use put_back::put_back;
pub(crate) use quarantine::quarantine_layer;

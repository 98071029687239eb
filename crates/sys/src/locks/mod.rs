//! Record locks, and the list of held locks.

pub(crate) mod holders;
pub(crate) mod record_lock;
pub(crate) mod held;

//! Properties, signals and cancellation of this process.

pub(crate) mod properties;
pub(crate) mod signals;
pub(crate) mod cancel;

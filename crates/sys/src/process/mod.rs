//! Properties, signals and cancellation of this process; what procfs says about others.

pub(crate) mod properties;
pub(crate) mod signals;
pub(crate) mod passed_signals;
pub(crate) mod cancel;
pub(crate) mod terminal;
pub(crate) mod procfs;

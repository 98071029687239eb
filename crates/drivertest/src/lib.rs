//! One conformance suite that every graph driver passes.
//!
//! A driver's own tests bring a [`Factory`] and take all cases by name:
//!
//! ```ignore
//! fn factory() -> layerhold_drivertest::Factory {
//!     layerhold_drivertest::Factory::new(|| Box::new(layerhold_driver_vfs::VfsFactory))
//! }
//!
//! layerhold_drivertest::conformance!(factory());
//! ```
//!
//! Each case opens the driver on a store of its own and checks behaviour the store relies on,
//! whatever the driver keeps on disk. Names starting with `root_` need root and skip visibly
//! without.
//!
//! ```
//! assert!(layerhold_drivertest::CASES.iter().any(|case| case.name == "deep_chain"));
//! ```
//!
//! # Limitations
//!
//! Shapes on disk are the driver's own and tested beside it; so are its options and errors of its
//! own.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "this crate is only ever part of tests, which look at files by themselves and fail by panicking"
)]

mod cases;
mod rig;

pub use cases::CASES;
pub use layerhold_testkit;
pub use rig::{Factory, Rig, Shows};

/// One thing every driver must do.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of the test.
    pub name: &'static str,
    /// The test; it panics when the driver is wrong.
    pub body: fn(&Rig),
}

impl Case {
    /// Runs the case on a fresh store, or reports why it is skipped.
    ///
    /// # Panics
    ///
    /// When the driver does not behave.
    pub fn run(&self, factory: &Factory) {
        if self.name.starts_with("root_") && layerhold_testkit::require_root().is_none() {
            return;
        }
        if let Some(rig) = Rig::open(factory) {
            (self.body)(&rig);
        }
    }
}

/// Runs all cases.
///
/// # Panics
///
/// When the driver does not behave.
pub fn run(factory: &Factory) {
    for case in CASES {
        case.run(factory);
    }
}

/// Runs the case of this name.
///
/// # Panics
///
/// When there is none, or the driver does not behave.
pub fn run_case(name: &str, factory: &Factory) {
    let case = CASES.iter().find(|case| case.name == name);
    case.unwrap_or_else(|| panic!("no case {name}"))
        .run(factory);
}

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
//! Each case opens the driver on a store of its own and checks behaviour that the store relies on,
//! whatever the driver keeps on disk. Cases whose names start with `root_` need root, and report
//! that they are skipped without it.
//!
//! ```
//! assert!(layerhold_drivertest::CASES.iter().any(|case| case.name == "deep_chain"));
//! ```
//!
//! # Limitations
//!
//! What a driver keeps on disk, its options and its own errors are tested beside the driver.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "this crate is only ever part of tests, which look at files by themselves and fail by panicking"
)]

mod cases;
mod case;
mod fixture;

pub use case::Case;
pub use cases::CASES;
pub use fixture::{DriverFixture, Factory, MountFidelity};
pub use layerhold_testkit;

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

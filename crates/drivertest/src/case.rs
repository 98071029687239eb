//! One case of the suite.

use crate::fixture::{DriverFixture, Factory};

/// One thing every driver must do.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of the test.
    pub name: &'static str,
    /// The test; it panics when the driver is wrong.
    pub body: fn(&DriverFixture),
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
        if let Some(fixture) = DriverFixture::open(factory) {
            (self.body)(&fixture);
        }
    }
}

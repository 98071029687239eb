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

/// Compares a result with a pattern. The message says what the driver should have returned, because
/// its author does not know the case.
macro_rules! assert_is {
    ($outcome:expr, $pattern:pat $(if $guard:expr)?) => {
        match &$outcome {
            $pattern $(if $guard)? => {}
            other => panic!(
                "{} should be {}, and is {other:?}",
                stringify!($outcome),
                stringify!($pattern $(if $guard)?)
            ),
        }
    };
}

pub(crate) use assert_is;

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    #[test]
    fn a_wrong_result_is_told_with_the_right_one() {
        assert_is!(Some(1), Some(1));
        assert_is!(Some(2), Some(n) if *n > 1);
        let panicked = catch_unwind(|| assert_is!(u8::from_str_radix("7", 8), Err(_)));
        let message = panicked.unwrap_err();
        let message = message.downcast_ref::<String>().map(String::as_str);
        let told = r#"u8::from_str_radix("7", 8) should be Err(_), and is Ok(7)"#;
        assert_eq!(message, Some(told));
    }
}

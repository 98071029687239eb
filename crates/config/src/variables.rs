//! Variables that change how a store is opened.

use layerhold_environment::{Environment, NotUtf8};

const DRIVER: &str = "STORAGE_DRIVER";
const DISABLE_IDMAP: &str = "_CONTAINERS_OVERLAY_DISABLE_IDMAP";

/// The driver that `STORAGE_DRIVER` names. An empty variable names none.
///
/// # Errors
///
/// It is not UTF-8.
pub fn driver_variable(environment: &Environment) -> Result<Option<String>, NotUtf8> {
    let text = environment.text(DRIVER)?;
    Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// Whether the overlay driver must not shift owners in mounts (Go: `drivers/overlay`).
#[must_use]
pub fn forbids_shifting(environment: &Environment) -> bool {
    environment
        .get(DISABLE_IDMAP)
        .is_some_and(|value| value == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifting_is_forbidden_by_one_word() {
        for (value, forbidden) in [("yes", true), ("1", false), ("", false)] {
            let environment = Environment::new(0).with(DISABLE_IDMAP, value);
            assert_eq!(forbids_shifting(&environment), forbidden, "{value:?}");
        }
    }
}

//! Takes the known keys of a table.

use layerhold_toml_table::{Table, TomlError, Value};

use crate::error::ConfigError;
use crate::list::{self, List};
use crate::warning::Warning;

/// Takes a string, if present.
pub(crate) fn text(table: &mut Table<'_>, key: &str, target: &mut String) -> Result<(), TomlError> {
    if let Some(value) = table.take(key) {
        *target = value.text()?.to_owned();
    }
    Ok(())
}

/// Takes a boolean, if present.
pub(crate) fn boolean(
    table: &mut Table<'_>,
    key: &str,
    target: &mut bool,
) -> Result<(), TomlError> {
    if let Some(value) = table.take(key) {
        *target = value.boolean()?;
    }
    Ok(())
}

/// Takes a number, if present.
pub(crate) fn number(table: &mut Table<'_>, key: &str, target: &mut u32) -> Result<(), TomlError> {
    if let Some(value) = table.take(key) {
        *target = value.number()?;
    }
    Ok(())
}

/// Takes a list of strings, if present.
pub(crate) fn list(table: &mut Table<'_>, key: &str, target: &mut List) -> Result<(), ConfigError> {
    match table.take(key) {
        Some(value) => list::read(&value, target),
        None => Ok(()),
    }
}

/// Warns about keys without effect.
pub(crate) fn ignore(
    table: &mut Table<'_>,
    keys: &[(&str, Option<&'static str>)],
    warnings: &mut Vec<Warning>,
) {
    for (key, instead) in keys {
        if let Some(value) = table.take(key) {
            warnings.push(Warning::NoEffect {
                path: value.path().to_owned(),
                line: value.line(),
                key: value.key().to_owned(),
                instead: *instead,
            });
        }
    }
}

/// Warns about all remaining keys.
pub(crate) fn finish(table: Table<'_>, warnings: &mut Vec<Warning>) {
    warnings.extend(table.rest().map(unknown));
}

fn unknown(value: Value<'_>) -> Warning {
    Warning::UnknownKey {
        path: value.path().to_owned(),
        line: value.line(),
        key: value.key().to_owned(),
    }
}

//! Takes the known keys of a table.

use layerhold_toml_table::{Table, TomlError};

use crate::warning::Warning;

/// Takes a string; without one, an empty one.
pub(crate) fn text<'d>(table: &mut Table<'d>, key: &str) -> Result<&'d str, TomlError> {
    table.take(key).map_or(Ok(""), |value| value.text())
}

/// Takes a boolean; without one, `false`.
pub(crate) fn boolean(table: &mut Table<'_>, key: &str) -> Result<bool, TomlError> {
    table.take(key).map_or(Ok(false), |value| value.boolean())
}

/// Strings of a list, with its line.
pub(crate) type List = (usize, Vec<String>);

/// Takes a list of strings.
pub(crate) fn list(table: &mut Table<'_>, key: &str) -> Result<Option<List>, TomlError> {
    let Some(value) = table.take(key) else {
        return Ok(None);
    };
    let texts = value.texts()?.into_iter().map(str::to_owned);
    Ok(Some((value.line(), texts.collect())))
}

/// Takes a table. As in Go's parser of maps, a value of another type has no effect.
pub(crate) fn map<'d>(
    table: &mut Table<'d>,
    key: &str,
    warnings: &mut Vec<Warning>,
) -> Option<Table<'d>> {
    let value = table.take(key)?;
    if !value.is_table() {
        warnings.push(Warning::NotATable {
            path: value.path().to_owned(),
            line: value.line(),
            key: value.key().to_owned(),
        });
    }
    value.table().ok()
}

/// Takes a list of tables, such as `[[registry]]`; `None` without one.
pub(crate) fn tables<'d>(
    table: &mut Table<'d>,
    key: &str,
) -> Result<Option<Vec<Table<'d>>>, TomlError> {
    let Some(value) = table.take(key) else {
        return Ok(None);
    };
    let expected = "a list of tables";
    let elements = value.elements(expected)?.into_iter();
    let tables = elements.map(|element| match element.is_table() {
        true => element.table(),
        false => Err(element.wrong(expected)),
    });
    tables.collect::<Result<_, _>>().map(Some)
}

/// Warns about all remaining keys.
pub(crate) fn finish(table: Table<'_>, warnings: &mut Vec<Warning>) {
    warnings.extend(table.rest().map(|value| Warning::UnknownKey {
        path: value.path().to_owned(),
        line: value.line(),
        key: value.key().to_owned(),
    }));
}

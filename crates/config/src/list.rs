//! Lists that can extend those of earlier files (Go: `pkg/configfile/slice.go`).

use layerhold_toml_table::Value;

use crate::error::ConfigError;

/// The merged strings of a list.
pub(crate) type List = Vec<String>;

/// Reads a list of strings, which may contain tables of attributes. With `{append = true}` it
/// extends the present list.
///
/// The attribute applies to its own list. In Go it also applies to those of all later files, which
/// then cannot choose between replacing and extending.
pub(crate) fn read(value: &Value<'_>, target: &mut List) -> Result<(), ConfigError> {
    let mut strings = Vec::new();
    let mut append = false;
    for element in value.elements("a list")? {
        if element.is_table() {
            for attribute in element.table()?.rest() {
                append = self::append(&attribute, value)?;
            }
        } else if element.is_text() {
            strings.push(element.text()?.to_owned());
        } else {
            return Err(element.wrong("a list of strings").into());
        }
    }
    if !append {
        target.clear();
    }
    target.extend(strings);
    Ok(())
}

/// The value of the attribute `append`, the only one.
fn append(attribute: &Value<'_>, list: &Value<'_>) -> Result<bool, ConfigError> {
    match attribute.name() {
        "append" => Ok(attribute.boolean()?),
        name => Err(ConfigError::Attribute {
            path: list.path().to_owned(),
            line: attribute.line(),
            key: list.key().to_owned(),
            attribute: name.to_owned(),
        }),
    }
}

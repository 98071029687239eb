//! Lists that can extend those of earlier files (Go: `pkg/configfile/slice.go`).

use toml::de::DeValue;

use crate::error::ConfigError;
use crate::section::Value;

/// The merged strings of a list.
pub(crate) type List = Vec<String>;

/// Reads a list of strings, which may contain tables of attributes. With `{append = true}` it
/// extends the present list.
///
/// The attribute applies to its own list. In Go it also applies to those of all later files, which
/// then cannot choose between replacing and extending.
pub(crate) fn read(value: &Value<'_>, target: &mut List) -> Result<(), ConfigError> {
    let items = value
        .value
        .as_array()
        .ok_or_else(|| value.wrong("a list"))?;
    let mut strings = Vec::new();
    let mut append = false;
    for item in items.iter() {
        match item.get_ref() {
            DeValue::String(text) => strings.push(text.to_string()),
            DeValue::Table(attributes) => {
                for (name, setting) in attributes.iter() {
                    append = attribute(value, name.get_ref(), setting.get_ref())?;
                }
            }
            other => return Err(value.wrong_part("a list of strings", other)),
        }
    }
    if !append {
        target.clear();
    }
    target.extend(strings);
    Ok(())
}

fn attribute(value: &Value<'_>, name: &str, setting: &DeValue<'_>) -> Result<bool, ConfigError> {
    if name != "append" {
        return Err(ConfigError::Attribute {
            path: value.document.path().to_owned(),
            line: value.line,
            key: value.key.clone(),
            attribute: name.to_owned(),
        });
    }
    setting
        .as_bool()
        .ok_or_else(|| value.wrong_part("a boolean for append", setting))
}

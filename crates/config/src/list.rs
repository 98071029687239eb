//! Lists that may add to those of earlier files (Go: `pkg/configfile/slice.go`).

use toml::de::DeValue;

use crate::error::ConfigError;
use crate::section::Value;

/// The strings of a list, over all files.
pub(crate) type List = Vec<String>;

/// Reads a list: strings, and tables of attributes between them. With `{append = true}` it adds to
/// what is there.
///
/// The attribute counts in the list that it stands in. To Go it counts for all later files as well,
/// which then cannot tell whether they replace or add.
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

//! Values of a policy that may be given in several ways. As in Go, an empty path and `null` count
//! as not given.

use crate::base64;
use crate::error::{PolicyError, Problem};
use crate::json::{Fields, Item, Json};
use crate::requirement::Material;

/// The value of `type`.
pub(crate) fn type_of<'a>(item: &'a Item<'_>) -> Result<&'a str, PolicyError> {
    let members = item.members()?;
    let found = members.iter().find(|(key, _)| *key == "type");
    match found {
        Some((_, item)) => Ok(item.text()?),
        None => Err(Problem::NoType.at(item)),
    }
}

/// The text of a field that is given.
pub(crate) fn text(fields: &Fields<'_>, key: &str) -> Result<Option<String>, PolicyError> {
    let text = fields.get(key).map(optional_text).transpose()?;
    Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// What those of several fields have that are given.
pub(crate) fn materials(fields: &Fields<'_>, keys: &[&str]) -> Result<Vec<Material>, PolicyError> {
    let found = keys
        .iter()
        .filter_map(|key| material(key, fields.get(key)?).transpose());
    found.collect()
}

/// What a field has; `None` if that counts as not given.
///
/// The name of the field tells what it has: `…Path` and `…Paths` one or several files, `…Data` and
/// `…Datas` one or several contents.
pub(crate) fn material(key: &str, item: &Item<'_>) -> Result<Option<Material>, PolicyError> {
    Ok(if key.ends_with("Paths") {
        optional_list(item, |item| Ok(optional_text(item)?.into()))?.map(Material::Files)
    } else if key.ends_with("Path") {
        let path = optional_text(item)?;
        (!path.is_empty()).then(|| Material::Files(vec![path.into()]))
    } else if key.ends_with("Datas") {
        optional_list(item, |item| Ok(bytes(item)?.unwrap_or_default()))?.map(Material::Data)
    } else {
        bytes(item)?.map(|bytes| Material::Data(vec![bytes]))
    })
}

fn optional_text<'a>(item: &Item<'a>) -> Result<&'a str, PolicyError> {
    match item.value {
        Json::Null => Ok(""),
        _ => Ok(item.text()?),
    }
}

fn optional_list<T>(
    item: &Item<'_>,
    read: impl Fn(&Item<'_>) -> Result<T, PolicyError>,
) -> Result<Option<Vec<T>>, PolicyError> {
    match item.value {
        Json::Null => Ok(None),
        _ => {
            let items = item.list()?;
            items.iter().map(read).collect::<Result<_, _>>().map(Some)
        }
    }
}

/// Bytes in base64.
fn bytes(item: &Item<'_>) -> Result<Option<Vec<u8>>, PolicyError> {
    match item.value {
        Json::Null => Ok(None),
        _ => {
            let decoded = base64::decode(item.text()?);
            decoded.map(Some).ok_or_else(|| Problem::Base64.at(item))
        }
    }
}

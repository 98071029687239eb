//! Names and metadata of layers, images and containers.

use std::collections::BTreeMap;

use layerhold::{ItemKind, LookupError, Store, UpdateError};

use super::call::Call;
use super::create::metadata as given_metadata;
use super::output::{code, json, line};
use crate::failure::Failure;

/// The operand that every command here has, which the table ensures.
fn key<'a>(call: &Call<'a, '_>) -> &'a str {
    call.operands.first().map_or("", String::as_str)
}

/// The error for an operand that is nothing: for the Go tool's commands about names, an unknown
/// layer.
fn unknown(error: UpdateError) -> UpdateError {
    match error {
        UpdateError::Lookup(LookupError::Nothing { key }) => LookupError::Unknown {
            kind: ItemKind::Layer,
            key,
        }
        .into(),
        error => error,
    }
}

pub(crate) fn get(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let names = call.store.names(key(call)).map_err(unknown)?;
    if call.flags.is_on("json") {
        return json(call, &names);
    }
    for name in names {
        line(call, name)?;
    }
    Ok(0)
}

/// Changes names, and prints the new ones if JSON was asked for.
fn change(
    call: &mut Call<'_, '_>,
    change: fn(&Store, &str, &[String]) -> Result<(), UpdateError>,
) -> Result<u8, Failure> {
    // The name by which it was found may be gone afterwards.
    let found = match call.flags.is_on("json") {
        true => Some(call.store.snapshot()?.find(key(call))),
        false => None,
    };
    change(call.store, key(call), call.flags.list("name")).map_err(unknown)?;
    let Some(found) = found else {
        return Ok(0);
    };
    let names = call.store.names(found?.id().as_str())?;
    if names.is_empty() {
        // The Go tool prints an empty list of names as null, except in `get-names`.
        return json(call, &());
    }
    json(call, &names)
}

pub(crate) fn add(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    change(call, |store, key, names| store.add_names(key, names))
}

pub(crate) fn remove(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    change(call, |store, key, names| store.remove_names(key, names))
}

pub(crate) fn set(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    change(call, |store, key, names| store.set_names(key, names))
}

pub(crate) fn metadata(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let mut found = BTreeMap::new();
    let mut missing = false;
    for operand in call.operands {
        match call.store.metadata(operand) {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
                found.insert(operand.as_str(), text);
            }
            Err(_) => missing = true,
        }
    }
    if call.flags.is_on("json") {
        json(call, &found)?;
        return Ok(code(missing));
    }
    for operand in call.operands {
        let text = found.get(operand.as_str()).map_or("", String::as_str);
        if call.flags.is_on("quiet") {
            line(call, text)?;
        } else {
            line(call, format_args!("{operand}: {text}"))?;
        }
    }
    Ok(code(missing))
}

pub(crate) fn set_metadata(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    if call.flags.text("metadata").is_empty() && call.flags.text("metadata-file").is_empty() {
        return Err(Failure::Flags("no new metadata provided"));
    }
    let text = given_metadata(call)?;
    call.store.set_metadata(key(call), &text)?;
    Ok(0)
}

//! Big data items of layers, images and containers.

use std::io::{BufReader, Read};

use layerhold::{BigDataItem, DataError, ErrorKind};

use super::call::Call;
use super::output::{copy_out, input, json, line};
use crate::failure::{Failure, stream};

fn operand<'a>(call: &Call<'a, '_>, index: usize) -> &'a str {
    call.operands.get(index).map_or("", String::as_str)
}

fn list(call: &mut Call<'_, '_>, names: Vec<String>) -> Result<u8, Failure> {
    if call.flags.is_on("json") {
        // Go prints a list that was never added to as null.
        return if names.is_empty() {
            json(call, &())
        } else {
            json(call, &names)
        };
    }
    for name in names {
        line(call, name)?;
    }
    Ok(0)
}

fn whole_input(call: &mut Call<'_, '_>) -> Result<Vec<u8>, Failure> {
    let mut data = Vec::new();
    input(call)?.read_to_end(&mut data).map_err(stream)?;
    Ok(data)
}

fn send(call: &mut Call<'_, '_>, data: Vec<u8>) -> Result<u8, Failure> {
    copy_out(call, &mut data.as_slice())?;
    Ok(0)
}

pub(crate) fn list_layer(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let names = call.store.layer_data_names(operand(call, 0))?;
    list(call, names)
}

pub(crate) fn list_image(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let names = call.store.image_data_names(operand(call, 0))?;
    list(call, names)
}

pub(crate) fn list_container(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let names = call.store.container_data_names(operand(call, 0))?;
    list(call, names)
}

pub(crate) fn get_layer(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let data = call.store.layer_data(operand(call, 0), operand(call, 1))?;
    copy_out(call, &mut BufReader::new(data))?;
    Ok(0)
}

pub(crate) fn get_image(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let data = call.store.image_data(operand(call, 0), operand(call, 1))?;
    send(call, data)
}

pub(crate) fn get_container(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let data = call
        .store
        .container_data(operand(call, 0), operand(call, 1))?;
    send(call, data)
}

#[derive(Debug, thiserror::Error)]
#[error("{error}: {words}")]
struct WithoutItem {
    error: DataError,
    words: ErrorKind,
}

/// A missing big data item; `words` is what the Go tool does not know of it.
fn without(error: DataError, words: ErrorKind) -> Failure {
    match error {
        DataError::NotFound { .. } => Failure::value(WithoutItem { error, words }),
        error => error.into(),
    }
}

pub(crate) fn image_size(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let size = call
        .store
        .image_data_size(operand(call, 0), operand(call, 1))
        .map_err(|error| without(error, ErrorKind::SizeUnknown))?;
    line(call, size)?;
    Ok(0)
}

pub(crate) fn container_size(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let size = call
        .store
        .container_data_size(operand(call, 0), operand(call, 1))
        .map_err(|error| without(error, ErrorKind::SizeUnknown))?;
    line(call, size)?;
    Ok(0)
}

pub(crate) fn image_digest(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let digest = call
        .store
        .image_data_digest(operand(call, 0), operand(call, 1))
        .map_err(|error| without(error, ErrorKind::DigestUnknown))?;
    line(call, digest)?;
    Ok(0)
}

pub(crate) fn container_digest(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let digest = call
        .store
        .container_data_digest(operand(call, 0), operand(call, 1))
        .map_err(|error| without(error, ErrorKind::DigestUnknown))?;
    line(call, digest)?;
    Ok(0)
}

pub(crate) fn set_layer(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let mut data = input(call)?;
    call.store
        .set_layer_data(operand(call, 0), operand(call, 1), &mut data)?;
    Ok(0)
}

/// Items of an image are digested as plain bytes, manifests too: like Go's, this tool does not know
/// a manifest whose signature has to be left out.
pub(crate) fn set_image(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let data = whole_input(call)?;
    let item = BigDataItem::new(operand(call, 1), data).with_plain_digest();
    call.store.set_image_data(operand(call, 0), item)?;
    Ok(0)
}

pub(crate) fn set_container(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let data = whole_input(call)?;
    let item = BigDataItem::new(operand(call, 1), data);
    call.store.set_container_data(operand(call, 0), item)?;
    Ok(0)
}

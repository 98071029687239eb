//! Directories of images and containers, and the owners of the directories above a mounted layer.

use std::path::PathBuf;

use layerhold::{DirectoryError, ParentOwners};
use serde::Serialize;

use super::call::Call;
use super::messages::about;
use super::output::{code, json, line, note};
use crate::failure::Failure;

fn show(
    call: &mut Call<'_, '_>,
    find: impl Fn(&layerhold::Store, &str) -> Result<PathBuf, DirectoryError>,
) -> Result<u8, Failure> {
    let key = call.operands.first().map_or("", String::as_str);
    let path = find(call.store, key)?;
    line(call, path.display())?;
    Ok(0)
}

pub(crate) fn image(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    show(call, |store, key| store.image_directory(key))
}

pub(crate) fn image_run(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    show(call, |store, key| store.image_run_directory(key))
}

pub(crate) fn container(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    show(call, |store, key| store.container_directory(key))
}

pub(crate) fn container_run(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    show(call, |store, key| store.container_run_directory(key))
}

#[derive(Serialize)]
struct Owners<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "UIDs")]
    uids: Option<&'a [u32]>,
    #[serde(rename = "GIDs")]
    gids: Option<&'a [u32]>,
}

/// Which lines are printed for an empty list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EmptyLines {
    Printed,
    LeftOut,
}

fn show_owners(
    call: &mut Call<'_, '_>,
    id: &str,
    owners: &ParentOwners,
    empty: EmptyLines,
) -> Result<(), Failure> {
    if call.flags.is_on("json") {
        // Go prints an empty list that it never created as null.
        let listed = |ids: &'_ [u32]| (!ids.is_empty()).then(|| ids.to_vec());
        let (uids, gids) = (listed(&owners.uids), listed(&owners.gids));
        json(
            call,
            &Owners {
                id,
                uids: uids.as_deref(),
                gids: gids.as_deref(),
            },
        )?;
        return Ok(());
    }
    line(call, format_args!("ID: {id}"))?;
    for (kind, ids) in [("UIDs", &owners.uids), ("GIDs", &owners.gids)] {
        if empty == EmptyLines::Printed || !ids.is_empty() {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            line(call, format_args!("{kind}: [{}]", ids.join(" ")))?;
        }
    }
    Ok(())
}

pub(crate) fn layer_parent_owners(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let snapshot = call.store.snapshot()?;
    let mut missing = false;
    for operand in call.operands {
        match snapshot.layer(operand) {
            Ok(layer) => {
                let owners = call.store.layer_parent_owners(layer.id())?;
                show_owners(call, layer.id().as_str(), &owners, EmptyLines::LeftOut)?;
            }
            Err(error) => {
                missing = true;
                let text = about(operand, error);
                note(call, format_args!("{operand}: {text}"))?;
            }
        }
    }
    Ok(code(missing))
}

pub(crate) fn container_parent_owners(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let snapshot = call.store.snapshot()?;
    let mut missing = false;
    for operand in call.operands {
        match snapshot.container(operand) {
            Ok(container) => {
                let owners = call.store.container_parent_owners(container.id())?;
                show_owners(call, container.id().as_str(), &owners, EmptyLines::Printed)?;
            }
            Err(error) => {
                missing = true;
                let text = about(operand, error);
                note(call, format_args!("{operand}: {text}"))?;
            }
        }
    }
    Ok(code(missing))
}

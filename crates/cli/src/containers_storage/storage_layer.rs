//! `create-storage-layer`: a layer of the driver that no record names.

use layerhold::LayerAccess;
use layerhold::layerhold_driver::{LayerRef, StageRequest};
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;
use layerhold_sys::{PathError, random_bytes};

use super::call::Call;
use super::maps;
use super::output::{json, line};
use crate::failure::Failure;

/// Creates a layer that the store does not know, for tests of check and repair: the store takes it
/// for a leftover. So the parent is named by its ID, and no lock is taken.
pub(crate) fn create(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let id: LayerId = match call.flags.text("id") {
        "" => random_id()?,
        text => text.parse().map_err(Failure::value)?,
    };
    let parent: Option<LayerId> = match call.operands.first().map_or("", String::as_str) {
        "" => None,
        text => Some(text.parse().map_err(Failure::value)?),
    };
    let inherited = IdMappings::IDENTITY;
    let options = maps::choice(call.flags)?;
    let id_maps = IdMappings::new(
        options.uids.resolve(&inherited.uids),
        options.gids.resolve(&inherited.gids),
    );
    let access = if call.flags.is_on("readonly") {
        LayerAccess::ReadOnly
    } else {
        LayerAccess::ReadWrite
    };
    let mut request = StageRequest::new()
        .with_access(access)
        .with_mount_label(call.flags.text("label"))
        .with_id_maps(id_maps);
    if let Some(parent) = &parent {
        request = request.with_parent(LayerRef::Committed(parent));
    }
    let driver = call.store.driver();
    let staged = driver.stage(&request).map_err(Failure::value)?;
    staged
        .commit(&id)
        .map_err(|failed| Failure::value(failed.source))?;
    if call.flags.is_on("json") {
        return json(call, &id.as_str());
    }
    line(call, &id)?;
    Ok(0)
}

#[derive(Debug, thiserror::Error)]
#[error("cannot generate an ID")]
struct NoId(#[source] Option<PathError>);

fn random_id() -> Result<LayerId, Failure> {
    let mut problem = None;
    let id = LayerId::generate(|buffer| problem = random_bytes(buffer).err().or(problem.take()));
    match (id, problem) {
        (Some(id), None) => Ok(id),
        (_, problem) => Err(Failure::value(NoId(problem))),
    }
}

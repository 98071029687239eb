//! Mode and owner of the directories that the driver makes.

use layerhold_archive::ChownErrors;
use layerhold_driver::{LayerError, is_refusal};
use layerhold_idmap::{HostOwner, IdMappings};
use layerhold_sys::{Dir, PathError};

use crate::context::Context;

/// The owner of what belongs to root in a container.
pub(crate) fn root_pair(maps: &IdMappings) -> Result<HostOwner, LayerError> {
    maps.root_pair().map_err(LayerError::RootPair)
}

/// Sets mode and owner of a directory.
pub(crate) fn set_mode_and_owner(
    context: &Context,
    dir: &Dir,
    mode: u32,
    owner: HostOwner,
) -> Result<(), LayerError> {
    try_set_mode_and_owner(context, dir, mode, owner)
        .map_err(|source| LayerError::of_owner(source, owner.uid.get(), owner.gid.get()))
}

/// Sets mode and owner of a directory, each only if it differs: an ordinary user may not set an
/// owner at all, not even the present one. The error says nothing of the user namespace.
pub(crate) fn try_set_mode_and_owner(
    context: &Context,
    dir: &Dir,
    mode: u32,
    owner: HostOwner,
) -> Result<(), PathError> {
    let stat = dir.stat_self()?;
    let (uid, gid) = (owner.uid.get(), owner.gid.get());
    if (stat.uid, stat.gid) != (uid, gid) {
        match dir.set_own_owner(Some(uid), Some(gid)) {
            Err(error)
                if context.options.chown_errors == ChownErrors::Ignore && is_refusal(&error) => {}
            other => other?,
        }
    }
    if stat.permissions() != mode || (stat.uid, stat.gid) != (uid, gid) {
        dir.set_own_mode(mode)?;
    }
    Ok(())
}

//! Mode, owner and times of the root directory of a new layer.

use layerhold_driver::LayerError;
use layerhold_idmap::{ContainerOwner, HostOwner, OVERRIDE_STAT_XATTR, OverrideKind, OverrideStat};
use layerhold_sys::{Dir, PathError, Stat, Times, xattr};

use crate::context::Context;
use crate::disk::ROOT_MODE;
use crate::layers::{Parent, set_mode_and_owner};

/// The attributes that the root directory of a layer got before anything was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RootAttributes {
    mode: u32,
    uid: u32,
    gid: u32,
}

impl RootAttributes {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            mode: stat.permissions(),
            uid: stat.uid,
            gid: stat.gid,
        }
    }

    /// Takes over what the root of the parent has got since this layer was staged, unless this
    /// layer's own archive has set other attributes. Layers of an image may be filled at the same
    /// time.
    pub(super) fn follow(
        self,
        context: &Context,
        root: &Dir,
        parent: &Parent,
    ) -> Result<(), LayerError> {
        let Parent::Staged(_) = parent else {
            return Ok(());
        };
        let Some(parent) = parent.open_diff()? else {
            return Ok(());
        };
        let theirs = Self::of(&parent.stat_self()?);
        if context.options.force_mask.is_none()
            && theirs != self
            && Self::of(&root.stat_self()?) == self
        {
            let owner = HostOwner::new(theirs.uid, theirs.gid);
            set_mode_and_owner(context, root, theirs.mode, owner)?;
        }
        Ok(())
    }
}

/// Gives the root directory of a layer mode, owner and times: those of its parent's, else those of
/// a base layer (Go: drivers/overlay/overlay.go, `getLayerPermissions`).
pub(super) fn set_root_attributes(
    context: &Context,
    root: &Dir,
    parent: &Parent,
    owner: HostOwner,
) -> Result<(), LayerError> {
    let (mut mode, mut wanted) = (ROOT_MODE, owner);
    let parent = parent.open_diff()?;
    if let Some(parent) = &parent {
        let stat = parent.stat_self()?;
        (mode, wanted) = (stat.permissions(), HostOwner::new(stat.uid, stat.gid));
        if let Some(real) = real_attributes(parent)? {
            mode = real.mode.into();
            wanted = HostOwner::new(real.owner.uid.get(), real.owner.gid.get());
        }
    }
    match context.options.force_mask {
        Some(mask) => {
            let real = OverrideStat {
                owner: ContainerOwner::new(wanted.uid.get(), wanted.gid.get()),
                mode: u16::try_from(mode & 0o7777).unwrap_or_default(),
                kind: OverrideKind::Dir,
            };
            xattr::set(root, OVERRIDE_STAT_XATTR, real.to_string().as_bytes())?;
            set_mode_and_owner(context, root, mask, owner)?;
        }
        None => set_mode_and_owner(context, root, mode, wanted)?,
    }
    if let Some(parent) = &parent {
        root.set_own_times(&Times::of(&parent.stat_self()?))?;
    }
    Ok(())
}

/// The attributes that a directory is meant to have, which `force_mask` keeps in an attribute.
fn real_attributes(dir: &Dir) -> Result<Option<OverrideStat>, PathError> {
    let text = xattr::get(dir, OVERRIDE_STAT_XATTR)?;
    Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()))
}

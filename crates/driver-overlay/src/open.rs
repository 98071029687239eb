//! Opening the driver: how it mounts, and whether it can use the filesystem.

use std::sync::Arc;

use layerhold_driver::{
    Access, Driver, DriverConfig, DriverFactory, FsMount, MountCounter, OpenError, OptionError,
    Privilege,
};
use layerhold_sys::mount::make_private;
use layerhold_sys::{
    Dir, FsMagic, OverlayApi, PathError, best_effort, effective_user, fs_magic, in_user_namespace,
};

use crate::context::{Context, ProbedFeatures};
use crate::disk::{Homes, LINKS, MOUNT_PROGRAM_FLAG, NAME, PRIVATE_MODE, SHARED_MODE, TEMP};
use crate::driver::OverlayDriver;
use crate::kernel::{FeatureCache, MadeBy, Quota, made_by, may_have_quota, note_made_by, usual};
use crate::options::OverlayOptions;

/// Registers the overlay driver.
#[derive(Debug, Clone, Copy, Default)]
pub struct OverlayFactory {
    api: Option<OverlayApi>,
}

impl OverlayFactory {
    /// Opens drivers that use the newest way to mount that the kernel supports.
    #[must_use]
    pub const fn new() -> Self {
        Self { api: None }
    }

    /// Opens drivers that mount in this way, whatever the kernel supports.
    #[must_use]
    pub const fn with_api(mut self, api: OverlayApi) -> Self {
        self.api = Some(api);
        self
    }
}

impl DriverFactory for OverlayFactory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, config: &DriverConfig) -> Result<Arc<dyn Driver>, OpenError> {
        let api = self.api.unwrap_or_else(OverlayApi::detect);
        Ok(Arc::new(OverlayDriver::open_with(config, api)?))
    }
}

impl OverlayDriver {
    /// Opens the driver at `root/overlay` (Go: drivers/overlay/overlay.go, `Init`).
    ///
    /// With write access the directory is made, features of the kernel are probed unless the run
    /// root has the answers, and the directory becomes a mount of its own. With read access nothing
    /// is changed or probed.
    ///
    /// # Errors
    ///
    /// A wrong option; [`OpenError::NotSupported`] and [`OpenError::IncompatibleFilesystem`] where
    /// overlay cannot work.
    pub fn open(config: &DriverConfig) -> Result<Self, OpenError> {
        Self::open_with(config, OverlayApi::detect())
    }

    fn open_with(config: &DriverConfig, api: OverlayApi) -> Result<Self, OpenError> {
        let options = OverlayOptions::parse(&config.options)?;
        let mut context = Context {
            homes: Homes::new(config, options.additional.clone()),
            cache: FeatureCache::new(config.run_root.join(NAME)),
            mount_program: options.mount_program.clone(),
            privilege: privilege(config)?,
            shifting: config.shifting,
            api,
            backing: backing(config)?,
            quota: None,
            probed: ProbedFeatures::default(),
            options,
        };
        if config.access == Access::ReadWrite {
            prepare(&mut context)?;
        }
        let kind = match context.mount_program {
            Some(_) => FsMagic::FUSE,
            None => FsMagic::OVERLAY,
        };
        Ok(Self {
            context: Arc::new(context),
            counter: MountCounter::new(FsMount(kind)),
        })
    }
}

/// What the process may do: what the configuration says, and no more than its user namespace
/// allows.
fn privilege(config: &DriverConfig) -> Result<Privilege, PathError> {
    if in_user_namespace()? {
        return Ok(Privilege::UserNamespace);
    }
    Ok(config.privilege)
}

/// The kind of filesystem that the graph root is on.
fn backing(config: &DriverConfig) -> Result<FsMagic, PathError> {
    let root = match config.access {
        Access::ReadWrite => Dir::create_ambient_all(&config.root, PRIVATE_MODE)?,
        Access::ReadOnly => Dir::open_ambient(&config.root)?,
    };
    fs_magic(&root)
}

/// Makes what is missing and decides how to mount.
fn prepare(context: &mut Context) -> Result<(), OpenError> {
    for home in context.homes.main() {
        drop(Dir::create_ambient_all(
            home.path().join(LINKS),
            SHARED_MODE,
        )?);
    }
    let decided = decide(context);
    if decided.is_err() {
        // Otherwise the next detection would find state of this driver.
        remove_empty(context);
    }
    decided?;
    let own = context.homes.own().path();
    if !context.options.skip_mount_home {
        make_private(own)?;
    }
    context.quota = quota(context)?;
    Ok(())
}

fn decide(context: &mut Context) -> Result<(), OpenError> {
    let home = Dir::open_ambient(context.homes.own().path())?;
    drop(Dir::create_ambient_all(context.cache.path(), PRIVATE_MODE)?);
    if context.mount_program.is_none() && effective_user() != 0 {
        return Err(OpenError::Prerequisites {
            reason: "overlay needs root, in a user namespace at least, or a mount_program"
                .to_owned(),
        });
    }
    if context.mount_program.is_none() {
        let made_by_program = made_by(&home)? == MadeBy::Program;
        if made_by_program || context.check_overlay().is_err() {
            context.mount_program = usual();
        }
    }
    let network = is_network(context.backing) && context.privilege == Privilege::UserNamespace;
    if context.mount_program.is_some() {
        if network && context.options.force_mask.is_none() {
            // Such filesystems do not take the owners of a user namespace.
            context.options.force_mask = Some(PRIVATE_MODE);
        }
        return Ok(note_made_by(&home, MadeBy::Program)?);
    }
    if [FsMagic::AUFS, FsMagic::OVERLAY, FsMagic::ECRYPTFS].contains(&context.backing) {
        let name = context.backing.name().unwrap_or("<unknown>");
        return Err(OpenError::IncompatibleFilesystem {
            reason: format!("'overlay' is not supported over {name}, a mount_program is required"),
        });
    }
    if network {
        return Err(OpenError::IncompatibleFilesystem {
            reason: "a network file system with user namespaces is not supported.  Please use a mount_program"
                .to_owned(),
        });
    }
    Ok(context.check_overlay()?)
}

/// Removes the homes of a driver that cannot be used, if they are empty.
fn remove_empty(context: &Context) {
    for home in context.homes.main() {
        let (path, name) = (home.path(), home.path().file_name());
        if let (Ok(dir), Some(above), Some(name)) = (Dir::open_ambient(path), path.parent(), name) {
            // A probe leaves a note and its directory.
            let is_empty = dir.entries().is_ok_and(|entries| {
                entries.flatten().all(|entry| {
                    [LINKS, TEMP, MOUNT_PROGRAM_FLAG]
                        .iter()
                        .any(|known| entry.name == *known)
                })
            });
            if is_empty {
                best_effort(dir.remove_empty_dir(LINKS));
                best_effort(dir.remove_empty_dir(TEMP));
                best_effort(dir.remove_file(MOUNT_PROGRAM_FLAG));
                best_effort(
                    Dir::open_ambient(above).and_then(|above| above.remove_empty_dir(name)),
                );
            }
        }
    }
}

/// Finds out whether layers can be limited. If not, that is an error only where options ask for
/// limits.
fn quota(context: &Context) -> Result<Option<Quota>, OpenError> {
    let refusal = |reason| Err(OptionError::Quota(reason).into());
    if !may_have_quota(context.backing) {
        if context.options.limits.are_set() {
            let name = context.backing.name().unwrap_or("<unknown>");
            return refusal(format!(
                "storage option overlay.size and overlay.inodes only supported for backingFS XFS. Found {name}"
            ));
        }
        return Ok(None);
    }
    let home = Dir::open_ambient(context.homes.own().path())?;
    match Quota::open(context.homes.own(), &home) {
        Ok(quota) => Ok(Some(quota)),
        Err(error) if context.options.limits.are_set() => {
            if context.backing == FsMagic::XFS {
                return refusal(format!(
                    "storage options overlay.size and overlay.inodes not supported. Filesystem does not support Project Quota: {}",
                    error.into_source()
                ));
            }
            let name = context.backing.name().unwrap_or("<unknown>");
            refusal(format!(
                "storage option overlay.size and overlay.inodes only supported for backingFS XFS. Found {name}"
            ))
        }
        Err(_) => Ok(None),
    }
}

/// Filesystems of other machines, on which a user namespace cannot work (Go:
/// drivers/overlay/overlay.go, `isNetworkFileSystem`, with the numbers of drivers/driver_linux.go).
fn is_network(kind: FsMagic) -> bool {
    const NUMBERS: [u32; 19] = [
        0x0000_6969, // NFS
        0x0000_517B, // SMB
        0x6163_6673, // ACFS
        0x5346_414F, // AFS
        0x00C3_6400, // Ceph
        0xFF53_4D42, // CIFS
        0x4750_4653, // GPFS
        0x0131_11A8, // IBRIX
        0x6B41_4653, // KAFS
        0x0BD0_0BD0, // Lustre
        0x0000_564C, // NCP
        0x6E66_7364, // NFSD
        0x7461_636F, // OCFS2
        0xAAD7_AAEA, // PanFS
        0x7C7C_6673, // PRLFS
        0xFE53_4D42, // SMB 2
        0xBEEF_DEAD, // SNFS
        0x786F_4256, // VirtualBox
        0xA501_FCF5, // VxFS
    ];
    NUMBERS.contains(&kind.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_of_this_machine_are_no_network() {
        for kind in [
            FsMagic::EXT,
            FsMagic::XFS,
            FsMagic::BTRFS,
            FsMagic::TMPFS,
            FsMagic::FUSE,
        ] {
            assert!(!is_network(kind));
        }
        assert!(is_network(FsMagic::NFS));
        assert!(is_network(FsMagic::SMB));
    }
}

//! How a store is opened.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use layerhold_driver::{Privilege, Shifting, SyncMode};
use layerhold_idmap::IdMappings;
use layerhold_sys::{Cancel, HostIo, MetadataIo};

use crate::catalog::transient::Persistence;
use crate::engine::notices::{Notice, Notices};
use crate::engine::userns::AutoUserNsPolicy;

/// How a store is opened.
///
/// Nothing is read from the environment or from `storage.conf`: whoever wants that reads it and
/// fills this in.
///
/// ```
/// use layerhold::StoreOptions;
///
/// let options = StoreOptions::new("/var/lib/containers/storage", "/run/containers/storage").with_driver("vfs");
/// assert_eq!(options.driver.as_deref(), Some("vfs"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Directory of everything that has to survive a reboot. Made when missing, with mode 0700.
    pub graph_root: PathBuf,
    /// Directory of everything that may be lost at a reboot: mount counts, run-time files of
    /// containers.
    pub run_root: PathBuf,
    /// Directory of a store of their own for images and their layers. New ones go there; those in
    /// the graph root stay in use.
    pub image_store: Option<PathBuf>,
    /// Whether containers survive a reboot.
    pub persistence: Persistence,
    /// Graph driver by name; `None` finds the one the store was made with, else the first usable
    /// one.
    pub driver: Option<String>,
    /// Drivers to try, in order, when none is named and the store is new.
    pub driver_priority: Vec<String>,
    /// Driver options as `key=value`, such as `vfs.ignore_chown_errors=true`.
    pub driver_options: Vec<String>,
    /// Maps for new layers and containers that are asked for without maps.
    pub id_maps: IdMappings,
    /// What containers get that let the store choose their user namespace.
    pub auto_userns: AutoUserNsPolicy,
    /// The root directory of the system whose files are asked, `/` mostly. About users:
    /// `etc/subuid`, `etc/subgid`, `etc/passwd`, `proc/self/uid_map` and `proc/self/gid_map`, when
    /// a user namespace is chosen; and about SELinux, when a container is created:
    /// `sys/fs/selinux/enforce`, `proc/self/attr/current`, `usr/share/containers/selinux/contexts`,
    /// `etc/selinux`.
    pub host_root: PathBuf,
    /// Options for programs that pull images (`enable_partial_images`, `convert_images`,
    /// `use_hard_links`, `ostree_repos`, `insecure_allow_unpredictable_image_contents`), as texts
    /// by name. The store hands them on, and a check does not compare times of files where
    /// `use_hard_links` is `true`.
    pub pull_options: BTreeMap<String, String>,
    /// Whether volatile containers are mounted without syncing.
    pub volatile_mounts: VolatileMounts,
    /// When contents are flushed. `None` takes the driver option `sync`, else flushes once per
    /// commit.
    pub sync: Option<SyncMode>,
    /// Whether writers erase temporary areas of killed processes.
    pub recovery: Recovery,
    /// Who is told of work that takes time and was not asked for.
    pub notices: Notices,
    /// Asks imports and waits for locks to stop.
    pub cancel: Cancel,
    /// What the process may do on the filesystem.
    pub privilege: Privilege,
    /// Whether mounts may show the owners of a container shifted. Without it they are rewritten by
    /// copying.
    pub shifting: Shifting,
    /// How record files are read and written; tests put something here that fails.
    pub metadata_io: Arc<dyn MetadataIo>,
}

impl StoreOptions {
    /// Describes a store at two directories, with defaults for the rest.
    #[must_use]
    pub fn new(graph_root: impl Into<PathBuf>, run_root: impl Into<PathBuf>) -> Self {
        Self {
            graph_root: graph_root.into(),
            run_root: run_root.into(),
            image_store: None,
            persistence: Persistence::default(),
            driver: None,
            driver_priority: Vec::new(),
            driver_options: Vec::new(),
            id_maps: IdMappings::default(),
            auto_userns: AutoUserNsPolicy::default(),
            host_root: PathBuf::from("/"),
            pull_options: BTreeMap::new(),
            volatile_mounts: VolatileMounts::default(),
            sync: None,
            recovery: Recovery::default(),
            notices: Notices::default(),
            cancel: Cancel::new(),
            privilege: Privilege::default(),
            shifting: Shifting::default(),
            metadata_io: Arc::new(HostIo),
        }
    }

    /// Keeps images and their layers in a store of their own.
    #[must_use]
    pub fn with_image_store(mut self, root: impl Into<PathBuf>) -> Self {
        self.image_store = Some(root.into());
        self
    }

    /// Sets whether containers survive a reboot.
    #[must_use]
    pub fn with_persistence(mut self, persistence: Persistence) -> Self {
        self.persistence = persistence;
        self
    }

    /// Names the graph driver.
    #[must_use]
    pub fn with_driver(mut self, driver: impl Into<String>) -> Self {
        self.driver = Some(driver.into());
        self
    }

    /// Adds one driver option, `key=value`.
    #[must_use]
    pub fn with_driver_option(mut self, option: impl Into<String>) -> Self {
        self.driver_options.push(option.into());
        self
    }

    /// Sets one option for programs that pull images.
    #[must_use]
    pub fn with_pull_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        drop(self.pull_options.insert(name.into(), value.into()));
        self
    }

    /// Sets whether volatile containers are mounted without syncing.
    #[must_use]
    pub fn with_volatile_mounts(mut self, mounts: VolatileMounts) -> Self {
        self.volatile_mounts = mounts;
        self
    }

    /// Sets when contents are flushed.
    #[must_use]
    pub fn with_sync(mut self, sync: SyncMode) -> Self {
        self.sync = Some(sync);
        self
    }

    /// Sets the maps for what is created without maps.
    #[must_use]
    pub fn with_id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = maps;
        self
    }

    /// Sets what containers get that let the store choose their user namespace.
    #[must_use]
    pub fn with_auto_userns(mut self, policy: AutoUserNsPolicy) -> Self {
        self.auto_userns = policy;
        self
    }

    /// Sets the root directory of the system whose files are asked.
    #[must_use]
    pub fn with_host_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.host_root = root.into();
        self
    }

    /// Sets what the process may do on the filesystem.
    #[must_use]
    pub fn with_privilege(mut self, privilege: Privilege) -> Self {
        self.privilege = privilege;
        self
    }

    /// Sets whether mounts may show owners shifted.
    #[must_use]
    pub fn with_shifting(mut self, shifting: Shifting) -> Self {
        self.shifting = shifting;
        self
    }

    /// Sets how record files are read and written.
    #[must_use]
    pub fn with_metadata_io(mut self, io: Arc<dyn MetadataIo>) -> Self {
        self.metadata_io = io;
        self
    }

    /// Sets whether writers erase what killed processes left.
    #[must_use]
    pub fn with_recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// Hands in a request to stop, which may be made at any time later, from any thread.
    ///
    /// An import then fails between two buffers, a commit that has not begun to change the store
    /// fails, and waits for locks end; what was staged is erased as after any failure. A commit or
    /// deletion that has begun comes to its end, but what a deletion removed is left for the next
    /// writer to erase. A reader that the caller hands in has to end by itself
    /// ([`CancellableReader`](layerhold_sys::CancellableReader)).
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Has a function called before work that takes time and was not asked for.
    ///
    /// ```
    /// use layerhold::{Notice, StoreOptions};
    ///
    /// let options = StoreOptions::new("/graph", "/run").with_notices(|notice| match notice {
    ///     Notice::ErasingLeftovers { areas } => eprintln!("erasing {} areas of killed processes", areas.len()),
    ///     _ => {}
    /// });
    /// # drop(options);
    /// ```
    #[must_use]
    pub fn with_notices(mut self, listener: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.notices = Notices::new(listener);
        self
    }
}

/// Whether the layers of containers that may be lost at a reboot are mounted without syncing (Go:
/// `StoreOptions`, `DisableVolatile`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum VolatileMounts {
    /// They are, where the driver can do that.
    #[default]
    Allowed,
    /// They are mounted like those of other containers.
    Disabled,
}

/// Whether what killed processes left behind is erased. Readers never do it, and neither does
/// opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Recovery {
    /// A transaction erases temporary areas whose owner is gone when it begins, and so does a
    /// deletion when it is done; failing to do so never stops them.
    #[default]
    ByWriters,
    /// Only [`Store::garbage_collect`](crate::Store::garbage_collect) and a repair do it.
    Never,
}

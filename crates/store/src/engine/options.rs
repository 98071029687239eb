//! How a store is opened.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use layerhold_archive::ImportOptions;
use layerhold_driver::{DriverFactory, Privilege, Registry, Shifting, SyncMode};
use layerhold_idmap::IdMappings;
use layerhold_sys::{Cancel, HostIo, MetadataIo};

use crate::catalog::options::LockBounds;
use crate::catalog::transient::Persistence;
use crate::engine::built_in::built_in;
use crate::engine::notices::{Notice, Notices};
use crate::engine::userns::AutoUserNsPolicy;

/// How a store is opened.
///
/// Nothing is read from the environment or from `storage.conf`, except by
/// `StoreOptions::of_user` (feature `config`), which returns the options for the user's own store.
/// A configuration that was read otherwise is converted with `From`.
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
    /// Directory of everything that has to survive a reboot. Created when missing, with mode 0700.
    pub graph_root: PathBuf,
    /// Directory of everything that may be lost at a reboot: mount counts, run-time files of
    /// containers.
    pub run_root: PathBuf,
    /// Directory of a separate store for images and their layers. New images go there; those in the
    /// graph root stay in use.
    pub image_store: Option<PathBuf>,
    /// Whether containers survive a reboot.
    pub persistence: Persistence,
    /// Graph driver by name; `None` finds the one the store was created with, else the first usable
    /// one.
    pub driver: Option<String>,
    /// The drivers that the store may use: those whose features this crate was built with
    /// (`overlay`, `vfs`), unless others are [added](Self::with_driver_factory) or
    /// [set](Self::with_drivers).
    pub drivers: Registry,
    /// Drivers to try, in order, when none is named and the store is new.
    pub driver_priority: Vec<String>,
    /// Driver options as `key=value`, such as `vfs.ignore_chown_errors=true`.
    pub driver_options: Vec<String>,
    /// ID maps for new layers and containers that are requested without maps.
    pub id_maps: IdMappings,
    /// What the store may choose for containers that leave their user namespace to it.
    pub auto_userns: AutoUserNsPolicy,
    /// The root directory of the system whose files are read, usually `/`. About users:
    /// `etc/subuid`, `etc/subgid`, `etc/passwd`, `proc/self/uid_map` and `proc/self/gid_map`, when
    /// a user namespace is chosen; and about SELinux, when a container is created:
    /// `sys/fs/selinux/enforce`, `proc/self/attr/current`, `usr/share/containers/selinux/contexts`,
    /// `etc/selinux`.
    pub host_root: PathBuf,
    /// Options for programs that pull images (`enable_partial_images`, `convert_images`,
    /// `use_hard_links`, `ostree_repos`, `insecure_allow_unpredictable_image_contents`), as texts
    /// by name. The store only carries them; a check does not compare times of files where
    /// `use_hard_links` is `true`.
    pub pull_options: BTreeMap<String, String>,
    /// Whether volatile containers are mounted without syncing.
    pub volatile_mounts: VolatileMounts,
    /// When contents are flushed. `None` takes the driver option `sync`, else flushes once per
    /// commit.
    pub sync: Option<SyncMode>,
    /// Whether writers erase temporary areas of killed processes.
    pub recovery: Recovery,
    /// The function that is called before work that takes time and was not asked for.
    pub notices: Notices,
    /// The most bytes that an imported layer may unpack to
    /// ([`ImportOptions::max_unpacked_bytes`]). `None`, the default, is no limit, as in Go.
    pub max_unpacked_bytes: Option<u64>,
    /// The most entries that an imported layer may have ([`ImportOptions::max_entries`]). `None`,
    /// the default, is no limit, as in Go.
    pub max_entries: Option<u64>,
    /// Stops operations and waits for locks.
    pub cancel: Cancel,
    /// The longest wait for a lock of the store; `None` for no bound.
    pub lock_timeout: Option<Duration>,
    /// What the process may do on the filesystem.
    pub privilege: Privilege,
    /// Whether mounts may shift owners for a container. Otherwise owners are rewritten by copying.
    pub shifting: Shifting,
    /// How record files are read and written; tests put a failing implementation here.
    pub metadata_io: Arc<dyn MetadataIo>,
    /// Likely mistakes in the configuration that these options come from; the store does not look
    /// at them.
    #[cfg(feature = "config")]
    pub config_warnings: Vec<layerhold_config::Warning>,
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
            drivers: built_in(),
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
            max_unpacked_bytes: None,
            max_entries: None,
            cancel: Cancel::new(),
            lock_timeout: None,
            privilege: Privilege::default(),
            shifting: Shifting::default(),
            metadata_io: Arc::new(HostIo),
            #[cfg(feature = "config")]
            config_warnings: Vec::new(),
        }
    }

    /// Keeps images and their layers in a separate store.
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

    /// Adds a driver that the store may use, in place of the one with its name if there is one.
    ///
    /// A store without a named driver is opened with the added one if it has contents of it, or if
    /// no driver before it works. [`with_driver`](Self::with_driver) with its name makes sure.
    /// Programs without this driver, Go's tools among them, do not see its layers.
    #[must_use]
    pub fn with_driver_factory(mut self, factory: impl DriverFactory + 'static) -> Self {
        self.drivers = self.drivers.with(factory);
        self
    }

    /// Sets the drivers that the store may use, instead of those that this crate was built with.
    #[must_use]
    pub fn with_drivers(mut self, drivers: Registry) -> Self {
        self.drivers = drivers;
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

    /// Sets the ID maps for what is created without maps.
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

    /// Sets the root directory of the system whose files are read.
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

    /// Sets whether mounts may shift owners.
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

    /// Sets whether writers erase leftovers of killed processes.
    #[must_use]
    pub fn with_recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// Limits the bytes that each imported layer may unpack to, so that an archive which is small
    /// as it comes cannot fill the disk. An import beyond fails with
    /// [`ImportError::TooLarge`](layerhold_archive::ImportError::TooLarge).
    #[must_use]
    pub fn with_max_unpacked_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.max_unpacked_bytes = bytes.into();
        self
    }

    /// Limits the entries that each imported layer may have.
    #[must_use]
    pub fn with_max_entries(mut self, entries: impl Into<Option<u64>>) -> Self {
        self.max_entries = entries.into();
        self
    }

    /// Returns the options that all imports share.
    pub(crate) fn import_options(&self) -> ImportOptions {
        ImportOptions::new()
            .with_max_unpacked_bytes(self.max_unpacked_bytes)
            .with_max_entries(self.max_entries)
            .with_cancel(self.cancel.clone())
    }

    /// Sets the handle by which any thread can ask for a stop at any later time.
    /// [`Store::with_cancel`](crate::Store::with_cancel) replaces it for single operations.
    ///
    /// After a stop, operations fail with an error that
    /// [`is_cancelled`](crate::Error::is_cancelled): an import or a diff between two buffers;
    /// comparing, checking, counting and deduplicating between two files; a commit, deletion or
    /// garbage collection that has not begun to change the store; and a wait for a lock. The store
    /// stays as it was, and what was staged is erased as after any failure. Only the files that
    /// `apply_diff` has unpacked already stay in the layer.
    ///
    /// A commit or deletion that has begun to change the store is finished and succeeds. It erases
    /// nothing more, which is left to the next writer. A reader that the caller supplies has to end
    /// by itself ([`CancellableReader`](layerhold_sys::CancellableReader)).
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Sets the longest wait for a lock of the store. By default waits have no bound, as in Go.
    ///
    /// An operation that waited as long fails, with
    /// [`LockError::TimedOut`](layerhold_lockfile::LockError::TimedOut) as a cause: it names the lock
    /// file, and the processes that hold it where the kernel tells.
    /// [`ErrorKind::LockTimeout`](crate::ErrorKind::LockTimeout) recognises it.
    #[must_use]
    pub fn with_lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = Some(timeout);
        self
    }

    /// Sets a function that is called before work that takes time and was not asked for.
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

    /// Returns what ends waits for locks.
    pub(crate) fn lock_bounds(&self) -> LockBounds {
        LockBounds {
            cancel: self.cancel.clone(),
            timeout: self.lock_timeout,
        }
    }

    /// Returns the mount options of the first driver option `mountopt`, in order.
    pub(crate) fn default_mount_options(&self, driver: &str) -> Vec<String> {
        // With or without the driver's name in front (Go: store.go, `GetMountOptions`).
        let own = format!("{driver}.mountopt");
        let of_mounts = |option: &String| {
            let (key, value) = option.split_once('=')?;
            let key = key.trim().to_ascii_lowercase();
            let is_ours = [own.as_str(), ".mountopt", "mountopt"].contains(&key.as_str());
            is_ours.then(|| value.trim().split(',').map(str::to_owned).collect())
        };
        let options = self.driver_options.iter();
        options.filter_map(of_mounts).next().unwrap_or_default()
    }
}

/// Whether the layers of containers that may be lost at a reboot are mounted without syncing (Go:
/// `StoreOptions`, `DisableVolatile`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum VolatileMounts {
    /// Without syncing, where the driver supports it.
    #[default]
    Allowed,
    /// With syncing, as for other containers.
    Disabled,
}

/// When leftovers of killed processes are erased. Readers and opening never erase any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Recovery {
    /// A transaction erases temporary areas of dead processes when it begins, a deletion when it
    /// ends. A failure to do so stops neither.
    #[default]
    ByWriters,
    /// Only by [`Store::garbage_collect`](crate::Store::garbage_collect) and repairs.
    Never,
}

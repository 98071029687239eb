//! The configuration of a driver.

use std::path::{Path, PathBuf};

use layerhold_archive::UserNamespace;

use crate::mount::Shifting;

/// The configuration with which a driver is opened (Go: drivers/driver.go, `Options`).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DriverConfig {
    /// The graph root; the driver's home is the directory below it that has the driver's name.
    pub root: PathBuf,
    /// The run root.
    pub run_root: PathBuf,
    /// The graph root of the split-off image store, where image layers go.
    pub image_store: Option<PathBuf>,
    /// The order in which drivers are tried; empty for the usual one.
    pub priority: Vec<String>,
    /// `driver.key=value` options, in order.
    pub options: Vec<String>,
    /// Whether the driver may write.
    pub access: Access,
    /// What the process may do.
    pub privilege: Privilege,
    /// Whether mounts may show owners shifted. If not, owners are rewritten.
    pub shifting: Shifting,
}

impl DriverConfig {
    /// Describes a writable store at `root`, opened with full privileges and no options.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, run_root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            run_root: run_root.into(),
            image_store: None,
            priority: Vec::new(),
            options: Vec::new(),
            access: Access::ReadWrite,
            privilege: Privilege::Full,
            shifting: Shifting::Allowed,
        }
    }

    /// Sets the split-off image store.
    #[must_use]
    pub fn with_image_store(mut self, root: Option<PathBuf>) -> Self {
        self.image_store = root;
        self
    }

    /// Sets the order in which drivers are tried.
    #[must_use]
    pub fn with_priority(mut self, names: Vec<String>) -> Self {
        self.priority = names;
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: Vec<String>) -> Self {
        self.options = options;
        self
    }

    /// Sets whether the driver may write.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Sets what the process may do.
    #[must_use]
    pub fn with_privilege(mut self, privilege: Privilege) -> Self {
        self.privilege = privilege;
        self
    }

    /// Sets whether owners may be shifted.
    #[must_use]
    pub fn with_shifting(mut self, shifting: Shifting) -> Self {
        self.shifting = shifting;
        self
    }

    /// Returns the home of the driver called `name`.
    #[must_use]
    pub fn home(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Returns the graph root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Whether a driver may write to its home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// It creates its home and everything below.
    #[default]
    ReadWrite,
    /// It creates nothing, so that a store on read-only media can be opened.
    ReadOnly,
}

/// What the process may do (Go asks `unshare.IsRootless`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Privilege {
    /// It is root on the host: it makes device nodes and sets `trusted.*` attributes.
    #[default]
    Full,
    /// It runs in a user namespace or as an ordinary user: device nodes and `trusted.*` attributes
    /// are left out.
    UserNamespace,
}

impl From<Privilege> for UserNamespace {
    fn from(privilege: Privilege) -> Self {
        match privilege {
            Privilege::Full => Self::Initial,
            Privilege::UserNamespace => Self::Child,
        }
    }
}

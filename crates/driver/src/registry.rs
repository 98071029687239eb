//! The drivers a program brings along.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use layerhold_sys::PathError;

use crate::config::DriverConfig;
use crate::driver::Driver;
use crate::option::{DriverOption, OptionError, is_of_go};

/// Opens one kind of driver.
pub trait DriverFactory: Send + Sync {
    /// The name under which the driver is chosen.
    fn name(&self) -> &'static str;

    /// Opens the driver at [`config.home(name)`](DriverConfig::home), making the home when writing
    /// is allowed.
    fn open(&self, config: &DriverConfig) -> Result<Arc<dyn Driver>, OpenError>;
}

/// The drivers a program brings along: a plain value, so that two stores of one process may differ.
/// Cloning is cheap.
///
/// ```
/// use layerhold_driver::{DriverConfig, OpenError, Registry};
///
/// let registry = Registry::new();
/// let error = registry.open("zfs", &DriverConfig::new("/g", "/r")).err();
/// assert_eq!(error.map(|e| e.to_string()).as_deref(), Some("failed to GetDriver graph zfs /g: driver not supported"));
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    factories: Vec<Arc<dyn DriverFactory>>,
}

impl Registry {
    /// A registry without drivers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a driver.
    ///
    /// # Errors
    ///
    /// [`AlreadyRegistered`] when the name is taken.
    pub fn register(
        &mut self,
        factory: impl DriverFactory + 'static,
    ) -> Result<(), AlreadyRegistered> {
        if self.find(factory.name()).is_some() {
            return Err(AlreadyRegistered {
                name: factory.name(),
            });
        }
        self.factories.push(Arc::new(factory));
        Ok(())
    }

    /// Adds a driver, in place of the one with its name if there is one.
    #[must_use]
    pub fn with(mut self, factory: impl DriverFactory + 'static) -> Self {
        let name = factory.name();
        let factory: Arc<dyn DriverFactory> = Arc::new(factory);
        match self.factories.iter_mut().find(|known| known.name() == name) {
            Some(known) => *known = factory,
            None => self.factories.push(factory),
        }
        self
    }

    /// Returns the names, in the order of registration.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.factories.iter().map(|factory| factory.name())
    }

    /// Opens the driver of this name; `overlay2` is taken for `overlay`. Options that begin with
    /// the name of another driver are left out if no driver of Go's library has that name.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotCompiledIn`] for an unknown name, else the driver's own.
    pub fn open(&self, name: &str, config: &DriverConfig) -> Result<Arc<dyn Driver>, OpenError> {
        let name = if name == "overlay2" { "overlay" } else { name };
        match self.find(name) {
            Some(factory) => factory.open(&self.without_options_of_others(name, config)),
            None => Err(OpenError::NotCompiledIn {
                name: name.to_owned(),
                root: config.root.clone(),
            }),
        }
    }

    /// A driver knows the names of Go's drivers and its own; an option of any other is an error to
    /// it.
    fn without_options_of_others(&self, name: &str, config: &DriverConfig) -> DriverConfig {
        let mut config = config.clone();
        config.options.retain(|option| {
            let of = DriverOption::name_before_dot(option);
            of == name || is_of_go(&of) || !self.names().any(|known| known == of)
        });
        config
    }

    fn find(&self, name: &str) -> Option<&dyn DriverFactory> {
        self.factories
            .iter()
            .map(AsRef::as_ref)
            .find(|factory| factory.name() == name)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// A driver name was registered twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("name already registered {name}")]
pub struct AlreadyRegistered {
    /// The name.
    pub name: &'static str,
}

/// A driver could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No driver of this name was registered.
    #[error("failed to GetDriver graph {name} {}: driver not supported", root.display())]
    NotCompiledIn {
        /// The name.
        name: String,
        /// The graph root.
        root: PathBuf,
    },
    /// The graph root is a store of a driver that was not registered.
    #[error(
        "cannot use {}: it is a store of the {name} driver, which is not in this program, and nothing in it was changed; use podman or buildah for it, name another root, or give another driver by name to begin a second store there: driver not supported",
        root.display()
    )]
    OtherDriver {
        /// The driver.
        name: String,
        /// The graph root.
        root: PathBuf,
    },
    /// The driver cannot work on this system at all (Go: `ErrNotSupported`).
    #[error("{reason}: driver not supported")]
    NotSupported {
        /// What is missing.
        reason: String,
    },
    /// A prerequisite of the driver is missing (Go: `ErrPrerequisites`).
    #[error("{reason}: prerequisites for driver not satisfied (wrong filesystem?)")]
    Prerequisites {
        /// What is missing.
        reason: String,
    },
    /// The driver cannot use the filesystem of the graph root (Go: `ErrIncompatibleFS`).
    #[error("{reason}: backing file system is unsupported for this graph driver")]
    IncompatibleFilesystem {
        /// Why.
        reason: String,
    },
    /// A driver option is wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// A system call failed.
    #[error(transparent)]
    Os(#[from] PathError),
    /// The graph root holds the state of more than one driver.
    #[error(
        "{} contains several valid graphdrivers: {}; Please cleanup or explicitly choose storage driver (-s <DRIVER>)",
        root.display(), names.join(", ")
    )]
    Several {
        /// The graph root.
        root: PathBuf,
        /// The drivers with state there, in the order of the registry.
        names: Vec<&'static str>,
    },
    /// No driver works here.
    #[error("no supported storage backend found")]
    NoneUsable,
}

impl OpenError {
    /// Tells whether detection may go on to the next driver: this one is not supported, lacks a
    /// prerequisite or does not suit the filesystem. Anything else is an error to report.
    #[must_use]
    pub fn is_unsuitable(&self) -> bool {
        matches!(
            self,
            Self::NotCompiledIn { .. }
                | Self::NotSupported { .. }
                | Self::Prerequisites { .. }
                | Self::IncompatibleFilesystem { .. }
        )
    }
}

//! Why a registry cannot be reached as it is configured.

use std::path::PathBuf;

use layerhold_image_policy::LoadError as PolicyError;
use layerhold_registries_conf::{CertificatesError, RegistriesDError, RegistriesError};
use layerhold_registry::{ClientError, NameError};
use layerhold_registry_auth::{AuthError, HelperNameError, KeyError};
use layerhold_sys::PathError;

/// A registry that cannot be reached as it is configured. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The configuration blocks the registry.
    #[error("cannot use {registry}: {prefix} is blocked in {}", origin.display())]
    Blocked {
        /// The registry.
        registry: String,
        /// The blocked prefix.
        prefix: String,
        /// The file that blocks it.
        origin: PathBuf,
    },
    /// `registries.conf` or one of its drop-ins cannot be used.
    #[error(transparent)]
    Conf(#[from] RegistriesError),
    /// `registries.d` cannot be used.
    #[error(transparent)]
    Signatures(#[from] RegistriesDError),
    /// `policy.json` cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The credentials cannot be read.
    #[error(transparent)]
    Credentials(AuthError),
    /// The configuration names a credential helper that cannot be run.
    #[error(transparent)]
    HelperName(HelperNameError),
    /// Credentials cannot be looked up by such a name.
    #[error(transparent)]
    Key(KeyError),
    /// The certificates in `certs.d` are incomplete.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A certificate or key cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
    /// The name is not one that registries know.
    #[error(transparent)]
    Name(#[from] NameError),
}

//! The configuration of a user.

use std::sync::Arc;

use layerhold_environment::{Environment, HostFiles, Proxies};
use layerhold_image_policy::Policy;
use layerhold_registries_conf::{CredentialHelper, RegistriesConf, RegistriesD};
use layerhold_registry::ClientOptions;
use layerhold_registry_auth::{CredentialStore, HelperName, Source};

use super::proxy::choose;
use super::{CertificateFiles, ConnectError, Registries};

impl Registries {
    /// Uses the configuration of the user of this process: [`of`](Self::of) with
    /// [`Environment::of_process`].
    ///
    /// # Errors
    ///
    /// A file cannot be read, or is invalid.
    pub fn of_process() -> Result<Self, ConnectError> {
        Self::of(&Environment::of_process())
    }

    /// Uses the configuration of a user: `registries.conf` with its drop-ins, `policy.json`,
    /// `registries.d`, `auth.json` with what it names, `certs.d`, and the variables for proxies.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or is invalid. An absent `policy.json` is an error, as in podman:
    /// without it nothing says which images are trusted.
    pub fn of(environment: &Environment) -> Result<Self, ConnectError> {
        let policy = layerhold_image_policy::load(environment, &HostFiles)?;
        Self::of_with_policy(environment, policy)
    }

    /// Uses the configuration of a user as [`of`](Self::of) does, but accepts the images that this
    /// policy accepts. No `policy.json` is read.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or is invalid.
    pub fn of_with_policy(environment: &Environment, policy: Policy) -> Result<Self, ConnectError> {
        let conf = layerhold_registries_conf::load(environment, &HostFiles)?;
        let signatures = RegistriesD::load(environment, &HostFiles)?;
        let credentials = CredentialStore::new(environment.clone()).with_sources(sources(&conf)?);
        let proxies = Proxies::of(environment);
        let client = ClientOptions::default().proxy(move |origin| choose(&proxies, origin));
        Ok(Registries {
            conf: Arc::new(conf),
            policy: Arc::new(policy),
            signatures: Arc::new(signatures),
            login: None,
            credentials: Some(Arc::new(credentials)),
            certificates: CertificateFiles::OfUser(environment.clone()),
            verify_tls: None,
            client,
        })
    }
}

/// Where credentials are looked up.
fn sources(conf: &RegistriesConf) -> Result<Vec<Source>, ConnectError> {
    let helpers = conf.credential_helpers().iter();
    let sources = helpers.map(|helper| match helper {
        CredentialHelper::Program(name) => {
            let name: HelperName = name.parse().map_err(ConnectError::HelperName)?;
            Ok(Source::Helper(name))
        }
        _ => Ok(Source::Files),
    });
    sources.collect()
}

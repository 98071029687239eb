//! Repositories, with credentials and certificates.

use layerhold_environment::HostFiles;
use layerhold_reference::Reference;
use layerhold_registries_conf::{Certificates, PullSource};
use layerhold_registry::{Client, Endpoint, Login, Registry, Repository, Security};
use layerhold_registry_auth::Credentials;
use layerhold_sys::{Cancel, Dir, PathError};

use super::error::ConnectError;
use super::{CertificateFiles, Registries};

/// What a repository is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Pull,
    Push,
}

/// A repository, and the client that reaches it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) repository: Repository,
}

/// The place of an image in a registry.
pub(crate) struct Location<'a> {
    pub(crate) reference: &'a Reference,
    /// Whether the configuration lets it do without certificates and TLS.
    pub(crate) is_insecure: bool,
    /// The image that was asked for, of which this may be a mirror.
    pub(crate) asked: &'a Reference,
}

impl Registries {
    /// Returns the repository of a source that [`RegistriesConf::pull_sources`] names for an image.
    /// Nothing is sent yet. What it does is cancelled by `cancel`.
    ///
    /// [`RegistriesConf::pull_sources`]: layerhold_registries_conf::RegistriesConf::pull_sources
    ///
    /// # Errors
    ///
    /// The credentials or the certificates cannot be read.
    pub fn repository(
        &self,
        image: &Reference,
        source: &PullSource,
        cancel: &Cancel,
    ) -> Result<Repository, ConnectError> {
        let location = Location {
            reference: &source.reference,
            is_insecure: source.insecure,
            asked: image,
        };
        Ok(self.connect(&location, Purpose::Pull, cancel)?.repository)
    }

    /// Returns a registry, with these credentials and no others. Nothing is sent yet. Its work is
    /// cancelled by `cancel`.
    ///
    /// # Errors
    ///
    /// The registry is blocked, or the certificates cannot be read.
    pub fn registry(
        &self,
        name: &str,
        credentials: Option<&Credentials>,
        cancel: &Cancel,
    ) -> Result<Registry, ConnectError> {
        let configured = self.conf.registry_of(name);
        if let Some(configured) = configured.filter(|configured| configured.blocked) {
            return Err(ConnectError::Blocked {
                registry: name.to_owned(),
                prefix: configured.prefix.clone(),
                origin: configured.origin.clone(),
            });
        }
        let is_insecure = configured.is_some_and(|configured| configured.insecure);
        let endpoint = Endpoint::new(name).with_security(self.security(name, is_insecure)?);
        let login = credentials.and_then(login);
        Ok(self.cancelled_by(cancel).registry(endpoint, login)?)
    }

    /// Returns a repository. Nothing is sent yet.
    pub(crate) fn connect(
        &self,
        location: &Location<'_>,
        purpose: Purpose,
        cancel: &Cancel,
    ) -> Result<Connection, ConnectError> {
        let reference = location.reference;
        let security = self.security(reference.registry(), location.is_insecure)?;
        let endpoint = Endpoint::of(reference).with_security(security);
        let client = self.cancelled_by(cancel);
        let registry = client.registry(endpoint, self.login_at(location)?)?;
        let mut repository = registry.repository(reference.repository())?;
        if purpose == Purpose::Push {
            repository = repository.for_writing();
        }
        Ok(Connection { client, repository })
    }

    fn cancelled_by(&self, cancel: &Cancel) -> Client {
        Client::new(self.client.clone().cancel(cancel.clone()))
    }

    /// The credentials for a place. Those that were given are not meant for mirrors elsewhere (Go:
    /// `newImageSourceAttempt`).
    fn login_at(&self, location: &Location<'_>) -> Result<Option<Login>, ConnectError> {
        let is_asked = location.reference.registry() == location.asked.registry();
        if let Some(given) = self.login.as_ref().filter(|_| is_asked) {
            return Ok(Some(given.clone()));
        }
        let Some(store) = &self.credentials else {
            return Ok(None);
        };
        let name = location.reference.name();
        let key = name.parse().map_err(ConnectError::Key)?;
        let found = store.get(&key).map_err(ConnectError::Credentials)?;
        Ok(found.and_then(|found| login(&found.credentials)))
    }

    /// How a registry is reached, if the configuration says this of it.
    fn security(&self, registry: &str, is_insecure: bool) -> Result<Security, ConnectError> {
        let mut security = match self.verify_tls.unwrap_or(!is_insecure) {
            true => Security::verified(),
            false => Security::insecure(),
        };
        let found = match &self.certificates {
            CertificateFiles::None => return Ok(security),
            CertificateFiles::Directory(path) => {
                let names = Dir::open_ambient(path)?.entries()?;
                let names: Result<Vec<_>, PathError> = names.map(|entry| Ok(entry?.name)).collect();
                Certificates::in_directory(path, names?)?.read(&HostFiles)?
            }
            CertificateFiles::OfUser(environment) => {
                Certificates::load(registry, environment, &HostFiles)?
            }
        };
        for authority in &found.authorities {
            security = security.with_authorities(authority.bytes.as_slice());
        }
        for (certificate, key) in &found.clients {
            let (certificate, key) = (certificate.bytes.as_slice(), key.bytes.as_slice());
            security = security.with_client_certificate(certificate, key);
        }
        Ok(security)
    }
}

/// The same credentials for the client.
fn login(credentials: &Credentials) -> Option<Login> {
    match credentials {
        Credentials::Password { username, password } => {
            Some(Login::password(username, password.expose()))
        }
        Credentials::IdentityToken { token, .. } => Some(Login::identity_token(token.expose())),
        _ => None,
    }
}

//! Repositories, with credentials and certificates.

use layerhold_environment::HostFiles;
use layerhold_reference::Reference;
use layerhold_registries_conf::Certificates;
use layerhold_registry::{Client, Endpoint, Login, Repository, Security};
use layerhold_registry_auth::Credentials;
use layerhold_sys::{Cancel, Dir, PathError};

use super::error::ConnectError;
use super::{CertificateFiles, Logins, Registries};

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
    /// Returns a repository. Nothing is sent yet.
    pub(crate) fn connect(
        &self,
        location: &Location<'_>,
        purpose: Purpose,
        cancel: &Cancel,
    ) -> Result<Connection, ConnectError> {
        let reference = location.reference;
        let insecure = match self.verify_tls {
            Some(verify) => !verify,
            None => location.is_insecure,
        };
        let security = self.security(reference.registry(), insecure)?;
        let endpoint = Endpoint::of(reference).with_security(security);
        let client = Client::new(self.client.clone().cancel(cancel.clone()));
        let registry = client.registry(endpoint, self.login(location)?)?;
        let mut repository = registry.repository(reference.repository())?;
        if purpose == Purpose::Push {
            repository = repository.for_writing();
        }
        Ok(Connection { client, repository })
    }

    fn login(&self, location: &Location<'_>) -> Result<Option<Login>, ConnectError> {
        let is_asked = location.reference.registry() == location.asked.registry();
        match &self.logins {
            Logins::Given(login) if is_asked => Ok(Some(login.clone())),
            Logins::None | Logins::Given(_) => Ok(None),
            Logins::Store(store) => {
                let name = location.reference.name();
                let key = name.parse().map_err(ConnectError::Key)?;
                let found = store.get(&key).map_err(ConnectError::Credentials)?;
                Ok(found.and_then(|found| login(&found.credentials)))
            }
        }
    }

    fn security(&self, registry: &str, insecure: bool) -> Result<Security, ConnectError> {
        let mut security = match insecure {
            true => Security::insecure(),
            false => Security::verified(),
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

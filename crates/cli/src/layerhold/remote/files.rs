//! Files of credentials and certificates.

use std::path::{Path, PathBuf};

use layerhold_config::{ConfigFiles, HostFiles};
use layerhold_registries_conf::{Certificates, CredentialHelper, RegistriesConf};
use layerhold_registry::Security;
use layerhold_registry_auth::{CredentialStore, FileFormat, HelperNameError, Source};

use crate::environment::Environment;
use crate::failure::Failure;

/// A directory that the command line names does not exist.
#[derive(Debug, thiserror::Error)]
#[error("cannot find the directory of certificates {}", path.display())]
struct NoCertificates {
    path: PathBuf,
}

/// A file of credentials that the command line names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CredentialFile<'a> {
    /// One of podman's.
    pub(crate) own: Option<&'a Path>,
    /// One of docker's.
    pub(crate) dockers: Option<&'a Path>,
}

impl<'a> CredentialFile<'a> {
    /// One of podman's, if it is named.
    pub(super) fn own(own: Option<&'a Path>) -> Self {
        Self { own, dockers: None }
    }

    /// The path of the file, if one is named.
    pub(crate) fn path(self) -> Option<&'a Path> {
        self.own.or(self.dockers)
    }

    /// The credentials of the user: those in the file, if one is named.
    pub(crate) fn credentials(
        self,
        conf: &RegistriesConf,
        environment: &Environment,
    ) -> Result<CredentialStore, Failure> {
        let store = CredentialStore::new(environment.for_configuration());
        let store = store.with_sources(sources(conf).map_err(Failure::value)?);
        Ok(match (self.own, self.dockers) {
            (Some(path), _) => store.with_file(path, FileFormat::Containers),
            (None, Some(path)) => store.with_file(path, FileFormat::Docker),
            (None, None) => store,
        })
    }
}

/// Where credentials are looked up and stored, in order.
fn sources(conf: &RegistriesConf) -> Result<Vec<Source>, HelperNameError> {
    let helpers = conf.credential_helpers().iter();
    let sources = helpers.filter_map(|helper| match helper {
        CredentialHelper::AuthFiles => Some(Ok(Source::Files)),
        CredentialHelper::Program(name) => Some(name.parse().map(Source::Helper)),
        _ => None,
    });
    sources.collect()
}

/// Where certificates are: `certs.d` of the user, or a directory that the command line names.
#[derive(Debug)]
pub(super) struct Certified {
    directory: Option<PathBuf>,
    environment: layerhold_config::Environment,
}

impl Certified {
    pub(super) fn new(directory: Option<&Path>, environment: &Environment) -> Self {
        Self {
            directory: directory.map(|path| environment.directory.join(path)),
            environment: environment.for_configuration(),
        }
    }

    /// How a registry is verified.
    pub(super) fn security(&self, registry: &str, verify: bool) -> Result<Security, Failure> {
        let found = match &self.directory {
            Some(directory) => in_directory(directory)?,
            None => Certificates::find(registry, &self.environment, &HostFiles)
                .map_err(Failure::value)?,
        };
        let mut security = match verify {
            true => Security::verified(),
            false => Security::insecure(),
        };
        let found = found.read(&HostFiles).map_err(Failure::value)?;
        for authority in found.authorities {
            security = security.with_authorities(authority.bytes);
        }
        for (certificate, key) in found.clients {
            security = security.with_client_certificate(certificate.bytes, key.bytes);
        }
        Ok(security)
    }
}

/// The certificates in a directory that the command line names.
fn in_directory(directory: &Path) -> Result<Certificates, Failure> {
    let listed = HostFiles.list(directory);
    let listed = listed.map_err(|source| Failure::File {
        path: directory.display().to_string(),
        source,
    })?;
    let path = directory.to_owned();
    let entries = listed.ok_or_else(|| Failure::value(NoCertificates { path }))?;
    let names = entries.into_iter().map(|entry| entry.name);
    Certificates::in_directory(directory, names).map_err(Failure::value)
}

//! Registries, reached as the configuration of the user and the command line say.

use std::io;
use std::path::{Path, PathBuf};

use layerhold_config::{ConfigFiles, HostFiles};
use layerhold_reference::Reference;
use layerhold_registries_conf::{Certificates, CredentialHelper, RegistriesConf};
use layerhold_registry::{Client, ClientOptions, Endpoint, Login, Registry, Security};
use layerhold_registry_auth::{
    CredentialStore, Credentials, FileFormat, HelperNameError, RegistryKey, Source,
};

use super::args::Reaching;
use crate::environment::Environment;
use crate::failure::Failure;

/// Why a registry cannot be reached.
#[derive(Debug, thiserror::Error)]
enum RemoteError {
    #[error(
        "cannot choose a registry: registries.conf has no unqualified-search-registries; give one"
    )]
    NoDefault,
    #[error("cannot use {registry}: {prefix} is blocked in {}", origin.display())]
    Blocked {
        registry: String,
        prefix: String,
        origin: PathBuf,
    },
    #[error("cannot find the directory of certificates {}", path.display())]
    NoCertificates { path: PathBuf },
}

/// The configuration of registries.
pub(super) fn load(environment: &Environment) -> Result<RegistriesConf, Failure> {
    let environment = environment.for_configuration();
    layerhold_registries_conf::load(&environment, &HostFiles).map_err(Failure::value)
}

/// What a command is about: the text that was given, or the first registry that short names are
/// searched in.
pub(super) fn key(given: Option<&str>, conf: &RegistriesConf) -> Result<RegistryKey, Failure> {
    let Some(text) = given else {
        let first = conf.search_registries().first();
        let first = first.ok_or_else(|| Failure::value(RemoteError::NoDefault))?;
        return first.parse().map_err(Failure::value);
    };
    let key = RegistryKey::from_url_or_key(text).map_err(Failure::value)?;
    if key.is_namespaced() {
        // The rules for names of images hold for the path too.
        let _is_name: Reference = key.as_str().parse().map_err(Failure::value)?;
    }
    Ok(key)
}

/// A file of credentials that the command line names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CredentialFile<'a> {
    /// One of podman's.
    pub(super) own: Option<&'a Path>,
    /// One of docker's.
    pub(super) dockers: Option<&'a Path>,
}

impl<'a> CredentialFile<'a> {
    /// The path of the file, if one is named.
    pub(super) fn path(self) -> Option<&'a Path> {
        self.own.or(self.dockers)
    }

    /// The credentials of the user: those in the file, if one is named.
    pub(super) fn credentials(
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

/// The registries of a user.
#[derive(Debug)]
pub(super) struct Remote {
    conf: RegistriesConf,
    credentials: CredentialStore,
    /// In place of those in `certs.d`.
    certificates: Option<PathBuf>,
    /// In place of what the configuration says.
    tls_verify: Option<bool>,
    environment: layerhold_config::Environment,
    client: ClientOptions,
}

impl Remote {
    pub(super) fn new(
        reaching: &Reaching,
        file: CredentialFile<'_>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let conf = load(environment)?;
        let directory = reaching.cert_dir.as_ref();
        Ok(Self {
            credentials: file.credentials(&conf, environment)?,
            conf,
            certificates: directory.map(|path| environment.directory.join(path)),
            tls_verify: reaching.tls_verify,
            environment: environment.for_configuration(),
            client: ClientOptions::default().cancel(environment.interruption.cancel()),
        })
    }

    pub(super) fn conf(&self) -> &RegistriesConf {
        &self.conf
    }

    pub(super) fn credentials(&self) -> &CredentialStore {
        &self.credentials
    }

    /// The registry of a key, with these credentials. Nothing is sent yet.
    pub(super) fn registry(
        &self,
        key: &RegistryKey,
        credentials: &Credentials,
    ) -> Result<Registry, Failure> {
        let name = key.registry();
        let configured = self.conf.registry_of(name);
        if let Some(configured) = configured
            && configured.blocked
        {
            return Err(Failure::value(RemoteError::Blocked {
                registry: name.to_owned(),
                prefix: configured.prefix.clone(),
                origin: configured.origin.clone(),
            }));
        }
        let insecure = configured.is_some_and(|configured| configured.insecure);
        let endpoint = Endpoint::new(name).with_security(self.security(name, insecure)?);
        let client = Client::new(self.client.clone());
        let registry = client.registry(endpoint, login(credentials));
        registry.map_err(Failure::value)
    }

    fn security(&self, registry: &str, insecure: bool) -> Result<Security, Failure> {
        let mut security = match self.tls_verify.unwrap_or(!insecure) {
            true => Security::verified(),
            false => Security::insecure(),
        };
        let found = match &self.certificates {
            Some(directory) => in_directory(directory)?,
            None => Certificates::find(registry, &self.environment, &HostFiles)
                .map_err(Failure::value)?,
        };
        for authority in &found.authorities {
            security = security.with_authorities(read(authority)?);
        }
        for client in &found.clients {
            let (certificate, key) = (read(&client.certificate)?, read(&client.key)?);
            security = security.with_client_certificate(certificate, key);
        }
        Ok(security)
    }
}

/// The certificates in a directory that the command line names.
fn in_directory(directory: &Path) -> Result<Certificates, Failure> {
    let listed = HostFiles.list(directory);
    let listed = listed.map_err(|source| unreadable(directory, source))?;
    let path = directory.to_owned();
    let missing = || Failure::value(RemoteError::NoCertificates { path });
    let entries = listed.ok_or_else(missing)?;
    let names = entries.into_iter().map(|entry| entry.name);
    Certificates::in_directory(directory, names).map_err(Failure::value)
}

/// Reads a certificate or a key.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = HostFiles.read(path);
    let bytes = bytes.and_then(|bytes| bytes.ok_or(io::ErrorKind::NotFound.into()));
    bytes.map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> Failure {
    Failure::File {
        path: path.display().to_string(),
        source,
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

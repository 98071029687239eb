//! Registries, reached as the configuration of the user and the command line say.

mod names;
mod files;
mod proxy;

use std::path::PathBuf;

use layerhold_config::layerhold_environment::Proxies;
use layerhold_reference::Reference;
use layerhold_registries_conf::{PullSource, RegistriesConf};
use layerhold_registry::{
    Client, ClientOptions, Endpoint, Login, Registry, RegistryError, Repository, Retries,
};
use layerhold_registry_auth::{CredentialStore, Credentials, RegistryKey, Secret};

use self::files::Certified;
pub(super) use self::files::CredentialFile;
pub(super) use self::names::images;
use super::args::{Access, Reaching};
use super::ask;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::streams::Streams;

/// The most attempts at one request, with pauses of about one second and two.
const ATTEMPTS: u32 = 3;

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
    #[error("cannot find {image} anywhere: {}", failures.join("; "))]
    Nowhere {
        image: String,
        failures: Vec<String>,
    },
}

/// The configuration of registries.
pub(super) fn load(environment: &Environment) -> Result<RegistriesConf, Failure> {
    let environment = environment.for_configuration();
    layerhold_registries_conf::load(&environment, &layerhold_config::HostFiles)
        .map_err(Failure::value)
}

/// What a login is for: the text that was given, or the first registry that short names are
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

/// The registries of a user.
#[derive(Debug)]
pub(super) struct Remote {
    conf: RegistriesConf,
    credentials: CredentialStore,
    /// In place of those of the registry of the image that was asked for.
    given: Option<Credentials>,
    certificates: Certified,
    /// In place of what the configuration says.
    tls_verify: Option<bool>,
    client: Client,
}

/// Which place of an image is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    /// The mirrors, in their order.
    Mirrors,
    /// The registry itself: a mirror may have a part only.
    Registry,
}

/// What a registry answered about an image.
#[derive(Debug)]
pub(super) struct Found<T> {
    /// The image: one of those that the name stands for.
    pub(super) image: Reference,
    /// The place that answered.
    pub(super) place: Reference,
    pub(super) answer: T,
}

impl Remote {
    pub(super) fn new(
        reaching: &Reaching,
        file: CredentialFile<'_>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let conf = load(environment)?;
        let proxies = Proxies::of(&environment.for_configuration());
        let client = ClientOptions::default()
            .retries(Retries::default().with_attempts(ATTEMPTS))
            .cancel(environment.interruption.cancel())
            .proxy(move |origin| proxy::choose(&proxies, origin));
        Ok(Self {
            credentials: file.credentials(&conf, environment)?,
            conf,
            given: None,
            certificates: Certified::new(reaching.cert_dir.as_deref(), environment),
            tls_verify: reaching.tls_verify,
            client: Client::new(client),
        })
    }

    /// For commands that take credentials too. Asks for the password if only a name is given.
    pub(super) fn accessing(
        access: &Access,
        environment: &Environment,
        streams: &mut Streams<'_>,
    ) -> Result<Self, Failure> {
        let file = CredentialFile::own(access.reaching.authfile.as_deref());
        let mut remote = Self::new(&access.reaching, file, environment)?;
        if let Some(text) = &access.creds {
            remote.given = Some(given(text, environment, streams)?);
        }
        Ok(remote)
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
        let is_insecure = configured.is_some_and(|configured| configured.insecure);
        self.connect(name, is_insecure, Some(credentials))
    }

    fn connect(
        &self,
        registry: &str,
        is_insecure: bool,
        credentials: Option<&Credentials>,
    ) -> Result<Registry, Failure> {
        let verify = self.tls_verify.unwrap_or(!is_insecure);
        let security = self.certificates.security(registry, verify)?;
        let endpoint = Endpoint::new(registry).with_security(security);
        let connected = self.client.registry(endpoint, credentials.and_then(login));
        connected.map_err(Failure::value)
    }

    /// Asks the places of images until one answers.
    pub(super) fn find<T>(
        &self,
        images: &[Reference],
        prefer: Prefer,
        ask: &mut dyn FnMut(&Repository, &Reference) -> Result<T, RegistryError>,
    ) -> Result<Found<T>, Failure> {
        let mut failed = Vec::new();
        for image in images {
            let places = match self.conf.pull_sources(image) {
                Ok(places) => places,
                Err(error) => {
                    failed.push(Failure::value(error));
                    continue;
                }
            };
            for place in in_order(places, prefer) {
                match self.ask(image, &place, ask) {
                    Ok(answer) => {
                        return Ok(Found {
                            image: image.clone(),
                            place: place.reference,
                            answer,
                        });
                    }
                    Err(failure) => failed.push(failure),
                }
            }
        }
        Err(nowhere(images, failed))
    }

    fn ask<T>(
        &self,
        image: &Reference,
        place: &PullSource,
        ask: &mut dyn FnMut(&Repository, &Reference) -> Result<T, RegistryError>,
    ) -> Result<T, Failure> {
        let reference = &place.reference;
        let credentials = self.credentials_at(reference, image)?;
        let registry = self.connect(reference.registry(), place.insecure, credentials.as_ref())?;
        let repository = registry.repository(reference.repository());
        let repository = repository.map_err(Failure::value)?;
        ask(&repository, reference).map_err(Failure::value)
    }

    /// The credentials for a place. Those that were given are not meant for mirrors elsewhere (Go:
    /// `newImageSource`).
    fn credentials_at(
        &self,
        place: &Reference,
        image: &Reference,
    ) -> Result<Option<Credentials>, Failure> {
        if self.given.is_some() && place.registry() == image.registry() {
            return Ok(self.given.clone());
        }
        let key: RegistryKey = place.name().parse().map_err(Failure::value)?;
        let found = self.credentials.get(&key).map_err(Failure::value)?;
        Ok(found.map(|found| found.credentials))
    }
}

fn in_order(mut places: Vec<PullSource>, prefer: Prefer) -> Vec<PullSource> {
    if prefer == Prefer::Registry {
        places.sort_by_key(|place| place.is_mirror);
    }
    places
}

/// One failure says all by itself.
fn nowhere(images: &[Reference], mut failed: Vec<Failure>) -> Failure {
    if failed.len() == 1
        && let Some(only) = failed.pop()
    {
        return only;
    }
    let image = images.first().map(ToString::to_string);
    Failure::value(RemoteError::Nowhere {
        image: image.unwrap_or_default(),
        failures: failed.iter().map(ToString::to_string).collect(),
    })
}

/// Credentials of the form `USER[:PASSWORD]`.
fn given(
    text: &Secret,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<Credentials, Failure> {
    let (username, password) = match text.expose().split_once(':') {
        Some((username, password)) => (username, Secret::new(password)),
        None => {
            environment.interruption.watch_to_stop();
            let instead = "use --creds USER:PASSWORD, or log in first";
            (text.expose(), ask::password(streams, instead)?)
        }
    };
    Ok(Credentials::Password {
        username: username.to_owned(),
        password,
    })
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

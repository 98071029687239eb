//! Registries with the credentials and certificates of the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use layerhold_config::HostFiles;
use layerhold_image_policy::{LoadError, Policy};
use layerhold_oci::Registries;
use layerhold_registry::{Login, Retries};
use layerhold_registry_auth::{CredentialStore, FileFormat, Secret};
use layerhold_sys::stat_ambient;

use super::super::args::{Access, Patience, Reaching};
use super::super::ask;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::streams::Streams;

/// The most attempts at one request, with pauses of about one second and two: a person waits.
const ATTEMPTS: u32 = 3;

/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why registries cannot be reached as the command line says.
#[derive(Debug, thiserror::Error)]
enum AccessError {
    #[error("cannot find the directory of certificates {}", path.display())]
    NoCertificates { path: PathBuf },
    #[error(
        "cannot tell which images are trusted, because there is no policy.json ({}); for a policy \
         that trusts every image, as most distributions have it, write this line into {}: \
         {{\"default\":[{{\"type\":\"insecureAcceptAnything\"}}]}}; or name a policy with \
         --signature-policy",
        listed(candidates),
        candidates.first().map(|path| path.display().to_string()).unwrap_or_default()
    )]
    NoPolicy { candidates: Vec<PathBuf> },
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

/// Where credentials are kept: in the files of the user, unless the command line names one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accounts<'a> {
    /// A file of podman's.
    pub(crate) own: Option<&'a Path>,
    /// A file of docker's.
    pub(crate) dockers: Option<&'a Path>,
}

impl<'a> Accounts<'a> {
    fn of(access: &'a Access) -> Self {
        let own = access.reaching.authfile.as_deref();
        Self { own, dockers: None }
    }

    /// The path of the file, if one is named.
    pub(crate) fn path(self) -> Option<&'a Path> {
        self.own.or(self.dockers)
    }

    /// The registries of the user, with these accounts. No image of them is trusted.
    pub(crate) fn registries(self, environment: &Environment) -> Result<Registries, Failure> {
        self.with_policy(Policy::reject(), environment)
    }

    fn with_policy(self, policy: Policy, environment: &Environment) -> Result<Registries, Failure> {
        let registries = Registries::of_with_policy(&environment.for_configuration(), policy);
        let registries = registries.map_err(Failure::value)?;
        let named = match (self.own, self.dockers) {
            (Some(path), _) => Some((path, FileFormat::Containers)),
            (None, path) => path.map(|path| (path, FileFormat::Docker)),
        };
        let Some((path, format)) = named else {
            return Ok(registries);
        };
        let store = credentials(&registries, environment).with_file(path, format);
        Ok(registries.with_credentials(store))
    }
}

/// Where credentials are looked up and stored.
pub(crate) fn credentials(registries: &Registries, environment: &Environment) -> CredentialStore {
    let store = registries.credentials().cloned();
    store.unwrap_or_else(|| CredentialStore::new(environment.for_configuration()))
}

/// The registries for a login.
pub(crate) fn for_login(
    reaching: &Reaching,
    accounts: Accounts<'_>,
    environment: &Environment,
) -> Result<Registries, Failure> {
    let registries = accounts.registries(environment)?;
    let retries = Retries::default().with_attempts(ATTEMPTS);
    reached(trying(registries, retries), reaching, environment)
}

/// The registries for a command that looks at what they have. Asks for the password if only a name
/// is given.
pub(crate) fn for_looking(
    access: &Access,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<Registries, Failure> {
    let registries = for_login(&access.reaching, Accounts::of(access), environment)?;
    if access.creds.is_some() {
        environment.interruption.watch_to_stop();
    }
    with_creds(registries, access, streams)
}

/// The registries for a pull of images that the policy accepts, or for a push. Asks for the
/// password if only a name is given.
pub(crate) fn for_transfer(
    access: &Access,
    patience: &Patience,
    policy: Policy,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<Registries, Failure> {
    let registries = Accounts::of(access).with_policy(policy, environment)?;
    let longest = patience.retry_delay.max(LONGEST_PAUSE);
    let retries = Retries::default()
        .with_attempts(patience.retry.saturating_add(1))
        .with_pauses(patience.retry_delay, longest);
    let registries = reached(trying(registries, retries), &access.reaching, environment)?;
    with_creds(registries, access, streams)
}

fn trying(registries: Registries, retries: Retries) -> Registries {
    let options = registries.client().clone();
    registries.with_client(options.retries(retries))
}

fn reached(
    mut registries: Registries,
    reaching: &Reaching,
    environment: &Environment,
) -> Result<Registries, Failure> {
    if let Some(verify) = reaching.tls_verify {
        registries = registries.verifying_tls(verify);
    }
    let Some(directory) = &reaching.cert_dir else {
        return Ok(registries);
    };
    let path = environment.directory.join(directory);
    if let Ok(None) = stat_ambient(&path) {
        return Err(Failure::value(AccessError::NoCertificates { path }));
    }
    Ok(registries.with_certificates(path))
}

/// Takes credentials of the form `USER[:PASSWORD]`.
fn with_creds(
    registries: Registries,
    access: &Access,
    streams: &mut Streams<'_>,
) -> Result<Registries, Failure> {
    let Some(text) = &access.creds else {
        return Ok(registries);
    };
    let (username, password) = match text.expose().split_once(':') {
        Some((username, password)) => (username, Secret::new(password)),
        None => {
            let instead = "use --creds USER:PASSWORD, or log in first";
            (text.expose(), ask::password(streams, instead)?)
        }
    };
    Ok(registries.with_login(Login::password(username, password.expose())))
}

/// The policy of the user, or the one that the command line names.
pub(crate) fn policy(given: Option<&Path>, environment: &Environment) -> Result<Policy, Failure> {
    if let Some(path) = given {
        let path = environment.directory.join(path);
        return Policy::read(&path, &HostFiles).map_err(Failure::value);
    }
    let environment = environment.for_configuration();
    let loaded = layerhold_image_policy::load(&environment, &HostFiles);
    loaded.map_err(|error| match error {
        LoadError::Missing { candidates } => Failure::value(AccessError::NoPolicy { candidates }),
        other => Failure::value(other),
    })
}

//! How registries are reached, and which images of them may be used.

mod load;
mod proxy;
mod connect;
mod error;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_environment::Environment;
use layerhold_image_policy::Policy;
use layerhold_registries_conf::{RegistriesConf, RegistriesD};
use layerhold_registry::{ClientOptions, Login};
use layerhold_registry_auth::CredentialStore;

pub(crate) use self::connect::{Connection, Location, Purpose};
pub use self::error::ConnectError;

/// How registries are reached: where images are, with which credentials and certificates, and which
/// images may be used.
///
/// [`of_process`](Self::of_process) reads the files that podman, buildah and skopeo read, so that an
/// image is pulled from the same place with the same credentials. [`new`](Self::new) reads nothing.
#[derive(Clone, Debug)]
pub struct Registries {
    pub(crate) conf: Arc<RegistriesConf>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) signatures: Arc<RegistriesD>,
    /// For the registry of the image that is asked for, and not for its mirrors.
    login: Option<Login>,
    credentials: Option<Arc<CredentialStore>>,
    certificates: CertificateFiles,
    /// Replaces what the configuration says, for all registries.
    verify_tls: Option<bool>,
    client: ClientOptions,
}

/// Where certificates come from.
#[derive(Clone, Debug)]
enum CertificateFiles {
    None,
    /// One directory, for the registry of the image that was asked for and its mirrors.
    Directory(PathBuf),
    /// `certs.d` of a user.
    OfUser(Environment),
}

impl Registries {
    /// Reaches every registry at its own name, with TLS and without credentials, and takes images
    /// that the policy accepts.
    ///
    /// ```
    /// use layerhold_oci::Registries;
    /// use layerhold_oci::layerhold_image_policy::Policy;
    ///
    /// let registries = Registries::new(Policy::insecure_accept_anything());
    /// # drop(registries);
    /// ```
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Registries {
            conf: Arc::default(),
            policy: Arc::new(policy),
            signatures: Arc::default(),
            login: None,
            credentials: None,
            certificates: CertificateFiles::None,
            verify_tls: None,
            client: ClientOptions::default(),
        }
    }

    /// Uses this configuration.
    #[must_use]
    pub fn with_conf(mut self, conf: RegistriesConf) -> Self {
        self.conf = Arc::new(conf);
        self
    }

    /// Accepts the images that this policy accepts.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Looks for signatures where this says.
    #[must_use]
    pub fn with_signatures(mut self, signatures: RegistriesD) -> Self {
        self.signatures = Arc::new(signatures);
        self
    }

    /// Uses these credentials for the registry of the image that is asked for, not those that
    /// are looked up. Its mirrors do not get them.
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// Looks credentials up here.
    #[must_use]
    pub fn with_credentials(mut self, store: CredentialStore) -> Self {
        self.credentials = Some(Arc::new(store));
        self
    }

    /// Uses the certificates in this directory, named as in `certs.d`, and no others.
    #[must_use]
    pub fn with_certificates(mut self, directory: impl AsRef<Path>) -> Self {
        self.certificates = CertificateFiles::Directory(directory.as_ref().to_owned());
        self
    }

    /// Sets whether certificates are checked and TLS is required, whatever the configuration says.
    #[must_use]
    pub fn verifying_tls(mut self, verify: bool) -> Self {
        self.verify_tls = Some(verify);
        self
    }

    /// Uses these options for connections. What cancels them comes from the store that is pulled
    /// into or pushed from.
    #[must_use]
    pub fn with_client(mut self, options: ClientOptions) -> Self {
        self.client = options;
        self
    }

    /// Returns the options for connections: with those of a user, the proxies are among them.
    #[must_use]
    pub fn client(&self) -> &ClientOptions {
        &self.client
    }

    /// Returns the configuration.
    #[must_use]
    pub fn conf(&self) -> &RegistriesConf {
        &self.conf
    }

    /// Returns where credentials are looked up.
    #[must_use]
    pub fn credentials(&self) -> Option<&CredentialStore> {
        self.credentials.as_deref()
    }

    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

//! The client.

use std::fmt;
use std::sync::Arc;

use layerhold_ids::Digest;

use crate::blob::{Blob, Source};
use crate::deadline::Deadline;
use crate::endpoint::{Endpoint, Security};
use crate::error::{Problem, RedirectError, RegistryError, Task};
use crate::http::Http;
use crate::login::Login;
use crate::options::ClientOptions;
use crate::parse::Url;
use crate::registry::Registry;
use crate::retry::Attempts;
use crate::session::Session;
use crate::wire::{CertificateError, Roots, tls_config};

/// A client of registries. A clone is another handle on the same one.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    options: ClientOptions,
    roots: Roots,
}

/// A registry cannot be talked to as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the certificates for {registry}")]
pub struct ClientError {
    /// The registry.
    pub registry: String,
    /// What is wrong with them.
    pub source: CertificateError,
}

impl Client {
    /// Makes a client. It connects to nothing yet.
    #[must_use]
    pub fn new(options: ClientOptions) -> Self {
        let roots = Roots::default();
        Self(Arc::new(Inner { options, roots }))
    }

    /// Returns a handle on a registry, with the credentials of a user if there are any. It connects
    /// to nothing yet.
    ///
    /// The handle keeps connections and tokens, so all work with a registry goes through one.
    ///
    /// # Errors
    ///
    /// The certificates of the endpoint cannot be used.
    pub fn registry(
        &self,
        endpoint: Endpoint,
        login: Option<Login>,
    ) -> Result<Registry, ClientError> {
        let security = endpoint.security().clone();
        let failed = |source| ClientError {
            registry: endpoint.name().to_owned(),
            source,
        };
        let home = self.http(&security, true).map_err(failed)?;
        let abroad = match security.identity {
            Some(_) => self.http(&security, false).map_err(failed)?,
            None => home.clone(),
        };
        let options = self.0.options.clone();
        let session = Session::new(options, endpoint, login, home, abroad);
        Ok(Registry::new(Arc::new(session)))
    }

    /// Opens a blob at an address outside of any registry, which the `urls` of a foreign layer
    /// name. No credentials and no client certificate are shown.
    ///
    /// The digest is not checked, as for any [`Blob`].
    ///
    /// # Errors
    ///
    /// The address is not one of `http` or `https`, or does not answer with the blob.
    pub fn foreign_blob(
        &self,
        url: &str,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Blob, RegistryError> {
        let task = Task::ReadBlob(digest.clone());
        let (http, url) = self.outside(url, &task, "a foreign layer", "the layer's address")?;
        let place = url.authority();
        let source = Source::Foreign { http, url };
        Blob::open(source, digest, &place, size, self.attempts())
    }

    /// Returns connections to a server that is no registry, and its address. Until that is known,
    /// `what` and `address` stand for it in errors.
    pub(crate) fn outside(
        &self,
        url: &str,
        task: &Task,
        what: &str,
        address: &str,
    ) -> Result<(Http, Url), RegistryError> {
        let failed = |place: &str, problem| RegistryError::new(task.clone(), place, problem);
        let url: Url = url.parse().map_err(|error| {
            let source = RedirectError::Url(error);
            let host = address.to_owned();
            failed(what, Problem::Redirect { host, source })
        })?;
        let http = self.http(&Security::verified(), false).map_err(|_| {
            let place = url.authority();
            failed(
                &place,
                Problem::bad_answer(&place, "no usable certificates"),
            )
        })?;
        Ok((http, url))
    }

    /// The attempts at something that begins now.
    pub(crate) fn attempts(&self) -> Attempts {
        let options = &self.0.options;
        Attempts::new(options, Deadline::start(options.total_time))
    }

    fn http(&self, security: &Security, with_identity: bool) -> Result<Http, CertificateError> {
        let tls = tls_config(security, &self.0.roots, with_identity)?;
        Ok(Http::new(&self.0.options, tls))
    }
}

impl Default for Client {
    /// A client with default options.
    fn default() -> Self {
        Self::new(ClientOptions::default())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.options).finish()
    }
}

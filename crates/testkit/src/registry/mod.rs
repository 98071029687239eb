//! A real registry for tests: Debian's `docker-registry` on a free port of loopback.
//!
//! ```
//! use layerhold_testkit::image::{Image, Layer};
//! use layerhold_testkit::registry::Registry;
//! use layerhold_testkit::{require_docker_registry, scratch};
//!
//! # fn body() {
//! let Some(()) = require_docker_registry() else { return };
//! let registry = Registry::start();
//! let place = scratch();
//! let made = Image::new().layer(Layer::files(100, 4096)).make(place.path());
//! registry.add(&made, "library/app", "latest");
//! assert_eq!(registry.tags("library/app"), ["latest"]);
//! // … pull from format!("{}/library/app:latest", registry.address()) …
//! # }
//! # body();
//! ```
//!
//! The registry keeps its files in a [`scratch`] directory and is killed when its handle is
//! dropped, or when the process of the test dies. Deletes are enabled, uploads that were cut stay,
//! and layers with foreign URLs are accepted.

mod contents;
mod certificates;
mod server;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::filesystem::scratch;
use crate::image::MadeImage;
use contents::Contents;
use server::Server;

/// The one user of a registry that was set up [`with_password`](Setup::with_password).
pub const USER: &str = "tester";
/// The password of [`USER`]. It has a colon, which ends the user name in an `Authorization` header.
pub const PASSWORD: &str = "open:sesame";
/// The line of [`USER`] and [`PASSWORD`] in htpasswd's form. The registry accepts bcrypt only, and
/// making that would need another package.
const HTPASSWD: &str = "tester:$2y$05$TestkitTestkitTestkituH.gyc0xbKfKngtOst4B8JydwTKqC6o6\n";

/// How a registry is started.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct Setup {
    tls: bool,
    client_certificates: bool,
    password: bool,
}

impl Setup {
    /// Speaks HTTPS only, with a certificate for `localhost` and `127.0.0.1` of an authority that
    /// no system knows; see [`Registry::certificates`].
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Speaks HTTPS only, and only with clients that show the certificate in
    /// [`Registry::certificates`].
    pub fn with_client_certificates(mut self) -> Self {
        self.client_certificates = true;
        self.with_tls()
    }

    /// Demands [`USER`] and [`PASSWORD`] by HTTP basic authentication for everything.
    pub fn with_password(mut self) -> Self {
        self.password = true;
        self
    }

    /// Starts the registry and waits until it listens.
    ///
    /// # Panics
    /// When it cannot be started, with its output.
    pub fn start(self) -> Registry {
        let place = scratch();
        self.write_configuration(place.path());
        let server = Server::start(place.path());
        let port = server.port();
        if self.tls {
            certificates::write_certs_d(place.path(), port, self.client_certificates);
        }
        Registry {
            contents: Contents::at(&place.path().join("storage")),
            server,
            place,
        }
    }

    fn write_configuration(self, place: &Path) {
        let storage = place.join("storage");
        std::fs::create_dir(&storage).expect("a new directory is writable");
        let mut text = format!(
            "version: 0.1\n\
             log: {{level: info, formatter: text, accesslog: {{disabled: false}}}}\n\
             storage:\n  \
               filesystem: {{rootdirectory: '{}', maxthreads: 100}}\n  \
               delete: {{enabled: true}}\n  \
               redirect: {{disable: true}}\n  \
               maintenance: {{uploadpurging: {{enabled: false}}}}\n\
             validation: {{manifests: {{urls: {{allow: ['.*']}}}}}}\n",
            storage.display()
        );
        if self.password {
            write(&place.join("htpasswd"), HTPASSWD);
            let file = place.join("htpasswd");
            text += &format!(
                "auth: {{htpasswd: {{realm: testkit, path: '{}'}}}}\n",
                file.display()
            );
        }
        text += "http:\n  addr: '127.0.0.1:0'\n  secret: testkit\n";
        if self.tls {
            text += &certificates::configuration(place, self.client_certificates);
        }
        write(&place.join("config.yml"), &text);
    }
}

/// A running registry, killed when dropped together with its storage.
#[derive(Debug)]
#[must_use = "the registry is killed when this is dropped"]
pub struct Registry {
    // Before the place, so that the process is gone when its files are removed.
    server: Server,
    contents: Contents,
    place: TempDir,
}

impl Registry {
    /// Starts one with plain HTTP and without passwords.
    ///
    /// # Panics
    /// When it cannot be started, with its output.
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// Begins the setup of another one.
    pub fn setup() -> Setup {
        Setup::default()
    }

    /// Its host and port, as `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Its host and port by name, as `localhost:PORT`. It listens on IPv4 only.
    #[must_use]
    pub fn named_address(&self) -> String {
        format!("localhost:{}", self.port())
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The directory with `ca.crt`, and `client.cert` and `client.key` if clients need them: for
    /// `--cert-dir`. Without TLS it does not exist.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.certs_d().join(self.address())
    }

    /// The directory with [`certificates`](Self::certificates) for both addresses, in the form of
    /// `/etc/containers/certs.d`.
    #[must_use]
    pub fn certs_d(&self) -> PathBuf {
        self.place.path().join("certs.d")
    }

    /// The directory with its blobs and names (`rootdirectory` of the registry).
    #[must_use]
    pub fn storage(&self) -> &Path {
        self.contents.root()
    }

    /// What it wrote on standard error.
    #[must_use]
    pub fn log(&self) -> String {
        server::log(self.place.path())
    }

    /// The requests it answered, one a line, in Apache's combined log format. The line of a request
    /// may come some time after the client has the answer; where that matters, ask a
    /// [`FaultProxy`](crate::fault_proxy::FaultProxy).
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        server::requests(self.place.path())
    }

    /// Puts an image directly into the storage, under a tag. No client takes part, so all blobs and
    /// manifests are kept byte for byte.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn add(&self, image: &MadeImage, repository: &str, tag: &str) {
        self.contents.add(image, repository, tag);
    }

    /// The names of the repositories, sorted.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        self.contents.repositories()
    }

    /// The tags of a repository, sorted; empty when there is no such repository.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        self.contents.tags(repository)
    }

    /// The digest of the manifest or index that has a tag, as `sha256:HEX`.
    #[must_use]
    pub fn tagged(&self, repository: &str, tag: &str) -> Option<String> {
        self.contents.tagged(repository, tag)
    }

    /// The digests of the manifests and indices of a repository, sorted.
    #[must_use]
    pub fn manifests(&self, repository: &str) -> Vec<String> {
        self.contents.manifests(repository)
    }

    /// The digests of the layers and configurations that a repository may serve, sorted.
    #[must_use]
    pub fn layers(&self, repository: &str) -> Vec<String> {
        self.contents.layers(repository)
    }

    /// The IDs of the uploads that have begun and not ended, sorted.
    #[must_use]
    pub fn uploads(&self, repository: &str) -> Vec<String> {
        self.contents.uploads(repository)
    }

    /// The digests of all blobs of all repositories, manifests too, sorted.
    #[must_use]
    pub fn blobs(&self) -> Vec<String> {
        self.contents.blobs()
    }

    /// The file of a blob or manifest; it need not exist.
    ///
    /// A blob that [`add`](Self::add) brought may be a hard link to the image's file: to damage it,
    /// write a new file and rename it.
    #[must_use]
    pub fn blob_file(&self, digest: &str) -> PathBuf {
        self.contents.blob_file(digest)
    }

    /// The bytes of a blob or manifest.
    ///
    /// # Panics
    /// When the registry does not have it.
    #[must_use]
    pub fn blob(&self, digest: &str) -> Vec<u8> {
        let file = self.blob_file(digest);
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[cfg(test)]
mod tests;

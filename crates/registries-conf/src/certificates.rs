//! The certificates of a registry in `certs.d` (Go: `dockerCertDir`, `pkg/tlsclientconfig`).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use layerhold_environment::{ConfigFiles, Environment, HomeError};
use layerhold_reference::is_registry;

/// The user's directory, below the home directory.
const USER: &str = ".config/containers/certs.d";
/// The largest file that is used. A bundle of all authorities of the web has 250 kB.
const MAX_PEM: usize = 1024 * 1024;
const SYSTEM: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// The files of one registry in `certs.d`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificates {
    /// Certificates of authorities that are trusted besides those of the system: `*.crt`.
    pub authorities: Vec<PathBuf>,
    /// Certificates that the client shows, with their keys.
    pub clients: Vec<ClientCertificate>,
}

/// A certificate that the client shows: `NAME.cert` and `NAME.key`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The certificate and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What is in the files of one registry in `certs.d`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateData {
    /// Certificates of authorities that are trusted besides those of the system.
    pub authorities: Vec<Pem>,
    /// Certificates that the client shows, and the keys of them.
    pub clients: Vec<(Pem, Pem)>,
}

/// The bytes of a file, which should be PEM. They are not in the `Debug` form, because they may be
/// a private key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pem {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.len();
        write!(f, "Pem({}, {bytes} bytes)", self.path.display())
    }
}

/// Why the certificates of a registry cannot be found or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificatesError {
    /// The text is no registry.
    #[error("{text:?} is no registry, which is a host, with a port if needed")]
    NotARegistry {
        /// The text.
        text: String,
    },
    /// The home directory of the user is not known.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The directory of the registry cannot be listed, or a file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A certificate of a client has no key.
    #[error("{} has no key {}; certificates of authorities are called *.crt", certificate.display(), key.display())]
    MissingKey {
        /// The certificate.
        certificate: PathBuf,
        /// The missing key.
        key: PathBuf,
    },
    /// A key has no certificate.
    #[error("{} has no certificate {}", key.display(), certificate.display())]
    MissingCertificate {
        /// The key.
        key: PathBuf,
        /// The missing certificate.
        certificate: PathBuf,
    },
}

impl Certificates {
    /// Finds the certificates of a registry: those in the first directory that exists of
    /// `~/.config/containers/certs.d/REGISTRY`, `/etc/containers/certs.d/REGISTRY` and
    /// `/etc/docker/certs.d/REGISTRY`. The registry is spelled as in the names of its images.
    ///
    /// A directory that this user may not list counts as empty, and one that this user cannot
    /// reach as absent.
    ///
    /// # Errors
    ///
    /// A directory cannot be listed, or a certificate or key lacks the other.
    pub fn find(
        registry: &str,
        environment: &Environment,
        files: &dyn ConfigFiles,
    ) -> Result<Self, CertificatesError> {
        if !is_registry(registry) {
            let text = registry.to_owned();
            return Err(CertificatesError::NotARegistry { text });
        }
        let home = environment.home(files)?;
        let user = home.map(|home| home.join(USER));
        for directory in user.into_iter().chain(SYSTEM.map(PathBuf::from)) {
            let directory = directory.join(registry);
            match files.list(&directory) {
                Ok(Some(entries)) => {
                    let names = entries.into_iter().map(|entry| entry.name);
                    return Certificates::in_directory(&directory, names);
                }
                Ok(None) => {}
                // A directory that exists hides the later ones, even if it cannot be listed.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    if files.resolve(&directory).is_ok() {
                        return Ok(Certificates::default());
                    }
                }
                Err(source) => {
                    let path = directory;
                    return Err(CertificatesError::Read { path, source });
                }
            }
        }
        Ok(Certificates::default())
    }

    /// Finds and reads the certificates of a registry: [`find`](Self::find) and
    /// [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn load(
        registry: &str,
        environment: &Environment,
        files: &dyn ConfigFiles,
    ) -> Result<CertificateData, CertificatesError> {
        Self::find(registry, environment, files)?.read(files)
    }

    /// Reads the files. A certificate of an authority that vanished is left out.
    ///
    /// # Errors
    ///
    /// A file cannot be read, is larger than 1 MiB, or a certificate or key of a client vanished.
    pub fn read(&self, files: &dyn ConfigFiles) -> Result<CertificateData, CertificatesError> {
        let mut data = CertificateData::default();
        for path in &self.authorities {
            data.authorities.extend(pem(path, files)?);
        }
        for client in &self.clients {
            let [certificate, key] = [&client.certificate, &client.key].map(|path| {
                pem(path, files)?.ok_or_else(|| CertificatesError::Read {
                    path: path.clone(),
                    source: io::ErrorKind::NotFound.into(),
                })
            });
            data.clients.push((certificate?, key?));
        }
        Ok(data)
    }

    /// Returns the certificates in a directory with these names, sorted.
    ///
    /// # Errors
    ///
    /// A certificate or key lacks the other.
    pub fn in_directory(
        directory: &Path,
        names: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, CertificatesError> {
        let mut names: Vec<OsString> = names.into_iter().collect();
        names.sort();
        let mut found = Certificates::default();
        for name in &names {
            let path = directory.join(name);
            let other = |ending: &str, other: &str| {
                let name = with_ending(name, ending, other)?;
                let is_there = names.contains(&name);
                Some((directory.join(name), is_there))
            };
            if name.as_encoded_bytes().ends_with(b".crt") {
                found.authorities.push(path);
            } else if let Some((key, has_key)) = other(".cert", ".key") {
                let certificate = path;
                if !has_key {
                    return Err(CertificatesError::MissingKey { certificate, key });
                }
                found.clients.push(ClientCertificate { certificate, key });
            } else if let Some((certificate, false)) = other(".key", ".cert") {
                let key = path;
                return Err(CertificatesError::MissingCertificate { key, certificate });
            }
        }
        Ok(found)
    }
}

/// Reads a file; `None` if it does not exist.
fn pem(path: &Path, files: &dyn ConfigFiles) -> Result<Option<Pem>, CertificatesError> {
    let failed = |source| CertificatesError::Read {
        path: path.to_owned(),
        source,
    };
    let Some(bytes) = files.read(path).map_err(failed)? else {
        return Ok(None);
    };
    if bytes.len() > MAX_PEM {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let path = path.to_owned();
    Ok(Some(Pem { path, bytes }))
}

/// Replaces the ending of a name. `None` if it has another one.
fn with_ending(name: &OsStr, ending: &str, other: &str) -> Option<OsString> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    let stem = name.as_bytes().strip_suffix(ending.as_bytes())?;
    Some(OsString::from_vec([stem, other.as_bytes()].concat()))
}

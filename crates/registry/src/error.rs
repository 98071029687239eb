//! Why a registry does not do what it is asked to.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use layerhold_ids::Digest;
use layerhold_sys::Cancelled;

use crate::names::TagOrDigest;
use crate::parse::{ServerError, UrlError};

/// What was asked of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Checking credentials.
    LogIn,
    /// Reading a manifest.
    ReadManifest(TagOrDigest),
    /// Finding out whether a manifest exists.
    FindManifest(TagOrDigest),
    /// Writing a manifest.
    WriteManifest(TagOrDigest),
    /// Reading a blob.
    ReadBlob(Digest),
    /// Finding out whether a blob exists.
    FindBlob(Digest),
    /// Taking a blob over from another repository.
    MountBlob(Digest),
    /// Writing a blob.
    WriteBlob(Digest),
    /// Listing tags.
    ListTags,
    /// Listing what refers to a manifest.
    ListReferrers(Digest),
    /// Reading a file that is not in a registry.
    ReadFile,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogIn => f.write_str("log in to"),
            Self::ReadManifest(name) => write!(f, "read manifest {name} of"),
            Self::FindManifest(name) => write!(f, "look for manifest {name} in"),
            Self::WriteManifest(name) => write!(f, "write manifest {name} to"),
            Self::ReadBlob(digest) => write!(f, "read blob {digest} of"),
            Self::FindBlob(digest) => write!(f, "look for blob {digest} in"),
            Self::MountBlob(digest) => write!(f, "mount blob {digest} in"),
            Self::WriteBlob(digest) => write!(f, "write blob {digest} to"),
            Self::ListTags => f.write_str("list the tags of"),
            Self::ReadFile => f.write_str("read a file of"),
            Self::ListReferrers(digest) => write!(f, "list what refers to {digest} in"),
        }
    }
}

/// A registry did not do what it was asked to. No message has a secret.
#[derive(Debug)]
pub struct RegistryError {
    task: Task,
    place: String,
    problem: Box<Problem>,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.task, self.place)
    }
}

impl Error for RegistryError {
    /// The [`Problem`] itself, and not the box around it, so that it can be downcast to.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.problem)
    }
}

impl RegistryError {
    pub(crate) fn new(task: Task, place: &str, problem: Problem) -> Self {
        Self {
            task,
            place: place.to_owned(),
            problem: Box::new(problem),
        }
    }

    /// Returns what was asked.
    #[must_use]
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Returns the registry, or the repository with its registry, that was asked.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns why it failed. It is also the [`source`](Error::source) of this error.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Returns why it failed, consuming this.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        *self.problem
    }
}

impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> Self {
        Self::other(error)
    }
}

/// What a server answered that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The host that answered: the registry, its token server, or a host that it redirected to.
    pub host: String,
    /// What the server says about it.
    pub errors: Vec<ServerError>,
}

impl Answer {
    /// Whether one of the errors has this code.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.errors.iter().any(|error| error.code == code)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered with status {}", self.host, self.status)?;
        for error in &self.errors {
            let between = match error.code.is_empty() || error.message.is_empty() {
                true => "",
                false => ": ",
            };
            write!(f, ", {}{between}{}", error.code, error.message)?;
        }
        Ok(())
    }
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The repository has no such manifest.
    #[error("no such manifest: {0}")]
    ManifestUnknown(Answer),
    /// The registry has no such repository.
    #[error("no such repository: {0}")]
    NameUnknown(Answer),
    /// The repository has no such blob.
    #[error("no such blob: {0}")]
    BlobUnknown(Answer),
    /// No credentials were given, and some are needed. Some registries say this of repositories
    /// that do not exist.
    #[error("{answer}: log in to {registry}, or check the name")]
    LoginRequired {
        /// The registry to log in to, as references name it.
        registry: String,
        /// What the server says.
        answer: Answer,
    },
    /// The credentials are wrong.
    #[error("wrong user name, password or token: {answer}; log in to {registry} again")]
    WrongCredentials {
        /// The registry to log in to, as references name it.
        registry: String,
        /// What the server says.
        answer: Answer,
    },
    /// The credentials do not suffice. Some registries say this of repositories that do not exist.
    #[error("{answer}: log in to {registry} with an account that may do this, or check the name")]
    Denied {
        /// The registry to log in to, as references name it.
        registry: String,
        /// What the server says.
        answer: Answer,
    },
    /// Too many requests were made, even after pauses.
    #[error("too many requests: {answer}{}", try_again(*.retry_after))]
    TooManyRequests {
        /// What the server says.
        answer: Answer,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server refuses for another reason.
    #[error("{answer}")]
    Refused {
        /// What the server says.
        answer: Answer,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server cannot be reached.
    #[error("cannot connect to {host}")]
    Connect {
        /// The host.
        host: String,
        /// The cause.
        source: io::Error,
    },
    /// The server is not the one it should be, or wants a client certificate.
    #[error(
        "no trusted connection to {host}: add its authority's certificate to certs.d, or mark the registry as insecure"
    )]
    Tls {
        /// The host.
        host: String,
        /// The cause.
        source: rustls::Error,
    },
    /// The server answered without TLS.
    #[error("{host} does not speak TLS: if it serves plain HTTP, mark the registry as insecure")]
    NotTls {
        /// The host.
        host: String,
    },
    /// The connection ended before the answer did.
    #[error("the connection to {host} was cut")]
    Cut {
        /// The host.
        host: String,
        /// The cause.
        source: io::Error,
    },
    /// The server was silent for too long.
    #[error("{host} was silent for {} seconds", .limit.as_secs())]
    Idle {
        /// The host.
        host: String,
        /// The limit.
        limit: Duration,
    },
    /// The operation took too long.
    #[error("not done after {} seconds", .limit.as_secs())]
    TotalTime {
        /// The limit.
        limit: Duration,
        /// Why the last attempt failed, if one did.
        #[source]
        last: Option<Box<Problem>>,
    },
    /// The work was cancelled.
    #[error("the request was stopped")]
    Cancelled(#[from] Cancelled),
    /// The answer is not HTTP, or its header is too large.
    #[error("{host} sent what is not a valid answer")]
    Protocol {
        /// The host.
        host: String,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The answer lacks something, or contradicts itself.
    #[error("{host} sent {what}")]
    BadAnswer {
        /// The host.
        host: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The server redirects to what is not followed.
    #[error("{host} redirects to an address that is not followed")]
    Redirect {
        /// The host.
        host: String,
        /// Why not.
        source: RedirectError,
    },
    /// The answer is larger than it may be.
    #[error("{host} sent more than {limit} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The limit.
        limit: u64,
    },
    /// The size is another one than was expected.
    #[error("the size is {actual} bytes, not {expected}")]
    WrongSize {
        /// The expected size.
        expected: u64,
        /// The size found, or as far as it was read.
        actual: u64,
    },
    /// The contents have another digest than was asked for.
    #[error("the contents have the digest {actual}, not {expected}")]
    WrongDigest {
        /// The digest that was asked for.
        expected: Digest,
        /// The digest found.
        actual: Digest,
    },
    /// What is to be sent cannot be read.
    #[error("cannot read what is to be sent")]
    Source(#[source] io::Error),
    /// The name of the registry is not a host with an optional port.
    #[error("{name:?} is not a host with an optional port")]
    BadHost {
        /// The name.
        name: String,
    },
    /// The proxy that was chosen has no valid address.
    #[error("the address of the proxy for {host} is not valid")]
    BadProxy {
        /// The host.
        host: String,
    },
}

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// The address is malformed.
    #[error("the address is malformed")]
    Url(#[from] UrlError),
    /// The address is plain HTTP, and the registry is not marked as insecure.
    #[error("{0} is not encrypted")]
    NotEncrypted(String),
    /// The address is at another host than it has to be.
    #[error("{0} is another host")]
    OtherHost(String),
    /// One redirect followed the other too often.
    #[error("there were {0} redirects")]
    TooMany(usize),
}

impl Problem {
    /// Returns the answer of a server that says no.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::ManifestUnknown(answer)
            | Self::NameUnknown(answer)
            | Self::BlobUnknown(answer)
            | Self::LoginRequired { answer, .. }
            | Self::WrongCredentials { answer, .. }
            | Self::Denied { answer, .. }
            | Self::TooManyRequests { answer, .. }
            | Self::Refused { answer, .. } => Some(answer),
            _ => None,
        }
    }

    /// Whether the registry does not have what was asked for.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::ManifestUnknown(_) | Self::NameUnknown(_) | Self::BlobUnknown(_)
        )
    }

    /// Whether other or any credentials may help.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Self::LoginRequired { .. } | Self::WrongCredentials { .. } | Self::Denied { .. }
        )
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Cut { .. } | Self::Idle { .. } => true,
            Self::TooManyRequests { .. } => true,
            Self::Refused { answer, .. } => {
                matches!(answer.status, 408 | 429 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { retry_after, .. } | Self::Refused { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> Option<u16> {
        self.answer().map(|answer| answer.status)
    }

    pub(crate) fn bad_answer(host: &str, what: &'static str) -> Self {
        Self::BadAnswer {
            host: host.to_owned(),
            what,
        }
    }
}

fn try_again(after: Option<Duration>) -> String {
    match after {
        Some(after) => format!("; try again in {} seconds", after.as_secs()),
        None => "; try again later".to_owned(),
    }
}

//! One repository: all that can be done with it.

use std::sync::Arc;

use layerhold_ids::Digest;

use crate::blob::{Blob, Source};
use crate::error::{Problem, RegistryError, Task};
use crate::location::Location;
use crate::manifest::{self, Described, Manifest};
use crate::names::TagOrDigest;
use crate::presence;
use crate::referrers;
use crate::session::{Missing, Session};
use crate::source::BlobSource;
use crate::tags::Tags;
use crate::upload::Upload;

/// A repository of a registry. A clone is another handle on the same one.
#[derive(Clone, Debug)]
pub struct Repository(Location);

impl Repository {
    pub(crate) fn new(session: Arc<Session>, path: &str) -> Self {
        Self(Location {
            session,
            path: path.to_owned(),
            is_for_writing: false,
        })
    }

    /// Asks for tokens that allow writing from the first request on. This saves one request for a
    /// token when a push begins with questions.
    #[must_use]
    pub fn for_writing(mut self) -> Self {
        self.0.is_for_writing = true;
        self
    }

    /// Returns the path below the registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Reads a manifest, of at most 4 MiB. `accept` are the media types that the caller
    /// understands.
    ///
    /// The bytes are what the registry sent. By digest, they have that digest.
    ///
    /// # Errors
    ///
    /// [`ManifestUnknown`](Problem::ManifestUnknown) or [`NameUnknown`](Problem::NameUnknown) if it
    /// does not exist, [`WrongDigest`](Problem::WrongDigest) if the registry sent another one.
    pub fn manifest(&self, name: &TagOrDigest, accept: &[&str]) -> Result<Manifest, RegistryError> {
        let read = manifest::read(&self.0, name, accept);
        read.map_err(|problem| self.error(Task::ReadManifest(name.clone()), problem))
    }

    /// Looks for a manifest without reading it; `None` if it does not exist.
    ///
    /// The digest is what the registry says. Where it says none, the manifest is read.
    ///
    /// # Errors
    ///
    /// The registry does not answer the question.
    pub fn find_manifest(
        &self,
        name: &TagOrDigest,
        accept: &[&str],
    ) -> Result<Option<Described>, RegistryError> {
        let found = manifest::find(&self.0, name, accept);
        found.map_err(|problem| self.error(Task::FindManifest(name.clone()), problem))
    }

    /// Opens a blob. The registry has answered when this returns.
    ///
    /// # Errors
    ///
    /// [`BlobUnknown`](Problem::BlobUnknown) if it does not exist, [`WrongSize`](Problem::WrongSize)
    /// if the registry's one has another size.
    pub fn blob(&self, digest: &Digest, size: Option<u64>) -> Result<Blob, RegistryError> {
        let source = Source::Registry {
            session: Arc::clone(&self.0.session),
            access: self.0.reading(Missing::Blob),
            path: self.0.blob_path(digest),
        };
        let attempts = self.0.session.attempts();
        Blob::open(source, digest, &self.0.place(), size, attempts)
    }

    /// Looks for a blob, and returns its size; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// The registry does not answer the question.
    pub fn find_blob(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        let found = presence::find(&self.0, digest);
        found.map_err(|problem| self.error(Task::FindBlob(digest.clone()), problem))
    }

    /// Takes a blob over from another repository of the registry, without sending it; tells whether
    /// the registry did. If not, the blob has to be uploaded.
    ///
    /// # Errors
    ///
    /// The registry does not answer.
    pub fn mount_blob(&self, digest: &Digest, from: &str) -> Result<bool, RegistryError> {
        let mounted = presence::mount(&self.0, digest, from);
        mounted.map_err(|problem| self.error(Task::MountBlob(digest.clone()), problem))
    }

    /// Writes a manifest. The blobs that it names have to be there before.
    ///
    /// # Errors
    ///
    /// [`WrongDigest`](Problem::WrongDigest) if it is written by another digest than it has.
    pub fn put_manifest(
        &self,
        name: &TagOrDigest,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let written = manifest::write(&self.0, name, media_type, bytes);
        written.map_err(|problem| self.error(Task::WriteManifest(name.clone()), problem))
    }

    /// Writes a blob, without asking whether it exists.
    ///
    /// `progress` is called with the number of bytes that were sent. It falls after a cut to what
    /// the registry has by then.
    ///
    /// # Errors
    ///
    /// The source cannot be read, or the registry does not take the blob.
    pub fn upload(
        &self,
        digest: &Digest,
        source: &dyn BlobSource,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RegistryError> {
        let done = Upload::new(&self.0, digest, source).run(progress);
        done.map_err(|problem| self.error(Task::WriteBlob(digest.clone()), problem))
    }

    /// Reads what refers to a manifest, such as signatures: the bytes of OCI indices, each a page
    /// of the list, of at most 4 MiB. There may be none.
    ///
    /// # Errors
    ///
    /// The registry does not answer the question.
    pub fn referrers(&self, digest: &Digest) -> Result<Vec<Vec<u8>>, RegistryError> {
        let read = referrers::read(&self.0, digest);
        read.map_err(|problem| self.error(Task::ListReferrers(digest.clone()), problem))
    }

    /// Lists the tags. Pages are read as they are needed.
    #[must_use]
    pub fn tags(&self) -> Tags {
        Tags::new(self.0.clone())
    }

    fn error(&self, task: Task, problem: Problem) -> RegistryError {
        RegistryError::new(task, &self.0.place(), problem)
    }
}

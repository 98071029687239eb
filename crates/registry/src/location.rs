//! Where a repository is, and what requests to it may do.

use std::sync::Arc;

use layerhold_ids::Digest;

use crate::names::TagOrDigest;
use crate::session::{Access, Missing, Session};

/// A repository of a registry, for the operations on it.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) session: Arc<Session>,
    pub(crate) path: String,
    /// Whether tokens allow writing from the first request on.
    pub(crate) is_for_writing: bool,
}

impl Location {
    /// The repository with its registry, as references name it.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.session.name(), self.path)
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> String {
        format!("/v2/{}/blobs/{digest}", self.path)
    }

    pub(crate) fn manifest_path(&self, name: &TagOrDigest) -> String {
        format!("/v2/{}/manifests/{name}", self.path)
    }

    pub(crate) fn uploads_path(&self) -> String {
        format!("/v2/{}/blobs/uploads/", self.path)
    }

    pub(crate) fn referrers_path(&self, digest: &Digest) -> String {
        format!("/v2/{}/referrers/{digest}", self.path)
    }

    /// The access for requests that change nothing.
    pub(crate) fn reading(&self, missing: Missing) -> Access {
        match self.is_for_writing {
            true => self.writing(missing),
            false => self.access("pull", missing),
        }
    }

    /// The access for requests that change something.
    pub(crate) fn writing(&self, missing: Missing) -> Access {
        self.access("pull,push", missing)
    }

    fn access(&self, actions: &str, missing: Missing) -> Access {
        Access {
            scopes: vec![format!("repository:{}:{actions}", self.path)],
            missing,
        }
    }
}

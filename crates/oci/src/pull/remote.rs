//! A repository as a source of documents and layers.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

use layerhold_ids::Digest;
use layerhold_registry::{Problem, RegistryError, TagOrDigest};
use layerhold_sys::is_cancelled;

use super::prefetch::{Blob, Fetch, Prefetch};
use crate::manifest::{Descriptor, MAX_CONFIG_SIZE};
use crate::media::MANIFEST_TYPES;
use crate::progress::{Event, Reporter};
use crate::registries::Connection;
use crate::source::{
    Documents, FirstDocument, FoundLayer, LayerStream, Layers, SourceError, SourceKind,
};

/// The small documents of a repository.
pub(super) struct RemoteDocuments<'a> {
    pub(super) connection: &'a Connection,
}

impl RemoteDocuments<'_> {
    /// Reads the manifest or index that a tag or digest names.
    pub(super) fn first(&self, name: &TagOrDigest) -> Result<FirstDocument, RegistryError> {
        let found = self.connection.repository.manifest(name, MANIFEST_TYPES)?;
        Ok(FirstDocument {
            bytes: found.bytes,
            digest: found.digest,
            media_type: declared(found.media_type),
        })
    }
}

/// The declared type of a manifest. Servers that know nothing of manifests declare types that say
/// nothing; then the document itself tells.
fn declared(media_type: String) -> String {
    match media_type.as_str() {
        "application/json" | "application/octet-stream" | "text/plain" => String::new(),
        _ => media_type,
    }
}

impl Documents for RemoteDocuments<'_> {
    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, SourceError> {
        let name = TagOrDigest::from(digest.clone());
        Ok(self.first(&name)?.bytes)
    }

    fn config(&self, config: &Descriptor) -> Result<Vec<u8>, SourceError> {
        let blob = self
            .connection
            .repository
            .blob(&config.digest, Some(config.size))?;
        let bytes = blob.read_all(MAX_CONFIG_SIZE)?;
        Ok(bytes)
    }

    fn has(&self, _digest: &Digest) -> bool {
        true
    }
}

/// Fetches the layers of an image.
pub(super) struct Fetcher<'a> {
    pub(super) connection: &'a Connection,
    pub(super) layers: Vec<FoundLayer>,
    pub(super) progress: &'a Reporter<'a>,
    failure: Mutex<Option<(usize, io::Error)>>,
}

impl<'a> Fetcher<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        layers: Vec<FoundLayer>,
        progress: &'a Reporter<'a>,
    ) -> Self {
        Fetcher {
            connection,
            layers,
            progress,
            failure: Mutex::default(),
        }
    }

    /// Why a layer could not be fetched, if that is why everything was stopped.
    pub(super) fn into_failure(self) -> Option<(usize, io::Error)> {
        self.failure
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn blob(&self, layer: &FoundLayer) -> Result<layerhold_registry::Blob, RegistryError> {
        let size = Some(layer.size);
        let mut refused = None;
        let is_web = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
        for url in layer.urls.iter().filter(is_web) {
            match self
                .connection
                .client
                .foreign_blob(url, &layer.digest, size)
            {
                Ok(blob) => return Ok(blob),
                Err(error) if matches!(error.problem(), Problem::Cancelled(_)) => {
                    return Err(error);
                }
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) => Err(error),
            None => self.connection.repository.blob(&layer.digest, size),
        }
    }
}

impl Fetch for Fetcher<'_> {
    fn open(&self, index: usize) -> io::Result<Blob> {
        let layer = self.layers.get(index).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(self.blob(layer)?))
    }

    fn fetched(&self, index: usize, bytes: u64) {
        self.progress.event(Event::LayerFetched { index, bytes });
    }

    fn failed(&self, index: usize, error: io::Error) {
        if !is_cancelled(&error) {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert((index, error));
        }
        // The layers before this one need not be unpacked any more.
        self.progress.cancel().cancel();
    }
}

/// The layers of an image, of which later ones are fetched while earlier ones are unpacked.
pub(super) struct RemoteLayers<'scope, 'env> {
    pub(super) scope: &'scope Scope<'scope, 'env>,
    pub(super) fetcher: &'env Fetcher<'env>,
    pub(super) prefetch: &'env Prefetch,
    pub(super) connections: usize,
}

impl Layers for RemoteLayers<'_, '_> {
    fn kind(&self) -> SourceKind {
        SourceKind::Registry
    }

    fn expect(&self, indices: &[usize]) {
        let of = self.fetcher.layers.len();
        for index in indices {
            if let Some(layer) = self.fetcher.layers.get(*index) {
                self.fetcher.progress.event(Event::LayerWanted {
                    index: *index,
                    of,
                    digest: &layer.digest,
                    size: layer.size,
                });
            }
        }
        self.prefetch
            .begin(self.scope, self.fetcher, indices, self.connections);
    }

    fn open(&self, index: usize, _layer: &FoundLayer) -> Result<LayerStream<'_>, SourceError> {
        Ok(LayerStream {
            reader: Box::new(self.prefetch.reader(self.fetcher, index)),
            size: None,
        })
    }
}

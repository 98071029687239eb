//! From a manifest or an index to an image, in sources that find their documents by digest.

use layerhold_ids::{Algorithm, Digest};

use super::choose;
use super::error::SourceError;
use super::found::{FoundImage, FoundLayer, FoundManifest, Selection};
use crate::config::Config;
use crate::digest::sha256;
use crate::manifest::{Descriptor, Document, KNOWN, Manifest};

/// How deep indices may nest. Real ones nest once.
pub(super) const MAX_DEPTH: usize = 8;

/// The small documents of a source. Each is checked against the digest that names it.
pub(crate) trait Documents {
    /// Reads a manifest or an index.
    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, SourceError>;
    /// Reads a configuration.
    fn config(&self, config: &Descriptor) -> Result<Vec<u8>, SourceError>;
    /// Whether the source has a manifest that an index lists.
    fn has(&self, digest: &Digest) -> bool;
}

/// The manifest or index that an image is named by.
#[derive(Clone, Debug)]
pub(crate) struct FirstDocument {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
    /// The declared type; may be empty.
    pub(crate) media_type: String,
}

/// A manifest, and the index it was chosen from.
pub(crate) struct Chosen {
    pub(crate) document: FoundManifest,
    manifest: Box<Manifest>,
    index: Option<(Digest, Vec<u8>)>,
}

/// Finds the image that a document stands for, and reads its configuration.
pub(crate) fn find_image(
    source: &dyn Documents,
    first: FirstDocument,
    names: Vec<String>,
    selection: Selection<'_>,
) -> Result<FoundImage, SourceError> {
    let chosen = choose_manifest(source, first, selection)?;
    chosen.into_image(source, names, selection)
}

/// Follows indices to a manifest. The topmost index is kept, as in skopeo.
pub(crate) fn choose_manifest(
    source: &dyn Documents,
    first: FirstDocument,
    selection: Selection<'_>,
) -> Result<Chosen, SourceError> {
    let mut document = first;
    let mut top = None;
    for _ in 0..MAX_DEPTH {
        let unusable = |source| SourceError::Manifest {
            name: document.digest.to_string(),
            source,
        };
        match Document::parse(&document.bytes, &document.media_type).map_err(unusable)? {
            Document::Manifest(manifest) => {
                manifest.check_readable().map_err(unusable)?;
                return Ok(Chosen {
                    document: FoundManifest {
                        digest: sha256(&document.bytes),
                        bytes: document.bytes,
                    },
                    manifest,
                    index: top,
                });
            }
            Document::Index(entries) => {
                let entry = choose::best(&entries, selection, &|digest| source.has(digest))?;
                top.get_or_insert_with(|| (sha256(&document.bytes), document.bytes));
                document = FirstDocument {
                    bytes: source.manifest(&entry.digest)?,
                    digest: entry.digest.clone(),
                    media_type: known(&entry.media_type),
                };
            }
        }
    }
    Err(SourceError::TooDeep { limit: MAX_DEPTH })
}

/// The type of an entry of an index. Of an unknown one, Go uses the type in the document.
fn known(media_type: &str) -> String {
    match KNOWN.contains(&media_type) {
        true => media_type.to_owned(),
        false => String::new(),
    }
}

impl Chosen {
    /// Reads the configuration.
    pub(crate) fn into_image(
        self,
        source: &dyn Documents,
        names: Vec<String>,
        selection: Selection<'_>,
    ) -> Result<FoundImage, SourceError> {
        let config_digest = self.manifest.config.digest.clone();
        let config_bytes = config(source, &self.manifest.config)?;
        let config = Config::parse(&config_bytes).map_err(|source| SourceError::Config {
            name: config_digest.to_string(),
            source,
        })?;
        selection.check_platform(&config)?;
        if config.diff_ids.len() != self.manifest.layers.len() {
            return Err(SourceError::LayerCount {
                layers: self.manifest.layers.len(),
                diff_ids: config.diff_ids.len(),
            });
        }
        let layers = self.manifest.layers.iter().map(FoundLayer::of_blob);
        Ok(FoundImage {
            names,
            layers: layers.collect(),
            manifest: Some(self.document),
            index: self.index,
            signatures: Vec::new(),
            config_bytes,
            config_digest,
            config,
        })
    }
}

/// Reads a configuration. Its size must be that of the manifest, which other tools trust.
fn config(source: &dyn Documents, config: &Descriptor) -> Result<Vec<u8>, SourceError> {
    if config.digest.algorithm() != Algorithm::Sha256 {
        return Err(SourceError::ConfigAlgorithm {
            digest: config.digest.clone(),
        });
    }
    let bytes = source.config(config)?;
    if bytes.len() as u64 != config.size {
        return Err(SourceError::ConfigSize {
            digest: config.digest.clone(),
            expected: config.size,
            actual: bytes.len() as u64,
        });
    }
    Ok(bytes)
}

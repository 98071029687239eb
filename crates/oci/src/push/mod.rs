//! Pushing images of a store to registries.

mod layer;
mod index;
mod places;
mod options;
mod error;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use layerhold::{Snapshot, Store};
use layerhold_archive::Codec;
use layerhold_ids::Digest;
use layerhold_image_policy::Signature;
use layerhold_reference::Reference;
use layerhold_registry::TagOrDigest;

use self::layer::{LayerPush, Permits, PushedLayer};
use self::places::Places;
use crate::digest::sha256;
use crate::manifest::ManifestKind;
use crate::media;
use crate::progress::{Event, Progress, Reporter};
use crate::registries::{Connection, Location, Purpose, Registries};
use crate::signatures::SignatureStorage;
use crate::stored::{ImageError, StoredImage};
use crate::written::{Blob, Labels, manifest};

pub use self::error::{Change, PushError};
pub use self::options::{ManifestFormat, PushCompression, PushOptions, Pushed};

/// Pushes an image of a store to a registry.
///
/// Layers that the registry has are not sent; those of another repository there, which the image or
/// its layers came from, are taken over from it. The others are compressed on all processors and
/// sent over several connections. The tag comes last, so that no tag names what is not there.
///
/// The manifest stays byte for byte as it is if it names what was sent. `destination` is the whole
/// name there; without a tag it gets `latest`.
///
/// ```no_run
/// use layerhold::Store;
/// use layerhold_oci::{PushOptions, Quiet, Registries, push};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let options = layerhold::StoreOptions::new("/var/lib/containers/storage", "/run/containers/storage");
///
/// let store = Store::open(options)?;
/// let registries = Registries::of_process()?;
/// let options = PushOptions::default();
/// let pushed = push(&store, &registries, "app", "quay.io/team/app:1", &options, &Quiet)?;
/// println!("{}", pushed.digest);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The image is not in the store or damaged, or the registry refuses.
pub fn push(
    store: &Store,
    registries: &Registries,
    image: &str,
    destination: &str,
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<Pushed, PushError> {
    let (store, progress) = &Reporter::new(store, progress);
    let push = Push::new(store, registries, destination, options, progress)?;
    let sent = push.image(&push.find(image)?)?;
    push.put(&push.tag(), sent.media_type, &sent.manifest)?;
    Ok(push.done(sent.digest.clone(), &[sent]))
}

/// Pushes images, which are one image for several platforms, and an index of them.
///
/// The images get no tags of their own, the index has the tag. It is in OCI's format unless all
/// manifests are docker's.
///
/// # Errors
///
/// As [`push`], or two images are for the same platform.
pub fn push_index<S: AsRef<str>>(
    store: &Store,
    registries: &Registries,
    images: &[S],
    destination: &str,
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<Pushed, PushError> {
    let (store, progress) = &Reporter::new(store, progress);
    let push = Push::new(store, registries, destination, options, progress)?;
    let found = images
        .iter()
        .map(|image| push.find(image.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    let platforms = index::platforms(&found)?;
    let mut sent = Vec::new();
    for image in &found {
        let one = push.image(image)?;
        push.put(&one.digest.clone().into(), one.media_type, &one.manifest)?;
        sent.push(one);
    }
    let (media_type, bytes) = index::write(&platforms, &sent);
    push.put(&push.tag(), media_type, &bytes)?;
    Ok(push.done(sha256(&bytes), &sent))
}

/// A push to one repository.
struct Push<'a> {
    store: &'a Store,
    /// The images of the store as the push began.
    snapshot: Snapshot,
    registries: &'a Registries,
    connection: Connection,
    destination: Reference,
    options: &'a PushOptions,
    progress: &'a Reporter<'a>,
}

/// An image whose blobs the registry has.
struct SentImage {
    manifest: Vec<u8>,
    digest: Digest,
    media_type: &'static str,
    layers: Vec<PushedLayer>,
}

impl<'a> Push<'a> {
    fn new(
        store: &'a Store,
        registries: &'a Registries,
        destination: &str,
        options: &'a PushOptions,
        progress: &'a Reporter<'a>,
    ) -> Result<Self, PushError> {
        let destination: Reference = destination.parse()?;
        if destination.digest().is_some() {
            return Err(PushError::DigestAsDestination {
                reference: Box::new(destination),
            });
        }
        let destination = destination.or_latest();
        let registry = registries.conf.registry(&destination);
        if let Some(registry) = registry.filter(|registry| registry.blocked) {
            return Err(PushError::Blocked {
                reference: Box::new(destination),
                prefix: registry.prefix.clone(),
                origin: registry.origin.clone(),
            });
        }
        let location = Location {
            reference: &destination,
            is_insecure: registry.is_some_and(|registry| registry.insecure),
            asked: &destination,
        };
        let connection = registries.connect(&location, Purpose::Push, progress.cancel())?;
        Ok(Push {
            store,
            snapshot: store.snapshot()?,
            registries,
            connection,
            destination,
            options,
            progress,
        })
    }

    fn tag(&self) -> TagOrDigest {
        TagOrDigest::of(&self.destination)
    }

    fn find(&self, image: &str) -> Result<StoredImage, ImageError> {
        StoredImage::find(self.store, &self.snapshot, image)
    }

    /// Sends the layers, the configuration and the signatures of an image, and makes its manifest.
    fn image(&self, image: &StoredImage) -> Result<SentImage, PushError> {
        let signatures = self.signatures(image)?;
        let layers = self.layers(image)?;
        let codecs = layers.iter().map(|layer| layer.codec);
        let kind = self.kind(image, codecs.enumerate())?;
        let blobs: Vec<(Blob, Codec)> = layers
            .iter()
            .map(|layer| (layer.blob.clone(), layer.codec))
            .collect();
        let manifest = manifest(image, &blobs, kind, Labels::Right);
        self.check_unchanged(image, &layers, kind, &manifest)?;
        self.send_config(image)?;
        let digest = sha256(&manifest);
        self.storage().write(&digest, &signatures)?;
        let media_type = match kind {
            ManifestKind::Oci => media::OCI_MANIFEST,
            ManifestKind::Docker => media::DOCKER_MANIFEST,
        };
        Ok(SentImage {
            manifest,
            digest,
            media_type,
            layers,
        })
    }

    /// The signatures to send. Fails early if there is no place for them.
    fn signatures(&self, image: &StoredImage) -> Result<Vec<Signature>, PushError> {
        if self.options.remove_signatures {
            return Ok(Vec::new());
        }
        let parsed = image.signatures.iter().map(|blob| Signature::parse(blob));
        let signatures = parsed.collect::<Result<Vec<_>, _>>();
        let signatures = signatures.map_err(|source| PushError::Signature {
            image: image.id.clone(),
            source,
        })?;
        self.storage().check_writable(&signatures)?;
        Ok(signatures)
    }

    fn storage(&self) -> SignatureStorage<'_> {
        SignatureStorage {
            conf: &self.registries.signatures,
            connection: &self.connection,
            reference: &self.destination,
        }
    }

    /// Sends the layers, several at a time.
    fn layers(&self, image: &StoredImage) -> Result<Vec<PushedLayer>, PushError> {
        let of = image.layers.len();
        for (index, layer) in image.layers.iter().enumerate() {
            self.progress.event(Event::LayerWanted {
                index,
                of,
                digest: layer.diff_id.digest(),
                size: layer.size.unwrap_or(0),
            });
        }
        let places = Places::find(&self.snapshot, image, &self.destination)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let push = LayerPush {
            store: self.store,
            repository: &self.connection.repository,
            options: self.options,
            progress: self.progress,
            of,
            compressing: Permits::new(cores),
        };
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<Result<PushedLayer, PushError>>>> =
            Mutex::new(image.layers.iter().map(|_| None).collect());
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(layer) = image.layers.get(index) else {
                    return;
                };
                let result = push.run(index, layer, places.of(&layer.id));
                let is_failed = result.is_err();
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(place) = results.get_mut(index) {
                    *place = Some(result);
                }
                if is_failed {
                    // The others need not be sent any more.
                    next.store(of, Ordering::Relaxed);
                    self.progress.cancel().cancel();
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.options.connections.min(of) {
                let thread = std::thread::Builder::new().name("push".to_owned());
                // This thread works too, so that one that cannot be started is only slower.
                if thread.spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        collect(results.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The format of the manifest.
    fn kind(
        &self,
        image: &StoredImage,
        mut codecs: impl Iterator<Item = (usize, Codec)>,
    ) -> Result<ManifestKind, PushError> {
        let zstd = codecs.find(|(_, codec)| *codec == Codec::Zstd);
        match (self.options.format, zstd) {
            (Some(ManifestFormat::Docker), Some((layer, _))) => Err(PushError::Format {
                image: image.id.clone(),
                layer,
            }),
            (Some(ManifestFormat::Docker), None) => Ok(ManifestKind::Docker),
            (Some(ManifestFormat::Oci), _) | (None, Some(_)) => Ok(ManifestKind::Oci),
            (None, None) => Ok(image.manifest.kind),
        }
    }

    /// Fails if the manifest has changed and must not.
    fn check_unchanged(
        &self,
        image: &StoredImage,
        layers: &[PushedLayer],
        kind: ManifestKind,
        manifest: &[u8],
    ) -> Result<(), PushError> {
        if manifest == image.manifest_bytes {
            return Ok(());
        }
        let before = &image.manifest.layers;
        let mut pairs = before.iter().zip(layers);
        let changed = pairs.position(|(before, after)| before.digest != after.blob.digest);
        let why = match changed {
            _ if kind != image.manifest.kind => Change::Format,
            Some(layer) => Change::Layer { layer },
            None => Change::MediaTypes,
        };
        let id = image.id.clone();
        if self.options.preserve_digests {
            return Err(PushError::WouldChange {
                image: id,
                before: sha256(&image.manifest_bytes),
                why,
            });
        }
        if !image.signatures.is_empty() && !self.options.remove_signatures {
            return Err(PushError::Signed { image: id, why });
        }
        Ok(())
    }

    fn send_config(&self, image: &StoredImage) -> Result<(), PushError> {
        let repository = &self.connection.repository;
        if repository.find_blob(&image.config_digest)?.is_some() {
            return Ok(());
        }
        repository.upload(&image.config_digest, &image.config_bytes, &mut |_| ())?;
        Ok(())
    }

    fn put(&self, name: &TagOrDigest, media_type: &str, bytes: &[u8]) -> Result<(), PushError> {
        self.progress.check()?;
        self.progress.event(Event::Committing);
        let repository = &self.connection.repository;
        repository.put_manifest(name, media_type, bytes)?;
        Ok(())
    }

    fn done(&self, digest: Digest, images: &[SentImage]) -> Pushed {
        let layers = images.iter().flat_map(|image| &image.layers);
        let (reused, sent): (Vec<_>, Vec<_>) = layers.partition(|layer| layer.is_reused);
        Pushed {
            reference: self.destination.clone(),
            digest,
            sent: sent.len(),
            reused: reused.len(),
        }
    }
}

/// The layers, or the error that stopped them.
fn collect(
    results: Vec<Option<Result<PushedLayer, PushError>>>,
) -> Result<Vec<PushedLayer>, PushError> {
    let mut layers = Vec::with_capacity(results.len());
    let mut cancelled = None;
    for result in results.into_iter().flatten() {
        match result {
            Ok(layer) => layers.push(layer),
            // The other errors are only its consequence, unless all of it was cancelled.
            Err(error) if error.is_cancelled() => cancelled = Some(error),
            Err(error) => return Err(error),
        }
    }
    match cancelled {
        Some(error) => Err(error),
        None => Ok(layers),
    }
}

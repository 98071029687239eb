//! Pulling images from registries into a store.

mod remote;
mod prefetch;
mod options;
mod error;

use layerhold::Store;
use layerhold_environment::HostFiles;
use layerhold_image_policy::{Context, ImageLocation, Signature, UnverifiedImage};
use layerhold_reference::Reference;
use layerhold_registries_conf::{PullSource, Selection as Choice};
use layerhold_registry::TagOrDigest;

use self::prefetch::Prefetch;
use self::remote::{Fetcher, RemoteDocuments, RemoteLayers};
use crate::load::{Incoming, LoadedImage};
use crate::progress::{Event, Progress, Reporter};
use crate::registries::{Connection, Location, Purpose, Registries};
use crate::signatures::SignatureStorage;
use crate::source::{FirstDocument, FoundImage, Selection, choose_manifest};

pub use self::error::PullError;
pub use self::options::{PullOptions, PulledImage};

/// Pulls an image into a store.
///
/// `image` is a name as people type it: a short name is resolved by `registries.conf`. The image
/// comes from the first mirror that has it, or else from its registry, and is recorded under the
/// name that it was asked for by.
///
/// Layers that the store has are not fetched. The others are fetched over several connections, and
/// unpacked in order while later ones still come. All digests are checked while the bytes pass, and
/// the image becomes visible as a whole, after the policy has accepted it.
///
/// A short name that stands for several images is pulled from the first registry that has it,
/// unless the configuration wants a person to choose.
///
/// ```no_run
/// use layerhold::Store;
/// use layerhold_oci::{PullOptions, Quiet, Registries, pull};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let options = layerhold::StoreOptions::new("/var/lib/containers/storage", "/run/containers/storage");
///
/// let store = Store::open(options)?;
/// let registries = Registries::of_process()?;
/// let image = pull(&store, &registries, "quay.io/podman/hello", &PullOptions::default(), &Quiet)?;
/// println!("{}", image.id);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The image is not there, the policy refuses it, a digest does not match, or the store refuses.
/// The store is then as it was before.
pub fn pull(
    store: &Store,
    registries: &Registries,
    image: &str,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<PulledImage, PullError> {
    let resolved = registries.conf.resolve(image)?;
    if resolved.selection == Choice::Choice {
        return Err(PullError::Ambiguous {
            name: image.to_owned(),
            candidates: resolved.candidates,
        });
    }
    let mut failures = Vec::new();
    for reference in resolved.candidates {
        // A layer that cannot be fetched cancels the rest of its image only.
        let (store, progress) = &Reporter::new(store, progress);
        let pull = Pull {
            store,
            registries,
            options,
            progress,
        };
        match pull.candidate(&reference) {
            Err(error) if !error.is_cancelled() => failures.push((reference, error)),
            result => return result,
        }
    }
    match failures.pop() {
        Some((_, error)) if failures.is_empty() => Err(error),
        last => Err(PullError::NoCandidate {
            name: image.to_owned(),
            failures: failures.into_iter().chain(last).collect(),
        }),
    }
}

/// The pull of one image.
struct Pull<'a> {
    store: &'a Store,
    registries: &'a Registries,
    options: &'a PullOptions,
    progress: &'a Reporter<'a>,
}

/// A place that has the image.
struct Found {
    source: Reference,
    connection: Connection,
    first: FirstDocument,
}

impl Pull<'_> {
    fn candidate(&self, reference: &Reference) -> Result<PulledImage, PullError> {
        // With a digest, a tag says nothing, as in podman.
        let reference = &match reference.digest() {
            Some(_) => reference.clone().without_tag(),
            None => reference.clone(),
        };
        let found = self.find(reference)?;
        let image = self.image(reference, &found)?;
        let loaded = self.bring_in(&found.connection, image)?;
        Ok(PulledImage {
            id: loaded.id,
            names: loaded.names,
            digest: loaded.digest.unwrap_or(found.first.digest),
            reference: reference.clone(),
            source: found.source,
            imported: loaded.imported,
            reused: loaded.reused,
        })
    }

    /// Finds the first place that has the image: a mirror, or its registry.
    fn find(&self, reference: &Reference) -> Result<Found, PullError> {
        let sources = self.registries.conf.pull_sources(reference)?;
        let mut mirrors = Vec::new();
        for source in sources {
            match self.ask(reference, &source) {
                Ok(found) => return Ok(found),
                Err(error) if error.is_cancelled() => return Err(error),
                Err(error) if source.is_mirror => mirrors.push((source.reference, error)),
                Err(error) if mirrors.is_empty() => return Err(error),
                Err(error) => {
                    return Err(PullError::NoSource {
                        reference: Box::new(reference.clone()),
                        mirrors,
                        source: Box::new(error),
                    });
                }
            }
        }
        // The registry itself is always the last source.
        Err(PullError::NoCandidate {
            name: reference.to_string(),
            failures: mirrors,
        })
    }

    fn ask(&self, reference: &Reference, source: &PullSource) -> Result<Found, PullError> {
        self.progress.event(Event::Asking {
            source: &source.reference,
        });
        let location = Location {
            reference: &source.reference,
            is_insecure: source.insecure,
            asked: reference,
        };
        let cancel = self.progress.cancel();
        let connection = self.registries.connect(&location, Purpose::Pull, cancel)?;
        let name = TagOrDigest::of(&source.reference);
        let documents = RemoteDocuments {
            connection: &connection,
        };
        let first = documents.first(&name)?;
        Ok(Found {
            source: source.reference.clone(),
            connection,
            first,
        })
    }

    /// Chooses the image, lets the policy decide, and reads the configuration.
    fn image(&self, reference: &Reference, found: &Found) -> Result<FoundImage, PullError> {
        let documents = RemoteDocuments {
            connection: &found.connection,
        };
        let selection = Selection {
            image: None,
            platform: self.options.platform.as_ref(),
            renames: self.options.names.is_some(),
            // They come from their own places.
            keeps_signatures: false,
        };
        let chosen = choose_manifest(&documents, found.first.clone(), selection)?;
        let storage = SignatureStorage {
            conf: &self.registries.signatures,
            connection: &found.connection,
            reference: &found.source,
        };
        let signatures = storage.read(&chosen.document.digest)?;
        self.check(reference, &chosen.document.bytes, &signatures)?;
        let mut image = chosen.into_image(&documents, vec![reference.to_string()], selection)?;
        if !self.options.remove_signatures {
            image.signatures = signatures.iter().map(Signature::to_blob).collect();
        }
        Ok(image)
    }

    /// Fails unless the policy accepts the image.
    fn check(
        &self,
        reference: &Reference,
        manifest: &[u8],
        signatures: &[Signature],
    ) -> Result<(), PullError> {
        let location = ImageLocation::docker(reference)?;
        let image = UnverifiedImage::new(&location, manifest).with_signatures(signatures);
        self.registries
            .policy
            .check(&image, &Context::new(&HostFiles))?;
        Ok(())
    }

    fn bring_in(
        &self,
        connection: &Connection,
        image: FoundImage,
    ) -> Result<LoadedImage, PullError> {
        let progress = self.progress;
        let entries = vec![image];
        let incoming = Incoming::new(&entries, self.options.names.as_deref())?;
        let layers = entries.iter().flat_map(|image| image.layers.clone());
        let fetcher = Fetcher::new(connection, layers.collect(), progress);
        let prefetch = Prefetch::new(self.options.scratch.clone(), progress.cancel().clone());
        let mut transaction = self.store.begin()?;
        let loaded = std::thread::scope(|scope| {
            let layers = RemoteLayers {
                scope,
                fetcher: &fetcher,
                prefetch: &prefetch,
                connections: self.options.connections,
            };
            let loaded =
                incoming.bring_in(self.store, &mut transaction, &layers, entries, progress);
            prefetch.stop();
            if loaded.is_err() {
                // Workers do not wait for a server any more.
                progress.cancel().cancel();
            }
            loaded
        });
        let loaded = match (loaded, fetcher.into_failure()) {
            // The failure stopped everything.
            (Err(error), Some((index, source))) if error.is_cancelled() => {
                return Err(PullError::Fetch { index, source });
            }
            (loaded, _) => loaded?,
        };
        progress.event(Event::Committing);
        transaction.commit()?;
        Ok(loaded)
    }
}

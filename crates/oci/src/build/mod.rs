//! Building images.

mod squash;
mod assemble;
mod contents;
mod source;
mod error;
mod document;
mod change;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use layerhold::layerhold_schema::Timestamp;
use layerhold::{Store, Transaction};
use layerhold_ids::{DiffId, Digest, ImageId, LayerId};
use serde_json::json;

use self::assemble::assemble;
use self::change::ConfigChange;
use crate::platform::Platform;
use crate::progress::{Event, Progress, Quiet, Reporter};

pub use self::change::InvalidSetting;
pub use self::error::BuildError;
pub use self::source::LayerSource;

/// Builds an image in a store: layers, configuration, manifest and names, as podman, buildah and
/// skopeo keep them.
///
/// ```no_run
/// use layerhold::{Store, StoreOptions};
/// use layerhold_oci::ImageBuilder;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Store::open(StoreOptions::new("/srv/images", "/run/images"))?;
/// let image = ImageBuilder::new()
///     .directory("rootfs")
///     .entrypoint(["/usr/bin/app", "--serve"])
///     .name("app:1.0")
///     .build(&store)?;
/// println!("{}", image.id);
/// # Ok(())
/// # }
/// ```
///
/// Nothing is visible before [`build`](Self::build) ends, and then all of it is. Equal layers are
/// stored once. The same contents, settings and [`timestamp`](Self::timestamp) give the same image
/// ID.
///
/// | The image has | From |
/// |---|---|
/// | layers | those of the base image, then one for each [`layer`](Self::layer) |
/// | configuration | that of the base image, with what was set here |
/// | history | that of the base image, then one entry for each layer |
/// | manifest | OCI; layers are listed by their uncompressed tars, as buildah lists them |
/// | layer IDs | derived from the contents ([`layerhold::layer_id_of_contents`]) |
#[derive(Debug)]
#[must_use = "nothing is built before `build` is called"]
pub struct ImageBuilder<'a> {
    base: Base,
    names: Vec<String>,
    layers: Vec<LayerSource<'a>>,
    change: ConfigChange,
    annotations: BTreeMap<String, String>,
    created: Option<Timestamp>,
    timestamp: Option<Timestamp>,
    comment: String,
    squash: Squash,
    scratch: PathBuf,
}

/// The image below the new layers.
#[derive(Clone, Debug)]
enum Base {
    Scratch,
    Image(String),
    /// The image of a container.
    OfContainer(String),
    /// No layers, but this configuration.
    Configuration(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Squash {
    No,
    Yes,
}

/// An image that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuiltImage {
    /// Its ID: the digits of the digest of its configuration.
    pub id: ImageId,
    /// The names it got, complete.
    pub names: Vec<String>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its manifest.
    pub manifest: Vec<u8>,
    /// Its configuration.
    pub configuration: Vec<u8>,
    /// Its layers, bottom first.
    pub layers: Vec<LayerId>,
    /// The digests of the uncompressed tars of its layers, bottom first.
    pub diff_ids: Vec<DiffId>,
}

impl Default for ImageBuilder<'_> {
    fn default() -> Self {
        Self::over(Base::Scratch)
    }
}

impl<'a> ImageBuilder<'a> {
    /// An image without layers, for this machine's platform.
    pub fn new() -> Self {
        Self::default()
    }

    /// An image on top of another one of the store, given by ID, name or short name
    /// ([`find_image`](crate::find_image)).
    pub fn from_image(image: impl Into<String>) -> Self {
        Self::over(Base::Image(image.into()))
    }

    /// An image of a container, given by ID or name: its image, and its changes as a layer. The
    /// configuration is that of its image, without what podman or buildah set for this container.
    /// The container may run. Files that it changes at that time are as they are when they are
    /// read, or make the build fail.
    pub fn from_container(container: impl Into<String>) -> Self {
        let container = container.into();
        Self::over(Base::OfContainer(container.clone())).layer(LayerSource::container(container))
    }

    fn over(base: Base) -> Self {
        ImageBuilder {
            base,
            names: Vec::new(),
            layers: Vec::new(),
            change: ConfigChange::default(),
            annotations: BTreeMap::new(),
            created: None,
            timestamp: None,
            comment: String::new(),
            squash: Squash::No,
            scratch: PathBuf::from("/var/tmp"),
        }
    }

    /// Adds a name. It is completed as podman does ([`local_name`](crate::local_name)), and moves
    /// here from an image that has it. [`find_image`](crate::find_image) completes names too; the
    /// methods of [`Store`] take the complete one.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    // ---- Layers ----

    /// Adds a layer.
    pub fn layer(mut self, layer: LayerSource<'a>) -> Self {
        self.layers.push(layer);
        self
    }

    /// Adds a layer with the contents of a directory ([`LayerSource::directory`]).
    pub fn directory(self, path: impl Into<PathBuf>) -> Self {
        self.layer(LayerSource::directory(path))
    }

    /// Adds a layer with one file ([`LayerSource::file`]).
    pub fn file(self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.layer(LayerSource::file(path, target))
    }

    /// Adds a layer from a tar in a file, plain or compressed ([`LayerSource::archive`]).
    pub fn archive(self, path: impl Into<PathBuf>) -> Self {
        self.layer(LayerSource::archive(path))
    }

    /// Adds a layer with what a function puts into a directory ([`LayerSource::filled`]).
    pub fn filled<E>(self, fill: impl FnOnce(&Path) -> Result<(), E> + Send + 'a) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.layer(LayerSource::filled(fill))
    }

    /// Makes one layer of all, those of the base image too. The history becomes one entry.
    ///
    /// The image is first built as usual, without a name, and removed afterwards.
    pub fn squash(mut self) -> Self {
        self.squash = Squash::Yes;
        self
    }

    // ---- The configuration ----

    /// Sets the program that a container runs, with its first arguments. The
    /// [`command`](Self::command) of the base image is dropped: it was for another program.
    pub fn entrypoint<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.change.entrypoint = Some(texts(words));
        self
    }

    /// Sets the arguments of the entrypoint, or the program if there is no entrypoint (`Cmd`).
    pub fn command<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.change.command = Some(texts(words));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.change.variables.push((name.into(), value.into()));
        self
    }

    /// Sets a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let value = json!(value.into());
        drop(self.change.labels.insert(name.into(), value));
        self
    }

    /// Sets the user that the program runs as: a name or an ID, with `:` and a group if wanted.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.change.user = Some(user.into());
        self
    }

    /// Sets the directory that the program starts in, an absolute path.
    pub fn working_directory(mut self, path: impl Into<String>) -> Self {
        self.change.working_directory = Some(path.into());
        self
    }

    /// Adds a port that the program listens on: `80`, `53/udp`, `8000-8010`.
    pub fn port(mut self, port: impl AsRef<str>) -> Self {
        self.change.add_port(port.as_ref());
        self
    }

    /// Adds a directory for data that outlive a container, an absolute path.
    pub fn volume(mut self, path: impl Into<String>) -> Self {
        drop(self.change.volumes.insert(path.into(), json!({})));
        self
    }

    /// Sets the signal that asks the program to end: `SIGTERM`, `15`.
    pub fn stop_signal(mut self, signal: impl Into<String>) -> Self {
        self.change.stop_signal = Some(signal.into());
        self
    }

    /// Sets the author, of the image and of the new history.
    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.change.author = Some(author.into());
        self
    }

    /// Sets the comment of the new history.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = comment.into();
        self
    }

    /// Sets the platform. Without it, it is that of the base image, else that of this machine.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.change.platform = Some(platform);
        self
    }

    /// Adds an annotation to the manifest.
    pub fn annotation(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        drop(self.annotations.insert(name.into(), value.into()));
        self
    }

    /// Sets the time of creation, of the image and of the new history; now without it.
    pub fn created(mut self, created: Timestamp) -> Self {
        self.created = Some(created);
        self
    }

    /// Makes the build reproducible: the time of creation, and the modification times of all files
    /// in new layers, in full seconds. Only the times in an [`archive`](Self::archive) stay as they
    /// are.
    pub fn timestamp(mut self, time: Timestamp) -> Self {
        self.timestamp = Some(time);
        self
    }

    /// Sets the directory for temporary files, which [`filled`](Self::filled) trees need;
    /// `/var/tmp` without it.
    pub fn scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = directory.into();
        self
    }

    // ---- Building ----

    /// Builds the image.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] and [`BuildError::Name`] for values that an image cannot have, and
    /// [`BuildError::Image`] for a base image that is unknown or not whole, before anything is
    /// read; [`BuildError::Layer`] and [`BuildError::Source`] when a layer cannot be stored or
    /// read. The store is then as it was.
    pub fn build(self, store: &Store) -> Result<BuiltImage, BuildError> {
        self.build_with(store, &Quiet)
    }

    /// Builds the image, and reports the layers.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_with(
        self,
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<BuiltImage, BuildError> {
        let (store, progress) = Reporter::new(store, progress);
        match self.squash {
            Squash::Yes => squash::build(self, &store, &progress),
            Squash::No => self.commit(&store, &progress),
        }
    }

    fn commit(self, store: &Store, progress: &Reporter<'_>) -> Result<BuiltImage, BuildError> {
        let mut transaction = store.begin()?;
        let built = assemble(self, &mut transaction, progress)?;
        progress.event(Event::Committing);
        transaction.commit()?;
        Ok(built)
    }

    /// Adds the image to a transaction, with which it becomes visible.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build); [`BuildError::SquashInTransaction`] for an image to be squashed,
    /// which takes two transactions.
    pub fn stage(self, transaction: &mut Transaction) -> Result<BuiltImage, BuildError> {
        match self.squash {
            Squash::Yes => Err(BuildError::SquashInTransaction),
            Squash::No => {
                let (_, quiet) = Reporter::new(&transaction.store(), &Quiet);
                assemble(self, transaction, &quiet)
            }
        }
    }

    /// The time of creation.
    fn time(&self) -> Timestamp {
        let chosen = self.created.or(self.timestamp);
        chosen.unwrap_or_else(Timestamp::now)
    }
}

fn texts<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Vec<String> {
    words.into_iter().map(Into::into).collect()
}

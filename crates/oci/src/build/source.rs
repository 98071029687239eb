//! The contents of a new layer.

use std::error::Error;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use layerhold_ids::ImageId;

/// The contents of a new layer.
///
/// ```
/// use layerhold_oci::LayerSource;
///
/// let layer = LayerSource::directory("target/site")
///     .below("/srv/www")
///     .owner(0, 0)
///     .created_by("copied the site");
/// # drop(layer);
/// ```
#[must_use = "a layer is made when the image is built"]
pub struct LayerSource<'a> {
    pub(super) kind: SourceKind<'a>,
    pub(super) below: PathBuf,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) created_by: Option<String>,
}

pub(super) enum SourceKind<'a> {
    Directory(PathBuf),
    File(PathBuf),
    Archive(PathBuf),
    Reader(Box<dyn Read + Send + 'a>),
    Container(String),
    Filled(Fill<'a>),
    /// The whole tree of an image.
    TreeOf(ImageId),
}

type Fill<'a> = Box<dyn FnOnce(&Path) -> Result<(), Box<dyn Error + Send + Sync>> + Send + 'a>;

impl<'a> LayerSource<'a> {
    fn new(kind: SourceKind<'a>) -> Self {
        LayerSource {
            kind,
            below: PathBuf::new(),
            owner: None,
            created_by: None,
        }
    }

    /// The contents of a directory: files, links, devices, with their owners, modes, times, file
    /// capabilities and `user.` attributes. Sockets are left out. The directory itself becomes the
    /// root of the image, and its own attributes do not count.
    ///
    /// Files named `.wh.NAME` are whiteouts, as in every layer.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::new(SourceKind::Directory(path.into()))
    }

    /// One regular file of this machine, as `target` in the image, with its owner, mode and time.
    pub fn file(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self::new(SourceKind::File(path.into())).below(target)
    }

    /// A tar in a file, plain or compressed with gzip, bzip2, xz or zstd. It is stored as it is,
    /// whiteouts included.
    pub fn archive(path: impl Into<PathBuf>) -> Self {
        Self::new(SourceKind::Archive(path.into()))
    }

    /// A tar that comes as a stream. It is read once, when the image is built.
    pub fn reader(tar: impl Read + Send + 'a) -> Self {
        Self::new(SourceKind::Reader(Box::new(tar)))
    }

    /// The changes of a container, given by ID or name: what it added, changed and deleted.
    pub fn container(container: impl Into<String>) -> Self {
        Self::new(SourceKind::Container(container.into()))
    }

    /// What a function puts into an empty directory, which becomes the root of the image. The
    /// directory is removed afterwards.
    pub fn filled<E>(fill: impl FnOnce(&Path) -> Result<(), E> + Send + 'a) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let fill = |path: &Path| fill(path).map_err(Into::into);
        Self::new(SourceKind::Filled(Box::new(fill)))
    }

    /// The whole tree of an image, as one layer.
    pub(super) fn tree_of(image: ImageId) -> Self {
        Self::new(SourceKind::TreeOf(image))
    }

    /// Puts the contents of a directory, or a filled tree, into this directory of the image.
    /// Missing directories above it belong to root and have mode 0755.
    pub fn below(mut self, directory: impl Into<PathBuf>) -> Self {
        self.below = directory.into();
        self
    }

    /// Gives everything one owner, as IDs in the container. For directories, files and filled
    /// trees.
    pub fn owner(mut self, user: u32, group: u32) -> Self {
        self.owner = Some((user, group));
        self
    }

    /// Sets the text of the history entry (`created_by`). Without it, the text says which kind of
    /// source it was.
    pub fn created_by(mut self, text: impl Into<String>) -> Self {
        self.created_by = Some(text.into());
        self
    }

    /// The text of the history entry. Paths of this machine do not get into an image.
    pub(super) fn history_text(&self) -> String {
        if let Some(text) = &self.created_by {
            return text.clone();
        }
        let below = self.below.display();
        let whole = self.below.as_os_str().is_empty();
        match &self.kind {
            SourceKind::Directory(_) if whole => "layerhold: directory".to_owned(),
            SourceKind::Directory(_) => format!("layerhold: directory {below}"),
            SourceKind::File(_) => format!("layerhold: file {below}"),
            SourceKind::Archive(_) | SourceKind::Reader(_) => "layerhold: archive".to_owned(),
            SourceKind::Container(_) => "layerhold: changes of a container".to_owned(),
            SourceKind::Filled(_) => "layerhold: files".to_owned(),
            SourceKind::TreeOf(_) => "layerhold: all layers in one".to_owned(),
        }
    }
}

impl fmt::Debug for LayerSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("LayerSource");
        match &self.kind {
            SourceKind::Directory(path) => fields.field("directory", path),
            SourceKind::File(path) => fields.field("file", path),
            SourceKind::Archive(path) => fields.field("archive", path),
            SourceKind::Reader(_) => fields.field("reader", &format_args!("_")),
            SourceKind::Container(container) => fields.field("container", container),
            SourceKind::Filled(_) => fields.field("filled", &format_args!("_")),
            SourceKind::TreeOf(image) => fields.field("tree_of", image),
        };
        fields
            .field("below", &self.below)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

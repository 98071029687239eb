//! The two ends of a copy.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use layerhold::{Item, LookupError, MountGuard, MountRequest, Snapshot};
use layerhold_idmap::IdMappings;
use layerhold_sys::{Dir, effective_group, effective_user};
use serde_json::Value;

use super::super::call::Call;
use super::super::find::find;
use super::super::image_configuration::configuration;
use super::CopyError;
use super::place::{Place, look_up};
use super::user::user;
use crate::environment::Environment;
use crate::failure::Failure;

/// What an operand means.
#[derive(Debug)]
pub(super) enum Operand {
    /// `-`: a tar on standard input or output.
    Stream,
    /// A path of this machine.
    Host(String),
    /// A path of a container, image or layer.
    Inside(Item, String),
}

/// Understands an operand. A text that begins with `/` or `.`, or has no colon, is a path of this
/// machine, as in podman. Names of images have colons too: the path behind them is absolute then.
pub(super) fn operand(snapshot: &Snapshot, text: &str) -> Result<Operand, LookupError> {
    if text == "-" {
        return Ok(Operand::Stream);
    }
    if text.starts_with(['/', '.']) || !text.contains(':') {
        return Ok(Operand::Host(text.to_owned()));
    }
    let colons = || text.match_indices(':').map(|(at, _)| text.split_at(at));
    let before_paths = colons().filter(|(_, rest)| rest.starts_with(":/"));
    let mut first = None;
    for (name, rest) in before_paths.chain(colons()) {
        match find(snapshot, name) {
            Ok(item) => {
                let path = rest.strip_prefix(':').unwrap_or(rest);
                return Ok(Operand::Inside(item, path.to_owned()));
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    // There is a colon, so something was looked for.
    match first {
        Some(error) => Err(error),
        None => Ok(Operand::Host(text.to_owned())),
    }
}

/// A path below a root: this machine's, or that of a mounted layer.
#[derive(Debug)]
pub(super) struct End {
    pub(super) root: Dir,
    path: PathBuf,
    /// The operand's path, for messages.
    pub(super) text: String,
    /// Maps owners between the disk and the container.
    pub(super) maps: IdMappings,
    /// The owner of what is copied to this end.
    owner: Owner,
    /// Ends the mount when it is dropped.
    mount: Option<MountGuard>,
}

#[derive(Debug)]
enum Owner {
    /// The user of this process.
    Own,
    /// The user that the image of a container names.
    OfImage(String),
}

impl End {
    pub(super) fn on_host(environment: &Environment, text: String) -> Result<Self, Failure> {
        Ok(End {
            root: Dir::open_ambient("/").map_err(Failure::value)?,
            path: environment.absolute(&text),
            text,
            maps: IdMappings::IDENTITY,
            owner: Owner::Own,
            mount: None,
        })
    }

    /// Mounts an item until this is dropped.
    pub(super) fn inside(
        call: &Call<'_, '_>,
        snapshot: &Snapshot,
        item: &Item,
        text: String,
    ) -> Result<Self, Failure> {
        let request = MountRequest::new();
        let read_only = || MountRequest::new().option("ro");
        let mut owner = String::new();
        let mount = match item {
            Item::Container(container) => {
                if let Some(image) = container.image()
                    && let Ok(image) = snapshot.image(image)
                    && let Some(found) = configuration(call.store, &image)?
                {
                    let named = found.pointer("/config/User").and_then(Value::as_str);
                    owner = named.unwrap_or_default().to_owned();
                }
                call.store.mount_guard(container.id(), &request)?
            }
            Item::Image(image) => call.store.mount_image_guard(image.id(), &request)?,
            Item::Layer(layer) if snapshot.additional_store_of_layer(layer.id()).is_some() => {
                call.store.mount_guard(layer.id(), &read_only())?
            }
            Item::Layer(layer) => call.store.mount_guard(layer.id(), &request)?,
        };
        let layer = snapshot.layer(mount.layer())?;
        Ok(End {
            root: Dir::open_ambient(mount.path()).map_err(Failure::value)?,
            path: PathBuf::from(&text),
            text,
            maps: snapshot.shown_id_maps(&layer),
            owner: Owner::OfImage(owner),
            mount: Some(mount),
        })
    }

    /// Whether this is a path of this machine.
    pub(super) fn is_host(&self) -> bool {
        self.mount.is_none()
    }

    /// Whether both ends are in one layer.
    pub(super) fn is_in_the_tree_of(&self, other: &Self) -> bool {
        match (&self.mount, &other.mount) {
            (Some(own), Some(other)) => own.layer() == other.layer(),
            _ => false,
        }
    }

    /// What the path leads to.
    pub(super) fn place(&self) -> Result<Place, CopyError> {
        let place = look_up(&self.root, &self.path)?;
        match place {
            Place::Other { .. } if self.wants_directory() => Err(CopyError::NotADirectory {
                path: self.text.clone(),
            }),
            place => Ok(place),
        }
    }

    /// Whether the path can only mean a directory.
    pub(super) fn wants_directory(&self) -> bool {
        self.text.ends_with('/') || self.text.ends_with("/.")
    }

    /// Whether only what is in a directory is meant, not the directory itself.
    pub(super) fn means_contents(&self) -> bool {
        self.text == "." || self.text.ends_with("/.") || self.name().is_empty()
    }

    /// The last component of the path; empty for a root.
    pub(super) fn name(&self) -> OsString {
        match self.path.file_name() {
            Some(name) => name.to_owned(),
            None => OsString::new(),
        }
    }

    /// The path without its last component, for messages.
    pub(super) fn parent(&self) -> String {
        let parent = Path::new(&self.text).parent().unwrap_or(Path::new(""));
        parent.display().to_string()
    }

    /// The owner of what is copied to this end.
    pub(super) fn owner(&self) -> Result<(u32, u32), Failure> {
        match &self.owner {
            Owner::Own => Ok((effective_user(), effective_group())),
            Owner::OfImage(text) => user(&self.root, text).map_err(Failure::value),
        }
    }
}

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use layerhold_idmap::IdMappings;
use layerhold_sys::{Cancel, Dir};
use layerhold_tar_format::TarTime;

use crate::overlay_form::OverlayForm;

/// An overlay's upper directory, whose whiteouts are converted to those of archives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OverlayLayers {
    /// How its deletions are represented.
    pub form: OverlayForm,
    /// A directory is packed as opaque only if one of them has its name.
    lower: Arc<LowerDirs>,
}

impl OverlayLayers {
    /// Describes how deletions are represented, and the lower directories, uppermost first.
    #[must_use]
    pub fn new(form: OverlayForm, lower: Vec<Dir>) -> Self {
        Self::opened_by(form, move || Ok(lower.clone()))
    }

    /// As [`new`](Self::new), but `open` opens the lower directories once one of them is needed.
    /// There may be hundreds of them, and they are needed for opaque directories only. What `open`
    /// holds lives until the packing ends.
    #[must_use]
    pub fn opened_by(
        form: OverlayForm,
        open: impl Fn() -> Result<Vec<Dir>, BoxedError> + Send + Sync + 'static,
    ) -> Self {
        let lower = Arc::new(LowerDirs {
            opened: OnceLock::new(),
            open: Box::new(open),
        });
        Self { form, lower }
    }

    pub(super) fn lower(&self) -> Result<&[Dir], BoxedError> {
        if let Some(opened) = self.lower.opened.get() {
            return Ok(opened);
        }
        let opened = (self.lower.open)()?;
        Ok(self.lower.opened.get_or_init(|| opened))
    }
}

/// Any error of a caller.
type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Lower directories that are opened when they are needed.
struct LowerDirs {
    opened: OnceLock<Vec<Dir>>,
    open: Box<dyn Fn() -> Result<Vec<Dir>, BoxedError> + Send + Sync>,
}

impl fmt::Debug for LowerDirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LowerDirs").field(&self.opened).finish()
    }
}

/// Which version of the Go library the headers match.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum HeaderStyle {
    /// Permission bits only, and no user names, which differ between machines: what the library
    /// writes today (Go: `pkg/archive/archive.go`, `nosysFileInfo`).
    #[default]
    Current,
    /// With the file type in the mode, and with this machine's user names: what it wrote up to
    /// version 1.43 at least, as in Debian 12.
    Legacy(OwnerNames),
}

/// The names of users and groups on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerNames {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl OwnerNames {
    /// Parses the texts of `/etc/passwd` and `/etc/group`. Malformed lines are skipped, and the
    /// first name of an ID counts.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        Self {
            users: names(passwd),
            groups: names(group),
        }
    }

    pub(super) fn user(&self, uid: u32) -> &str {
        self.users.get(&uid).map_or("", String::as_str)
    }

    pub(super) fn group(&self, gid: u32) -> &str {
        self.groups.get(&gid).map_or("", String::as_str)
    }
}

/// Both files begin their lines with name, password and ID.
fn names(text: &str) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.split(':');
        if let (Some(name), Some(_), Some(id)) = (parts.next(), parts.next(), parts.next())
            && let Ok(id) = id.parse()
        {
            found.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    found
}

/// How owners outside the ID mappings are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnmappedOwners {
    /// Packing fails.
    #[default]
    Fail,
    /// They become 65534, as the kernel shows them in the container.
    Overflow,
}

/// How to pack.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PackOptions {
    /// Maps owners on disk to those in a container. Empty mappings change nothing.
    pub id_maps: IdMappings,
    /// How owners outside the ID mappings are packed.
    pub unmapped: UnmappedOwners,
    /// If given, the tree is the upper directory of an overlay.
    pub overlay: Option<OverlayLayers>,
    /// Replaces every modification time, for reproducible archives.
    pub timestamp: Option<TarTime>,
    /// Replaces every owner, as `(user, group)` in the container. No ID is mapped then.
    pub owner: Option<(u32, u32)>,
    /// The directory that the tree becomes in the archive; empty for the root. It gets an entry of
    /// its own, the directories above it get none. Only [`pack`](crate::pack()) uses it.
    pub below: PathBuf,
    /// What the headers look like.
    pub style: HeaderStyle,
    /// Cancels packing: between two entries, or two buffers of a file.
    pub cancel: Cancel,
}

impl PackOptions {
    /// The defaults: no mapping, the headers of today's Go library.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps owners on disk to those in a container.
    #[must_use]
    pub fn with_id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = maps;
        self
    }

    /// Sets how owners outside the ID mappings are packed.
    #[must_use]
    pub fn with_unmapped(mut self, unmapped: UnmappedOwners) -> Self {
        self.unmapped = unmapped;
        self
    }

    /// Says that the tree is the upper directory of an overlay, whose whiteouts are converted.
    #[must_use]
    pub fn with_overlay(mut self, layers: OverlayLayers) -> Self {
        self.overlay = Some(layers);
        self
    }

    /// Sets what the headers look like.
    #[must_use]
    pub fn with_style(mut self, style: HeaderStyle) -> Self {
        self.style = style;
        self
    }

    /// Replaces every modification time.
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: TarTime) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Replaces every owner, as IDs in the container.
    #[must_use]
    pub fn with_owner(mut self, user: u32, group: u32) -> Self {
        self.owner = Some((user, group));
        self
    }

    /// Puts the tree into a directory of the archive.
    #[must_use]
    pub fn with_directory(mut self, below: impl Into<PathBuf>) -> Self {
        self.below = below.into();
        self
    }

    /// Has `cancel` stop the packing.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_names_count() {
        let names = OwnerNames::parse("root:x:0:0::\nnonsense\ntoor:x:0:0\n", "wheel:x:0:\n");
        assert_eq!((names.user(0), names.group(0)), ("root", "wheel"));
        assert_eq!((names.user(1), names.group(1)), ("", ""));
    }
}

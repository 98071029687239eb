//! What a tar-split file states about its layer.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use layerhold_ids::{Algorithm, DiffId, LayerId};
use layerhold_sys::Dir;
use layerhold_tar_format::{EntryKind, Header};
use layerhold_tar_split::{Headers, Skeleton};

use crate::check::compare::IgnoredDifferences;
use crate::check::contents;
use crate::check::inspection::Inspection;
use crate::check::tree::is_whiteout;
use crate::contents::diff::open_tar_split;

/// At most this many files are compared with the owners in their headers.
const MAX_COMPARED: usize = 1000;

/// What a tar-split file states about its layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Replay {
    /// The digest and the size of the tar, if all files are as they were.
    pub(super) tar: Option<(DiffId, u64)>,
    pub(super) uids: Vec<u32>,
    pub(super) gids: Vec<u32>,
    /// Whether the files have the owners in the tar.
    pub(super) has_own_owners: bool,
}

impl Replay {
    /// Reads the tar-split file of a layer; `None` when it cannot be read.
    pub(super) fn of(inspection: &Inspection<'_>, id: &LayerId) -> Option<Self> {
        let mut replay = Self {
            has_own_owners: true,
            ..Self::default()
        };
        replay.headers(inspection, id)?;
        if let Ok(Some(sum)) = contents::rebuild(inspection, id, Algorithm::Sha256) {
            replay.tar = Some((DiffId::new(sum.digest), sum.bytes));
        }
        Some(replay)
    }

    fn headers(&mut self, inspection: &Inspection<'_>, id: &LayerId) -> Option<()> {
        let file = open_tar_split(inspection.engine, &inspection.records.layers, id);
        let mut headers = Headers::new(Skeleton::from_gzip(file.ok()??));
        let options = &inspection.engine.options;
        let is_compared = !IgnoredDifferences::new(options).owners;
        let tree = inspection.driver.diff_dir(id).ok().flatten();
        let mut tree = tree.filter(|_| is_compared);
        let (mut uids, mut gids) = (BTreeSet::new(), BTreeSet::new());
        let mut compared = 0;
        while let Some((header, recorded)) = headers.next_header().ok()? {
            // Go: layers.go, `applyDiffWithOptions` also leaves these out.
            if header.kind == EntryKind::GlobalHeader || is_whiteout(recorded.name) {
                continue;
            }
            uids.extend(u32::try_from(header.uid));
            gids.extend(u32::try_from(header.gid));
            if let Some(root) = &tree {
                self.has_own_owners &= has_owner(root, header);
                compared += 1;
            }
            if compared >= MAX_COMPARED || !self.has_own_owners {
                tree = None;
            }
        }
        self.uids = uids.into_iter().collect();
        self.gids = gids.into_iter().collect();
        Some(())
    }
}

/// Tells whether a file has the owner in its header. A missing file, and one that another entry or
/// a lower layer may have changed, counts as right.
fn has_owner(root: &Dir, header: &Header) -> bool {
    if matches!(header.kind, EntryKind::HardLink | EntryKind::Directory) {
        return true;
    }
    let path = Path::new(OsStr::from_bytes(&header.name));
    let found = root.resolve_parent_in_root(path);
    let stat = found.and_then(|(dir, name)| dir.stat(name));
    let Ok(Some(stat)) = stat else { return true };
    i64::from(stat.uid) == header.uid && i64::from(stat.gid) == header.gid
}

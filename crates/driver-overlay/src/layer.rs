//! The directory of a layer, and what the driver notes there.

use std::path::PathBuf;

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, PathError};

use crate::additional::{external_diff, shown_diff};
use crate::homes::Home;
use crate::link::{LinkName, parse_lower};
use crate::names::{DIFF, EMPTY, LINK, LOWER, MERGED, diff_name};

/// 500 short names take 15 thousand bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// The directory of a layer.
#[derive(Debug, Clone)]
pub(crate) struct LayerDir {
    home: Home,
    id: LayerId,
    dir: Dir,
}

/// What the `lower` file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LowerList {
    /// There is none, as is right for a layer without parents.
    Base,
    /// The layers below, nearest first.
    Links(Vec<LinkName>),
    /// It is lost or unreadable.
    Damaged,
}

impl LayerDir {
    pub(crate) fn new(home: Home, id: LayerId, dir: Dir) -> Self {
        Self { home, id, dir }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn id(&self) -> &LayerId {
        &self.id
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.home.layer_path(&self.id)
    }

    pub(crate) fn merged(&self) -> PathBuf {
        self.path().join(MERGED)
    }

    /// The short name; `None` when it is lost.
    pub(crate) fn link(&self) -> Result<Option<LinkName>, PathError> {
        read_link_file(&self.dir)
    }

    pub(crate) fn lower(&self) -> Result<LowerList, PathError> {
        read_lower_file(&self.dir)
    }

    pub(crate) fn diffs(&self) -> Result<Vec<String>, PathError> {
        diff_names(&self.dir)
    }

    /// Opens the directory of what the layer changes.
    pub(crate) fn open_diff(&self) -> Result<Dir, LayerError> {
        open_diff(&self.dir)
    }

    /// Whether another program has the contents.
    pub(crate) fn is_external(&self) -> Result<bool, PathError> {
        Ok(external_diff(&self.dir)?.is_some())
    }

    /// Whether owners were rewritten, so that the difference is not in `diff` alone.
    pub(crate) fn is_rotated(&self) -> Result<bool, PathError> {
        Ok(self.diffs()?.len() > 1)
    }
}

pub(crate) fn read_link_file(dir: &Dir) -> Result<Option<LinkName>, PathError> {
    let text = dir.read_file(LINK, LONGEST_FILE)?;
    Ok(text.and_then(|text| LinkName::parse(&text)))
}

pub(crate) fn read_lower_file(dir: &Dir) -> Result<LowerList, PathError> {
    match dir.read_file(LOWER, LONGEST_FILE)? {
        Some(text) => Ok(parse_lower(&text).map_or(LowerList::Damaged, LowerList::Links)),
        // Every layer without parents has this directory, and no other layer does.
        None if dir.exists(EMPTY)? => Ok(LowerList::Base),
        None => Ok(LowerList::Damaged),
    }
}

/// The names of the directories of contents, the uppermost first. While they are moved down one by
/// one there is a gap.
pub(crate) fn diff_names(dir: &Dir) -> Result<Vec<String>, PathError> {
    let mut names = vec![DIFF.to_owned()];
    let mut missing = 0;
    for n in 1.. {
        let name = diff_name(n);
        if dir.exists(&name)? {
            names.push(name);
            missing = 0;
        } else if missing == 1 {
            break;
        } else {
            missing += 1;
        }
    }
    Ok(names)
}

/// Opens `diff` of a layer, also where it is in an additional layer store.
pub(crate) fn open_diff(dir: &Dir) -> Result<Dir, LayerError> {
    match shown_diff(dir)? {
        Some(target) => Ok(Dir::open_ambient(target)?),
        None => Ok(dir.open_dir(DIFF)?),
    }
}

//! Looks names up in the stacked directories of lower layers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use layerhold_sys::{Dir, PathError, Stat};

use crate::changes::ChangesError;
use crate::entry_path::{os, shown};
use crate::overlay_form::{OverlayEntry, OverlayForm, OverlayName};
use crate::tree::push;

/// Directories of one level kept open at a time. There may be hundreds of layers, and each open
/// directory takes a descriptor.
const MOST_OPEN: usize = 32;

/// Why a lookup in lower layers failed.
#[derive(Debug)]
pub(crate) enum LowerError {
    Read(PathError),
    /// A directory continues one of another name.
    Redirected {
        path: PathBuf,
    },
}

impl From<PathError> for LowerError {
    fn from(error: PathError) -> Self {
        Self::Read(error)
    }
}

impl From<LowerError> for ChangesError {
    fn from(error: LowerError) -> Self {
        match error {
            LowerError::Read(source) => Self::Old(source),
            LowerError::Redirected { path } => Self::Redirected { path },
        }
    }
}

/// One directory, merged from all layers that have it.
pub(crate) struct Lower {
    form: OverlayForm,
    path: Vec<u8>,
    layers: Vec<Layer>,
}

struct Layer {
    root: Dir,
    dir: Option<Dir>,
}

/// The entry that a lookup found.
pub(crate) struct LowerEntry {
    /// The directory of the uppermost layer that has it.
    pub(crate) parent: Dir,
    pub(crate) stat: Stat,
    /// Its merged contents, if it is a directory.
    pub(crate) below: Option<Lower>,
}

impl Lower {
    /// The merged root of `layers`, the uppermost first.
    pub(crate) fn new(layers: &[Dir], form: OverlayForm) -> Self {
        let layers = layers.iter().map(|root| Layer {
            root: root.clone(),
            dir: None,
        });
        Self {
            form,
            path: Vec::new(),
            layers: layers.collect(),
        }
    }

    /// Closes all handles; the next lookup opens them again.
    pub(crate) fn close(&mut self) {
        for layer in &mut self.layers {
            layer.dir = None;
        }
    }

    fn open(&mut self, index: usize) -> Result<Option<Dir>, PathError> {
        let Some(layer) = self.layers.get_mut(index) else {
            return Ok(None);
        };
        if let Some(dir) = &layer.dir {
            return Ok(Some(dir.clone()));
        }
        let dir = if self.path.is_empty() {
            layer.root.clone()
        } else {
            layer.root.open_dir_nested(os(&self.path))?
        };
        if index < MOST_OPEN {
            layer.dir = Some(dir.clone());
        }
        Ok(Some(dir))
    }

    /// Looks a name up, from the uppermost layer down.
    pub(crate) fn find(&mut self, name: &OsStr) -> Result<Option<LowerEntry>, LowerError> {
        let mut found: Option<LowerEntry> = None;
        for index in 0..self.layers.len() {
            let Some(dir) = self.open(index)? else {
                break;
            };
            let (stat, replaces) = match self.form.lookup(&dir, name)? {
                OverlayEntry::Nothing => continue,
                OverlayEntry::Whiteout => break,
                OverlayEntry::Present { stat, replaces } => (stat, replaces),
            };
            if !stat.is_dir() {
                // A file below a directory is hidden, with everything below it.
                return Ok(found.or(Some(LowerEntry {
                    parent: dir,
                    stat,
                    below: None,
                })));
            }
            let ends = replaces || self.ends_here(&dir, name, index)?;
            let found = found.get_or_insert_with(|| LowerEntry {
                parent: dir,
                stat,
                below: Some(self.empty_below(name)),
            });
            if let (Some(below), Some(layer)) = (&mut found.below, self.layers.get(index)) {
                below.layers.push(Layer {
                    root: layer.root.clone(),
                    dir: None,
                });
            }
            if ends {
                break;
            }
        }
        Ok(found)
    }

    /// Whether this layer's directory `name` hides all layers below it.
    fn ends_here(&self, dir: &Dir, name: &OsStr, index: usize) -> Result<bool, LowerError> {
        if index + 1 == self.layers.len() {
            return Ok(true);
        }
        if self.form.is_redirected(dir, name)? {
            let path = self.empty_below(name).path;
            return Err(LowerError::Redirected { path: shown(&path) });
        }
        Ok(self.form.is_opaque(dir, name)?)
    }

    fn empty_below(&self, name: &OsStr) -> Self {
        let mut path = self.path.clone();
        push(&mut path, &name.to_owned());
        Self {
            form: self.form,
            path,
            layers: Vec::new(),
        }
    }

    /// All visible names, sorted.
    pub(crate) fn names(&mut self) -> Result<Vec<OsString>, PathError> {
        let mut names = BTreeMap::new();
        for index in 0..self.layers.len() {
            let Some(dir) = self.open(index)? else { break };
            for OverlayName { name, by_name, .. } in self.form.names(&dir)? {
                if let Entry::Vacant(new) = names.entry(name) {
                    let hides = by_name || self.is_whiteout(&dir, new.key())?;
                    new.insert(hides);
                }
            }
        }
        let visible = names.into_iter().filter(|(_, hides)| !hides);
        Ok(visible.map(|(name, _)| name).collect())
    }

    fn is_whiteout(&self, dir: &Dir, name: &OsStr) -> Result<bool, PathError> {
        Ok(matches!(
            self.form.lookup(dir, name)?,
            OverlayEntry::Whiteout
        ))
    }
}

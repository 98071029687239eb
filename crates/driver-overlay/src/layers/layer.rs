//! The directory of a layer, and finding it in the homes.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, PathError, stat_ambient};

use super::external::{Diff, external_error};
use super::link::{LinkName, read_link_file, read_symlink};
use super::lower::LowerList;
use crate::disk::{
    COMPOSEFS, DIFF, Home, Homes, LINKS, MERGED, NAME, OpenHome, diff_name, is_layer_name, optional,
};
use crate::kernel::Lower;

/// The directory of a layer, which is staged or in its place.
#[derive(Debug, Clone)]
pub(crate) struct LayerDir {
    home: Home,
    /// Stays good when a staged layer is moved to its place.
    handle: Dir,
    /// Where the contents are, read at its first use.
    diff: OnceLock<Diff>,
}

impl LayerDir {
    pub(crate) fn new(home: Home, handle: Dir) -> Self {
        Self {
            home,
            handle,
            diff: OnceLock::new(),
        }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn handle(&self) -> &Dir {
        &self.handle
    }

    pub(crate) fn path(&self) -> &Path {
        self.handle.path()
    }

    fn diff(&self) -> Result<&Diff, PathError> {
        if let Some(known) = self.diff.get() {
            return Ok(known);
        }
        let diff = Diff::read(&self.handle)?;
        Ok(self.diff.get_or_init(|| diff))
    }

    /// Whether `diff` is missing, as it is after a crash while owners were rewritten.
    pub(crate) fn lacks_diff(&self) -> Result<bool, PathError> {
        Ok(*self.diff()? == Diff::Missing)
    }

    /// Whether another program has the contents.
    pub(crate) fn is_external(&self) -> Result<bool, PathError> {
        Ok(matches!(self.diff()?, Diff::External(_)))
    }

    /// Fails if the contents are another program's, which must not be changed.
    pub(crate) fn refuse_external(&self) -> Result<(), LayerError> {
        match self.diff()? {
            Diff::External(path) => Err(LayerError::External { path: path.clone() }),
            Diff::Missing | Diff::Here => Ok(()),
        }
    }

    /// The directory of contents that another program shows; fails if it does not show it now.
    fn shown(&self) -> Result<Option<&Path>, LayerError> {
        let Diff::External(target) = self.diff()? else {
            return Ok(None);
        };
        match stat_ambient(target) {
            Ok(Some(_)) => Ok(Some(target)),
            Ok(None) => Err(LayerError::ExternalMissing {
                path: target.clone(),
            }),
            Err(error) => Err(external_error(target)(error)),
        }
    }

    /// Opens the uppermost directory of contents, also where it is in an additional layer store.
    pub(crate) fn open_diff(&self) -> Result<Dir, LayerError> {
        match self.shown()? {
            Some(target) => Ok(Dir::open_ambient(target)?),
            None => Ok(self.handle.open_dir(DIFF)?),
        }
    }

    /// The names of the directories of contents, the uppermost first. There is a gap while they are
    /// moved down one by one.
    pub(crate) fn diff_names(&self) -> Result<Vec<String>, PathError> {
        let mut names = vec![DIFF.to_owned()];
        let mut missing = 0;
        for n in 1.. {
            let name = diff_name(n);
            if self.handle.exists(&name)? {
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

    /// Whether owners were rewritten, so that the difference to the parent is not in `diff` alone.
    pub(crate) fn is_rotated(&self) -> Result<bool, PathError> {
        Ok(self.diff_names()?.len() > 1)
    }

    /// The directory of contents, if all that the layer holds is in it under its name.
    pub(crate) fn only_diff(&self) -> Result<Option<Dir>, LayerError> {
        let is_simple =
            *self.diff()? == Diff::Here && !self.handle.exists(COMPOSEFS)? && !self.is_rotated()?;
        match is_simple {
            true => self.open_diff().map(Some),
            false => Ok(None),
        }
    }

    /// Fails for layers whose `diff` does not hold their files under their names.
    fn check_form(&self) -> Result<(), LayerError> {
        if self.handle.exists(COMPOSEFS)? {
            let operation = "read composefs layers";
            return Err(LayerError::NotSupported {
                driver: NAME,
                operation,
            });
        }
        Ok(())
    }

    /// The directories of contents, the uppermost first, as lower directories of a mount. `link` is
    /// the short name under which the layer is reached, if there is one.
    pub(crate) fn lowers(&self, link: Option<&LinkName>) -> Result<Vec<Lower>, LayerError> {
        self.check_form()?;
        if let Some(outside) = self.shown()? {
            return Ok(vec![Lower::outside(outside.to_owned())]);
        }
        let inside = self.path_in_home();
        let lowers = self.diff_names()?.into_iter().map(|name| {
            let mut lower = Lower::inside(self.home.path(), inside.join(&name));
            if let Some(link) = link {
                lower.short = match name.as_str() {
                    DIFF => format!("{LINKS}/{link}").into(),
                    other => format!("{LINKS}/{link}/../{other}").into(),
                };
            }
            lower
        });
        Ok(lowers.collect())
    }

    /// The path of the directory below its home.
    pub(crate) fn path_in_home(&self) -> &Path {
        let path = self.path();
        path.strip_prefix(self.home.path()).unwrap_or(path)
    }

    /// Opens the directories of contents, the uppermost first.
    pub(crate) fn open_diffs(&self) -> Result<Vec<Dir>, LayerError> {
        self.check_form()?;
        let mut dirs = Vec::new();
        for name in self.diff_names()? {
            dirs.push(match name.as_str() {
                DIFF => self.open_diff()?,
                other => self.handle.open_dir(other)?,
            });
        }
        Ok(dirs)
    }
}

/// A layer that is in its place.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    id: LayerId,
    dir: LayerDir,
}

impl Layer {
    pub(crate) fn new(home: Home, id: LayerId, handle: Dir) -> Self {
        Self {
            id,
            dir: LayerDir::new(home, handle),
        }
    }

    pub(crate) fn id(&self) -> &LayerId {
        &self.id
    }

    pub(crate) fn dir(&self) -> &LayerDir {
        &self.dir
    }

    pub(crate) fn into_dir(self) -> LayerDir {
        self.dir
    }

    pub(crate) fn home(&self) -> &Home {
        self.dir.home()
    }

    pub(crate) fn handle(&self) -> &Dir {
        self.dir.handle()
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn merged(&self) -> PathBuf {
        self.path().join(MERGED)
    }

    /// The short name; `None` when it is lost.
    pub(crate) fn link(&self) -> Result<Option<LinkName>, PathError> {
        read_link_file(self.handle())
    }

    /// The short names of the parents.
    pub(crate) fn lower(&self) -> Result<LowerList, PathError> {
        LowerList::read(self.handle())
    }
}

// ---- finding layers ----

impl Home {
    /// Opens a layer; `None` when it is not here.
    pub(crate) fn layer(&self, id: &LayerId) -> Result<Option<Layer>, PathError> {
        OpenHome::new(self.clone()).layer(id)
    }
}

impl OpenHome {
    /// Opens a layer; `None` when it is not here.
    pub(super) fn layer(&self, id: &LayerId) -> Result<Option<Layer>, PathError> {
        let Some(home) = self.dir()?.filter(|_| is_layer_name(id)) else {
            return Ok(None);
        };
        let handle = optional(home.open_dir(id.as_str()))?;
        Ok(handle.map(|handle| Layer::new(self.home().clone(), id.clone(), handle)))
    }

    /// Opens the layer that a short name means, by the symbolic link.
    pub(super) fn layer_of_link(&self, link: &LinkName) -> Result<Option<Layer>, PathError> {
        let Some(links) = self.links()? else {
            return Ok(None);
        };
        match read_symlink(links, link)? {
            Some(id) => self.layer(&id),
            None => Ok(None),
        }
    }
}

impl Homes {
    /// Looks for a layer.
    pub(crate) fn find(&self, id: &LayerId) -> Result<Option<Layer>, PathError> {
        for home in self.all() {
            if let Some(layer) = home.layer(id)? {
                return Ok(Some(layer));
            }
        }
        Ok(None)
    }

    /// Looks for a layer that must be there.
    pub(crate) fn require(&self, id: &LayerId) -> Result<Layer, LayerError> {
        self.find(id)?
            .ok_or_else(|| LayerError::Unknown { id: id.clone() })
    }

    /// Looks for a layer that is to be changed and must be there.
    pub(crate) fn require_writable(&self, id: &LayerId) -> Result<Layer, LayerError> {
        let unknown = || LayerError::Unknown { id: id.clone() };
        let home = self.home_for_change(id)?.ok_or_else(unknown)?;
        home.check_writable()?;
        home.layer(id)?.ok_or_else(unknown)
    }
}

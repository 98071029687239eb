//! A layer that is staged, and what is below it.

use std::path::PathBuf;
use std::sync::Arc;

use layerhold_driver::{LayerError, LayerRef};
use layerhold_sys::Dir;

use crate::NAME;
use crate::additional::shown_diff;
use crate::chain::{below, link_of, lower_of};
use crate::homes::{Home, Homes};
use crate::layer::{LayerDir, diff_names, open_diff};
use crate::link::LinkName;
use crate::names::{COMPOSEFS, LINKS};
use crate::plan::Lower;
use crate::staged::OverlayStaged;

/// A layer that is staged, as those staged above it know it.
///
/// Its short name is chosen when it is staged. Those above it have that name in their lists before
/// it has an ID: the ID is only in the symbolic link, which is made when it is committed.
#[derive(Debug)]
pub(crate) struct Stack {
    /// The home it will be in.
    pub(crate) home: Home,
    /// Its directory. The handle stays good when the directory is moved to its place.
    pub(crate) dir: Dir,
    pub(crate) link: LinkName,
    /// The short names of all layers below, nearest first.
    pub(crate) lower: Vec<LinkName>,
    pub(crate) below: Below,
}

/// The layer right below another one.
#[derive(Debug, Clone)]
pub(crate) enum Below {
    Nothing,
    Committed(LayerDir),
    Staged(Arc<Stack>),
}

/// Where the contents of a layer are.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    pub(crate) home: PathBuf,
    /// The directory of the layer.
    pub(crate) dir: Dir,
    /// Its path.
    pub(crate) path: PathBuf,
    /// A way to `diff` that is as short as possible, if there is one.
    pub(crate) short: Option<String>,
}

impl Below {
    /// Finds a parent or template.
    pub(crate) fn find(layer: Option<LayerRef<'_>>, homes: &Homes) -> Result<Self, LayerError> {
        match layer {
            None => Ok(Self::Nothing),
            Some(LayerRef::Committed(id)) => Ok(Self::Committed(homes.require(id)?)),
            Some(LayerRef::Staged(staged)) => {
                match staged.as_any().downcast_ref::<OverlayStaged>() {
                    Some(staged) => Ok(Self::Staged(staged.stack())),
                    None => Err(LayerError::ForeignStaged { driver: NAME }),
                }
            }
        }
    }

    /// What a committed layer is on.
    pub(crate) fn above(homes: &Homes, layer: &LayerDir) -> Result<Self, LayerError> {
        let nearest = below(homes, layer)?.into_iter().next();
        Ok(nearest.map_or(Self::Nothing, Self::Committed))
    }

    pub(crate) fn dir(&self) -> Option<&Dir> {
        match self {
            Self::Nothing => None,
            Self::Committed(layer) => Some(layer.dir()),
            Self::Staged(stack) => Some(&stack.dir),
        }
    }

    /// Opens the topmost directory of contents.
    pub(crate) fn open_diff(&self) -> Result<Option<Dir>, LayerError> {
        self.dir().map(open_diff).transpose()
    }

    /// The list of a layer on top of this one.
    pub(crate) fn lower_of_child(&self, homes: &Homes) -> Result<Vec<LinkName>, LayerError> {
        let (link, lower) = match self {
            Self::Nothing => return Ok(Vec::new()),
            Self::Committed(layer) => (link_of(homes, layer)?, lower_of(homes, layer)?),
            Self::Staged(stack) => (stack.link.clone(), stack.lower.clone()),
        };
        Ok(std::iter::once(link).chain(lower).collect())
    }

    /// The contents of this layer and all below it, nearest first.
    pub(crate) fn contents(&self, homes: &Homes) -> Result<Vec<Contents>, LayerError> {
        let mut found = Vec::new();
        let mut here = self;
        loop {
            match here {
                Self::Nothing => return Ok(found),
                Self::Staged(stack) => {
                    found.push(stack.contents());
                    here = &stack.below;
                }
                Self::Committed(layer) => {
                    found.push(Contents::of(layer));
                    found.extend(below(homes, layer)?.iter().map(Contents::of));
                    return Ok(found);
                }
            }
        }
    }
}

impl Stack {
    pub(crate) fn contents(&self) -> Contents {
        Contents {
            home: self.home.path().to_owned(),
            dir: self.dir.clone(),
            path: self.dir.path().to_owned(),
            short: None,
        }
    }
}

impl Contents {
    pub(crate) fn of(layer: &LayerDir) -> Self {
        Self {
            home: layer.home().path().to_owned(),
            dir: layer.dir().clone(),
            path: layer.path(),
            short: None,
        }
    }

    /// Notes the short name under which the layer is reached.
    pub(crate) fn with_link(mut self, link: &LinkName) -> Self {
        self.short = Some(format!("{LINKS}/{link}"));
        self
    }

    /// Refuses layers whose `diff` does not hold their files under their names.
    fn check_form(&self) -> Result<(), LayerError> {
        if self.dir.exists(COMPOSEFS)? {
            let operation = "read composefs layers";
            return Err(LayerError::NotSupported {
                driver: NAME,
                operation,
            });
        }
        Ok(())
    }

    /// Its directories, the uppermost first, as lower directories of a mount.
    pub(crate) fn lowers(&self) -> Result<Vec<Lower>, LayerError> {
        self.check_form()?;
        if let Some(outside) = shown_diff(&self.dir)? {
            return Ok(vec![Lower::outside(outside)]);
        }
        let inside = self.path.strip_prefix(&self.home).unwrap_or(&self.path);
        let lowers = diff_names(&self.dir)?.into_iter().map(|name| {
            let mut lower = Lower::inside(&self.home, inside.join(&name));
            if let Some(short) = &self.short {
                lower.short = match name.as_str() {
                    crate::names::DIFF => short.into(),
                    other => format!("{short}/../{other}").into(),
                };
            }
            lower
        });
        Ok(lowers.collect())
    }

    /// Its directories, the uppermost first, opened.
    pub(crate) fn open(&self) -> Result<Vec<Dir>, LayerError> {
        self.check_form()?;
        let mut dirs = Vec::new();
        for name in diff_names(&self.dir)? {
            dirs.push(match name.as_str() {
                crate::names::DIFF => open_diff(&self.dir)?,
                other => self.dir.open_dir(other)?,
            });
        }
        Ok(dirs)
    }
}

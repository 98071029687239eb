//! Rebuilding lost short names and lists of lower layers from what is there (Go:
//! drivers/overlay/overlay.go, `recreateSymlinks`, which knows of lost links only).
//!
//! The same things are said in several places:
//!
//! - a layer's `link` file has its short name, and so has a symbolic link in `l`;
//! - the `lower` file of every layer above has its short name too, followed by its own list;
//! - a layer whose short name is lost is known by that list, if no other layer has the same one.

use std::collections::{BTreeMap, BTreeSet};

use layerhold_driver::LayerError;
use layerhold_sys::{Dir, Durability, FileType, PathError, RenameHow, publish, random_suffix};

use crate::homes::{Home, Homes, optional};
use crate::layer::{LayerDir, LowerList, read_link_file, read_lower_file};
use crate::link::{LinkName, layer_of_target, link_target, lower_text};
use crate::names::{EMPTY, FILE_MODE, LINK, LINKS, LOWER, PRIVATE_MODE, SHARED_MODE};

/// What is known about the layers of all homes.
#[derive(Debug, Default)]
pub(crate) struct LinkIndex {
    layers: Vec<IndexedLayer>,
}

/// What is known about a layer.
#[derive(Debug)]
struct IndexedLayer {
    layer: Place,
    link: Option<LinkName>,
    lower: LowerList,
    /// The names of the symbolic links to it.
    symlinks: BTreeSet<LinkName>,
    /// What was found out, to be written down.
    news: News,
}

#[derive(Debug)]
struct Place {
    home: Home,
    id: layerhold_ids::LayerId,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct News {
    link: bool,
    lower: bool,
}

impl LinkIndex {
    /// Looks at everything, finds out what is lost, and writes it down where it may.
    pub(crate) fn repaired(homes: &Homes) -> Result<Self, LayerError> {
        let mut index = Self::read(homes)?;
        index.find_out();
        for layer in &index.layers {
            layer.write()?;
        }
        Ok(index)
    }

    fn read(homes: &Homes) -> Result<Self, PathError> {
        let mut layers = Vec::new();
        for home in homes.all() {
            let mut symlinks = symlinks_of(&home)?;
            let Some(dir) = home.open()? else { continue };
            for id in home.ids()? {
                let Some(layer) = optional(dir.open_dir(id.as_str()))? else {
                    continue;
                };
                layers.push(IndexedLayer {
                    link: read_link_file(&layer)?,
                    lower: read_lower_file(&layer)?,
                    symlinks: symlinks.remove(&id).unwrap_or_default(),
                    layer: Place {
                        home: home.clone(),
                        id,
                    },
                    news: News::default(),
                });
            }
        }
        Ok(Self { layers })
    }

    /// Each round may give what the next one needs: a list gives a name, and a name a list.
    fn find_out(&mut self) {
        while self.find_links() || self.find_lowers() {}
    }

    /// Gives one layer back its short name; tells whether it did.
    fn find_links(&mut self) -> bool {
        let mentioned = self.mentioned();
        let owned: BTreeSet<_> = self.layers.iter().filter_map(|l| l.link.clone()).collect();
        for layer in &mut self.layers {
            if layer.link.is_none() {
                // A name that layers above use is the right one; any other will do if there is
                // none.
                let used = layer
                    .symlinks
                    .iter()
                    .find(|link| mentioned.contains_key(link));
                if let Some(link) = used.or(layer.symlinks.first()).cloned()
                    && !owned.contains(&link)
                {
                    layer.take_link(link);
                    return true;
                }
            }
        }
        for (link, below) in &mentioned {
            if owned.contains(link)
                || mentioned
                    .iter()
                    .any(|(other, list)| other != link && list == below && !owned.contains(other))
            {
                continue;
            }
            let mut nameless = self
                .layers
                .iter_mut()
                .filter(|layer| layer.link.is_none() && layer.lower.is(below));
            if let (Some(only), None) = (nameless.next(), nameless.next()) {
                only.take_link(link.clone());
                return true;
            }
        }
        false
    }

    /// Gives one layer back its list; tells whether it did.
    fn find_lowers(&mut self) -> bool {
        let mentioned = self.mentioned();
        for layer in &mut self.layers {
            if layer.lower != LowerList::Damaged {
                continue;
            }
            if let Some(below) = layer.link.as_ref().and_then(|link| mentioned.get(link)) {
                layer.lower = if below.is_empty() {
                    LowerList::Base
                } else {
                    LowerList::Links(below.clone())
                };
                layer.news.lower = true;
                return true;
            }
        }
        false
    }

    /// All short names in lists, each with the list that follows it.
    fn mentioned(&self) -> BTreeMap<LinkName, Vec<LinkName>> {
        let mut mentioned = BTreeMap::new();
        for layer in &self.layers {
            let LowerList::Links(links) = &layer.lower else {
                continue;
            };
            let mut rest = links.as_slice();
            while let Some((link, below)) = rest.split_first() {
                mentioned
                    .entry(link.clone())
                    .or_insert_with(|| below.to_vec());
                rest = below;
            }
        }
        mentioned
    }

    fn get(&self, layer: &LayerDir) -> Option<&IndexedLayer> {
        self.layers.iter().find(|known| {
            known.layer.id == *layer.id() && known.layer.home.path() == layer.home().path()
        })
    }

    pub(crate) fn link_of(&self, layer: &LayerDir) -> Option<LinkName> {
        self.get(layer)?.link.clone()
    }

    pub(crate) fn lower_of(&self, layer: &LayerDir) -> Option<Vec<LinkName>> {
        match &self.get(layer)?.lower {
            LowerList::Base => Some(Vec::new()),
            LowerList::Links(links) => Some(links.clone()),
            LowerList::Damaged => None,
        }
    }

    /// Finds a layer by its short name.
    pub(crate) fn layer_of(&self, link: &LinkName) -> Result<Option<LayerDir>, PathError> {
        let known = self
            .layers
            .iter()
            .find(|known| known.link.as_ref() == Some(link));
        match known {
            Some(known) => known.layer.home.layer(&known.layer.id),
            None => Ok(None),
        }
    }
}

impl IndexedLayer {
    fn take_link(&mut self, link: LinkName) {
        self.link = Some(link);
        self.news.link = true;
    }

    /// Writes down what was found out, and makes the symbolic link.
    fn write(&self) -> Result<(), PathError> {
        let has_symlink = self
            .link
            .as_ref()
            .is_none_or(|link| self.symlinks.contains(link));
        if !self.layer.home.is_written() || (self.news == News::default() && has_symlink) {
            return Ok(());
        }
        let Some(home) = self.layer.home.open()? else {
            return Ok(());
        };
        let dir = home.open_dir(self.layer.id.as_str())?;
        if let (Some(link), true) = (&self.link, self.news.link) {
            write_link(&dir, link, Durability::Durable)?;
        }
        if self.news.lower {
            match &self.lower {
                LowerList::Base => write_lower(&dir, &[], Durability::Durable)?,
                LowerList::Links(links) => write_lower(&dir, links, Durability::Durable)?,
                LowerList::Damaged => {}
            }
        }
        match &self.link {
            Some(link) if !has_symlink => put_symlink(&home, link, &self.layer.id),
            _ => Ok(()),
        }
    }
}

impl LowerList {
    /// Whether exactly these layers are below.
    fn is(&self, below: &[LinkName]) -> bool {
        match self {
            Self::Base => below.is_empty(),
            Self::Links(links) => links == below,
            Self::Damaged => false,
        }
    }
}

/// The symbolic links of a home, by the layers they lead to.
fn symlinks_of(
    home: &Home,
) -> Result<BTreeMap<layerhold_ids::LayerId, BTreeSet<LinkName>>, PathError> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let Some(links) = home.open_links()? else {
        return Ok(found);
    };
    for entry in links.entries()? {
        let entry = entry?;
        if entry.file_type != FileType::Symlink {
            continue;
        }
        let target = optional(links.read_link(&entry.name))?;
        if let Some(id) = target.as_deref().and_then(layer_of_target)
            && let Some(link) = LinkName::parse(entry.name.as_encoded_bytes())
        {
            found.entry(id).or_default().insert(link);
        }
    }
    Ok(found)
}

/// Writes the short name of a layer down.
pub(crate) fn write_link(
    dir: &Dir,
    link: &LinkName,
    durability: Durability,
) -> Result<(), PathError> {
    let text = link.as_str().as_bytes();
    publish(dir, LINK, FILE_MODE, &[text], durability)
}

/// Writes the list of the layers below down.
pub(crate) fn write_lower(
    dir: &Dir,
    lower: &[LinkName],
    durability: Durability,
) -> Result<(), PathError> {
    if lower.is_empty() {
        drop(dir.ensure_dir(EMPTY, PRIVATE_MODE)?);
        return match dir.remove_file(LOWER) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        };
    }
    let text = lower_text(lower);
    publish(dir, LOWER, FILE_MODE, &[text.as_bytes()], durability)
}

/// Makes the symbolic link of a layer, in place of whatever has its name.
pub(crate) fn put_symlink(
    home: &Dir,
    link: &LinkName,
    id: &layerhold_ids::LayerId,
) -> Result<(), PathError> {
    let links = home.ensure_dir(LINKS, SHARED_MODE)?;
    let target = link_target(id);
    match links.symlink(&target, link.as_str()) {
        Err(error) if error.already_exists() => {}
        other => return other,
    }
    if optional(links.read_link(link.as_str()))
        .is_ok_and(|known| known.is_some_and(|known| known.as_os_str() == target.as_str()))
    {
        return Ok(());
    }
    let temporary = format!(".tmp-{link}{}", random_suffix()?);
    links.symlink(&target, &temporary)?;
    let moved = links.rename(&temporary, &links, link.as_str(), RenameHow::Replace);
    if moved.is_err() {
        // The first failure is the one to report.
        drop(links.remove_file(&temporary));
    }
    moved
}

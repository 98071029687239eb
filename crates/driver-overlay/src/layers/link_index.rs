//! An index of short names over all homes, from which lost `link` and `lower` files and symbolic
//! links are rebuilt (Go: drivers/overlay/overlay.go, `recreateSymlinks`, which rebuilds symbolic
//! links only).
//!
//! The same facts are in several places:
//!
//! - the short name of a layer is in its `link` file, and is the name of a symbolic link in `l`;
//! - the `lower` file of every child has that name too, followed by the list of the layer itself;
//! - a layer whose short name is lost is recognised by its own list, if no other layer has the same
//!   one.

use std::collections::{BTreeMap, BTreeSet};

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;
use layerhold_sys::{Durability, FileType, PathError};

use super::layer::Layer;
use super::link::{LinkName, layer_of_target, put_symlink, read_link_file, write_link};
use super::lower::{LowerList, write_lower};
use crate::disk::{Home, Homes, optional};

/// What is known about the layers of all homes.
#[derive(Debug, Default)]
pub(crate) struct LinkIndex {
    layers: Vec<IndexedLayer>,
}

/// What is known about a layer.
#[derive(Debug)]
struct IndexedLayer {
    home: Home,
    id: LayerId,
    link: Option<LinkName>,
    lower: LowerList,
    /// The names of the symbolic links to it.
    symlinks: BTreeSet<LinkName>,
    /// Which files were lost and are rebuilt here, to be written.
    rebuilt: Rebuilt,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Rebuilt {
    link: bool,
    lower: bool,
}

impl LinkIndex {
    /// Reads all homes, rebuilds what is lost, and writes it to the homes that the driver writes
    /// to.
    pub(crate) fn repaired(homes: &Homes) -> Result<Self, LayerError> {
        let mut index = Self::read(homes)?;
        index.rebuild();
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
                    lower: LowerList::read(&layer)?,
                    symlinks: symlinks.remove(&id).unwrap_or_default(),
                    home: home.clone(),
                    id,
                    rebuilt: Rebuilt::default(),
                });
            }
        }
        Ok(Self { layers })
    }

    /// Each round may give what the next one needs: a list gives a name, and a name gives a list.
    fn rebuild(&mut self) {
        while self.find_links() || self.find_lowers() {}
    }

    /// Gives one layer back its short name; tells whether it did.
    fn find_links(&mut self) -> bool {
        let mentioned = self.mentioned();
        let owned: BTreeSet<_> = self.layers.iter().filter_map(|l| l.link.clone()).collect();
        for layer in &mut self.layers {
            if layer.link.is_none() {
                // A name that children use is the right one; without one any other will do.
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
        for (link, parents) in &mentioned {
            if owned.contains(link)
                || mentioned
                    .iter()
                    .any(|(other, list)| other != link && list == parents && !owned.contains(other))
            {
                continue;
            }
            let mut nameless = self
                .layers
                .iter_mut()
                .filter(|layer| layer.link.is_none() && layer.lower.is(parents));
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
            if let Some(parents) = layer.link.as_ref().and_then(|link| mentioned.get(link)) {
                layer.lower = if parents.is_empty() {
                    LowerList::Base
                } else {
                    LowerList::Links(parents.clone())
                };
                layer.rebuilt.lower = true;
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
            while let Some((link, parents)) = rest.split_first() {
                mentioned
                    .entry(link.clone())
                    .or_insert_with(|| parents.to_vec());
                rest = parents;
            }
        }
        mentioned
    }

    fn get(&self, layer: &Layer) -> Option<&IndexedLayer> {
        self.layers
            .iter()
            .find(|known| known.id == *layer.id() && known.home.path() == layer.home().path())
    }

    pub(crate) fn link_of(&self, layer: &Layer) -> Option<LinkName> {
        self.get(layer)?.link.clone()
    }

    pub(crate) fn lower_of(&self, layer: &Layer) -> Option<Vec<LinkName>> {
        match &self.get(layer)?.lower {
            LowerList::Base => Some(Vec::new()),
            LowerList::Links(links) => Some(links.clone()),
            LowerList::Damaged => None,
        }
    }

    /// Finds a layer by its short name.
    pub(crate) fn layer_of(&self, link: &LinkName) -> Result<Option<Layer>, PathError> {
        let known = self
            .layers
            .iter()
            .find(|known| known.link.as_ref() == Some(link));
        match known {
            Some(known) => known.home.layer(&known.id),
            None => Ok(None),
        }
    }
}

impl IndexedLayer {
    fn take_link(&mut self, link: LinkName) {
        self.link = Some(link);
        self.rebuilt.link = true;
    }

    /// Writes what was rebuilt, and makes the symbolic link.
    fn write(&self) -> Result<(), PathError> {
        let has_symlink = self
            .link
            .as_ref()
            .is_none_or(|link| self.symlinks.contains(link));
        if !self.home.is_written() || (self.rebuilt == Rebuilt::default() && has_symlink) {
            return Ok(());
        }
        let Some(home) = self.home.open()? else {
            return Ok(());
        };
        let dir = home.open_dir(self.id.as_str())?;
        if let (Some(link), true) = (&self.link, self.rebuilt.link) {
            write_link(&dir, link, Durability::Durable)?;
        }
        if self.rebuilt.lower {
            match &self.lower {
                LowerList::Base => write_lower(&dir, &[], Durability::Durable)?,
                LowerList::Links(links) => write_lower(&dir, links, Durability::Durable)?,
                LowerList::Damaged => {}
            }
        }
        match &self.link {
            Some(link) if !has_symlink => put_symlink(&home, link, &self.id),
            _ => Ok(()),
        }
    }
}

/// The symbolic links of a home, by the layers they lead to.
fn symlinks_of(home: &Home) -> Result<BTreeMap<LayerId, BTreeSet<LinkName>>, PathError> {
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

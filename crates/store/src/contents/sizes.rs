//! Sizes of layers, images and containers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::tree_usage_unless;

use crate::catalog::big_data::total;
use crate::catalog::key::Key;
use crate::catalog::lookup::{by_id, lookup, require};
use crate::catalog::snapshot::Snapshot;
use crate::contents::diff::{pair_of, pair_size};
use crate::contents::directories::{DirectoryError, UserDataRoot, container_user_data};
use crate::contents::error::DiffError;
use crate::engine::Engine;
use crate::records::Image;

pub(crate) fn layer_size(engine: &Engine, key: &Key<'_, LayerId>) -> Result<u64, DiffError> {
    let layer = lookup(&engine.catalog.read_layers()?, key)?;
    layer.diff_size().ok_or_else(|| DiffError::SizeUnknown {
        what: format!("layer {}", layer.id()),
    })
}

pub(crate) fn image_size(engine: &Engine, key: &Key<'_, ImageId>) -> Result<u64, DiffError> {
    let view = engine.snapshot()?;
    let image = view.image(key.clone())?;
    ImageSizes::new(engine, &view).of(&image)
}

/// The sizes of the images of one snapshot, from [`Store::image_sizes`](crate::Store::image_sizes).
/// Each layer is looked at once, however many images have it.
#[derive(Debug)]
pub struct ImageSizes<'s> {
    engine: &'s Engine,
    view: &'s Snapshot,
    sums: ChainSums,
}

impl<'s> ImageSizes<'s> {
    pub(crate) fn new(engine: &'s Engine, view: &'s Snapshot) -> Self {
        Self {
            engine,
            view,
            sums: ChainSums::default(),
        }
    }

    /// Returns the size of an image in bytes, as [`Store::image_size`](crate::Store::image_size)
    /// tells it.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] when one of the layers is unknown.
    pub fn of(&mut self, image: &Arc<Image>) -> Result<u64, DiffError> {
        let (engine, view) = (self.engine, self.view);
        let mut look = |id: &LayerId| own_size(engine, view, id);
        let layers = match (image.top_layer(), image.mapped_layers()) {
            (None, []) => 0,
            (Some(top), []) => self.sums.of(top, &mut look)?,
            (top, mapped) => union(top.into_iter().chain(mapped), &mut look)?,
        };
        let record = image.record();
        let (items, sizes) = (&record.big_data_names, &record.big_data_sizes);
        Ok(layers.saturating_add(total(&view.images, image, items, sizes)?))
    }
}

/// Returns the size of a layer alone, and its parent.
fn own_size(
    engine: &Engine,
    view: &Snapshot,
    id: &LayerId,
) -> Result<(u64, Option<LayerId>), DiffError> {
    let layer = require(&view.layers, id.as_str())?;
    let parent = layer.parent().cloned();
    if let (Some(_), Some(size)) = (layer.diff_id(), layer.diff_size()) {
        return Ok((size, parent));
    }
    let below = parent
        .as_ref()
        .map(|parent| require(&view.layers, parent.as_str()))
        .transpose()?;
    Ok((pair_size(engine, &pair_of(engine, below, layer)?)?, parent))
}

/// The sums of the sizes of layers and their ancestors.
#[derive(Debug, Default)]
struct ChainSums(HashMap<LayerId, u64>);

impl ChainSums {
    /// Returns the sum for a layer. `look` returns the size of a layer alone and its parent; it is
    /// asked for each layer once.
    fn of<E>(
        &mut self,
        top: &LayerId,
        look: &mut impl FnMut(&LayerId) -> Result<(u64, Option<LayerId>), E>,
    ) -> Result<u64, E> {
        let (mut chain, mut seen) = (Vec::new(), HashSet::new());
        let (mut sum, mut is_loop) = (0u64, false);
        let mut next = Some(top.clone());
        while let Some(id) = next {
            if let Some(known) = self.0.get(&id) {
                sum = *known;
                break;
            }
            // Damaged records may be their own ancestors. Their sums are not kept: they depend on
            // where the loop is entered.
            is_loop = !seen.insert(id.clone());
            if is_loop {
                break;
            }
            let (size, parent) = look(&id)?;
            chain.push((id, size));
            next = parent;
        }
        for (id, size) in chain.into_iter().rev() {
            sum = sum.saturating_add(size);
            if !is_loop {
                self.0.insert(id, sum);
            }
        }
        Ok(sum)
    }
}

/// Sums the sizes of layers and their ancestors, each once.
fn union<'l, E>(
    tops: impl Iterator<Item = &'l LayerId>,
    look: &mut impl FnMut(&LayerId) -> Result<(u64, Option<LayerId>), E>,
) -> Result<u64, E> {
    let mut seen = HashSet::new();
    let mut sum = 0u64;
    for top in tops {
        let mut next = Some(top.clone());
        while let Some(id) = next.filter(|id| seen.insert(id.clone())) {
            let (size, parent) = look(&id)?;
            sum = sum.saturating_add(size);
            next = parent;
        }
    }
    Ok(sum)
}

pub(crate) fn container_size(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
) -> Result<u64, DiffError> {
    let view = engine.snapshot()?;
    let container = view.container(key.clone())?;
    // The directories come first, as in Go: they are created even if the rest fails.
    let mut sum: u64 = 0;
    for place in [UserDataRoot::Durable, UserDataRoot::Runtime] {
        let files =
            container_user_data(engine, &container.id().into(), place).map_err(of_directory)?;
        sum = sum.saturating_add(tree_usage_unless(&files.dir, &engine.options.cancel)?.bytes);
    }
    let layer = require(&view.layers, container.layer().as_str())?;
    let parent = match layer.parent() {
        Some(parent) => by_id(&view.layers, parent.as_str())?,
        None => None,
    };
    sum = sum.saturating_add(pair_size(engine, &pair_of(engine, parent, layer)?)?);
    let record = container.record();
    let items = total(
        &view.containers,
        &container,
        &record.big_data_names,
        &record.big_data_sizes,
    )?;
    sum = sum.saturating_add(items);
    Ok(sum)
}

fn of_directory(error: DirectoryError) -> DiffError {
    match error {
        DirectoryError::Lookup(error) => error.into(),
        DirectoryError::Access(error) => error.into(),
        error => DiffError::Directory(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn id(number: usize) -> LayerId {
        format!("{number:064x}").parse().unwrap()
    }

    /// Layer `n` has `n` bytes; the parents are given.
    struct Layers {
        parents: Vec<Option<usize>>,
        looks: usize,
    }

    impl Layers {
        fn look(&mut self, layer: &LayerId) -> Result<(u64, Option<LayerId>), Infallible> {
            self.looks += 1;
            let number = usize::from_str_radix(layer.as_str(), 16).unwrap();
            Ok((number as u64, self.parents[number].map(id)))
        }
    }

    #[test]
    fn each_layer_is_looked_at_once() {
        let parents = (0..100usize).map(|number| number.checked_sub(1)).collect();
        let mut layers = Layers { parents, looks: 0 };
        let mut sums = ChainSums::default();
        for top in [50, 99, 7, 99, 50] {
            let Ok(sum) = sums.of(&id(top), &mut |layer| layers.look(layer));
            assert_eq!(sum, (0..=top as u64).sum::<u64>());
        }
        assert_eq!(layers.looks, 100);
    }

    #[test]
    fn loops_end_and_have_the_sum_of_their_layers() {
        let parents = vec![None, Some(3), Some(1), Some(2), Some(3)];
        let mut layers = Layers { parents, looks: 0 };
        let mut sums = ChainSums::default();
        for (top, expected) in [(4, 10), (1, 6), (2, 6), (0, 0)] {
            let Ok(sum) = sums.of(&id(top), &mut |layer| layers.look(layer));
            assert_eq!(sum, expected);
        }
    }

    #[test]
    fn a_shared_ancestor_counts_once() {
        let parents = vec![None, Some(0), Some(1), Some(1)];
        let mut layers = Layers { parents, looks: 0 };
        let tops = [id(2), id(3), id(2)];
        let Ok(sum) = union(tops.iter(), &mut |layer| layers.look(layer));
        assert_eq!((sum, layers.looks), (6, 4));
    }
}

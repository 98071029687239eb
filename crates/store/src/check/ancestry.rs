//! Walks from layers to their ancestors, in which each layer is visited once however many layers
//! are above it.

use std::collections::{BTreeMap, BTreeSet};

use layerhold_ids::LayerId;

/// Several walks towards the base. A walk ends where an earlier one has been, because that one has
/// visited everything below.
pub(super) struct FirstVisits<'a, F> {
    /// The ID and the parent of a layer; `None` without a usable record.
    find: F,
    seen: BTreeSet<&'a LayerId>,
}

impl<'a, F> FirstVisits<'a, F>
where
    F: Fn(&LayerId) -> Option<(&'a LayerId, Option<&'a LayerId>)>,
{
    pub(super) fn new(find: F) -> Self {
        let seen = BTreeSet::new();
        Self { find, seen }
    }

    /// A layer and its ancestors as far as no walk has visited them, the layer first.
    pub(super) fn up_from(&mut self, top: &LayerId) -> impl Iterator<Item = &'a LayerId> {
        let mut next = (self.find)(top);
        std::iter::from_fn(move || {
            let (id, parent) = next.take()?;
            if !self.seen.insert(id) {
                return None;
            }
            next = parent.and_then(|parent| (self.find)(parent));
            Some(id)
        })
    }

    /// Computes a value for each of these layers and their ancestors from that of its parent. In a
    /// loop of parents, one layer counts as having none.
    pub(super) fn values<T>(
        mut self,
        layers: impl Iterator<Item = &'a LayerId>,
        of: impl Fn(&LayerId, Option<&T>) -> T,
    ) -> BTreeMap<&'a LayerId, T> {
        let mut known: BTreeMap<&LayerId, T> = BTreeMap::new();
        for layer in layers {
            let way: Vec<&LayerId> = self.up_from(layer).collect();
            let lowest = way.last().and_then(|id| (self.find)(id));
            let mut parent = lowest.and_then(|(_, parent)| parent);
            for id in way.into_iter().rev() {
                let value = of(id, parent.and_then(|parent| known.get(parent)));
                known.insert(id, value);
                parent = Some(id);
            }
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Layers in chains: each list begins with a base.
    struct Chains {
        parents: BTreeMap<LayerId, Option<LayerId>>,
        found: Cell<usize>,
    }

    impl Chains {
        fn new(chains: &[Vec<String>]) -> Self {
            let mut parents = BTreeMap::new();
            for chain in chains {
                let mut parent: Option<LayerId> = None;
                for name in chain {
                    let id: LayerId = name.parse().unwrap();
                    parents.entry(id.clone()).or_insert(parent);
                    parent = Some(id);
                }
            }
            let found = Cell::new(0);
            Self { parents, found }
        }

        fn find(&self, id: &LayerId) -> Option<(&LayerId, Option<&LayerId>)> {
            self.found.set(self.found.get() + 1);
            let (id, parent) = self.parents.get_key_value(id)?;
            Some((id, parent.as_ref()))
        }
    }

    fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{prefix}{n}")).collect()
    }

    #[test]
    fn each_layer_is_found_a_bounded_number_of_times() {
        const DEPTH: usize = 400;
        // A chain, and a layer on each layer of it.
        let trunk = names("trunk", DEPTH);
        let twigs = trunk.iter().enumerate();
        let mut chains: Vec<_> = twigs
            .map(|(n, below)| vec![below.clone(), format!("twig{n}")])
            .collect();
        chains.insert(0, trunk);
        let layers = Chains::new(&chains);

        let mut walks = FirstVisits::new(|id: &LayerId| layers.find(id));
        let visited: usize = layers
            .parents
            .keys()
            .map(|id| walks.up_from(id).count())
            .sum();
        assert_eq!(visited, 2 * DEPTH);
        assert!(layers.found.get() <= 5 * DEPTH, "{}", layers.found.get());

        layers.found.set(0);
        let depths = FirstVisits::new(|id: &LayerId| layers.find(id));
        let depths = depths.values(layers.parents.keys(), |_, below| {
            below.map_or(1, |below| below + 1)
        });
        let depth = |name: &str| depths.get(&name.parse::<LayerId>().unwrap()).copied();
        assert_eq!(depth("trunk0"), Some(1));
        assert_eq!(depth("trunk399"), Some(400));
        assert_eq!(depth("twig399"), Some(401));
        assert!(layers.found.get() <= 7 * DEPTH, "{}", layers.found.get());
    }

    #[test]
    fn loops_and_missing_parents_end_a_walk() {
        let mut layers = Chains::new(&[names("a", 3), names("b", 2)]);
        let id = |name: &str| -> LayerId { name.parse().unwrap() };
        layers.parents.insert(id("a0"), Some(id("a2")));
        layers.parents.insert(id("b0"), Some(id("gone")));
        let mut walks = FirstVisits::new(|id: &LayerId| layers.find(id));
        assert_eq!(walks.up_from(&id("a1")).count(), 3);
        assert_eq!(walks.up_from(&id("a2")).count(), 0);
        assert_eq!(walks.up_from(&id("b1")).count(), 2);
        assert_eq!(walks.up_from(&id("gone")).count(), 0);
        let values = FirstVisits::new(|id: &LayerId| layers.find(id));
        let values = values.values(layers.parents.keys(), |_, below: Option<&bool>| {
            below.is_none()
        });
        assert_eq!(values.len(), 5);
        assert_eq!(values.values().filter(|is_base| **is_base).count(), 2);
    }
}

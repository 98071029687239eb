//! Imports chains of layers into a store of each driver, and compares the results with the model.

use std::fmt::Write as _;
use std::io::{Cursor, Read};
use std::os::fd::{AsFd, AsRawFd};

use layerhold::check::CheckOptions;
use layerhold::layerhold_archive::Codec;
use layerhold::layerhold_ids::LayerId;
use layerhold::{DiffCompression, LayerSpec, Store, StoreOptions, SyncMode, Transaction};
use layerhold_sys::best_effort;
use layerhold_testkit::layers::{ANY_TIME, Chain, Layer, Layers};
use layerhold_testkit::{TempDir, Tree, scratch};

/// The drivers that are compared.
pub(crate) const DRIVERS: [&str; 2] = ["overlay", "vfs"];

/// A store of each driver.
pub(crate) struct Bench {
    stores: Vec<(&'static str, Store)>,
    _place: TempDir,
    chains: Vec<Chain>,
    /// The number of imported layers, over all drivers that support them.
    pub(crate) accepted: u64,
    /// The number of layers that were refused, as the model says.
    pub(crate) refused: u64,
}

impl Bench {
    pub(crate) fn new(drivers: &[&'static str]) -> Self {
        let place = scratch();
        let open = |driver: &'static str| {
            let base = place.path().join(driver);
            let options = StoreOptions::new(base.join("root"), base.join("run"))
                .with_driver(driver)
                .with_sync(SyncMode::None);
            (driver, Store::open(options).unwrap())
        };
        Self {
            stores: drivers.iter().map(|driver| open(driver)).collect(),
            _place: place,
            chains: Vec::new(),
            accepted: 0,
            refused: 0,
        }
    }

    /// Imports a chain into every store; returns how a result differs from the model.
    pub(crate) fn add(&mut self, chain: &Chain) -> Result<(), String> {
        let number = self.chains.len();
        self.chains.push(chain.clone());
        for (position, (driver, store)) in self.stores.iter().enumerate() {
            let counts = add(driver, store, chain, number)
                .map_err(|what| format!("{driver}: {what}\n{}", listing(chain)))?;
            if position == 0 {
                self.accepted += counts.0;
                self.refused += counts.1;
            }
        }
        Ok(())
    }

    /// Checks every store; returns the first layer that is reported as damaged.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (driver, store) in &self.stores {
            let report = store.check(&CheckOptions::new()).unwrap();
            let Some(first) = report.findings.first() else {
                continue;
            };
            let text = format!("{first:?}");
            let chain = (0..self.chains.len()).find(|number| text.contains(&prefix_of(*number)));
            let listing = chain.map(|number| listing(&self.chains[number]));
            return Err(format!(
                "{driver}: check found {} things, such as {text}\n{}",
                report.findings.len(),
                listing.unwrap_or_default()
            ));
        }
        Ok(())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for (_, store) in &self.stores {
            best_effort(store.driver().cleanup());
        }
    }
}

/// Tests one chain alone.
pub(crate) fn judge(drivers: &[&'static str], chain: &Chain) -> Result<(u64, u64), String> {
    let mut bench = Bench::new(drivers);
    bench.add(chain)?;
    bench.check()?;
    Ok((bench.accepted, bench.refused))
}

/// Counts imported and refused layers.
fn add(driver: &str, store: &Store, chain: &Chain, number: usize) -> Result<(u64, u64), String> {
    let mut model = Layers::new();
    let mut made: Vec<(LayerId, Vec<u8>, Tree)> = Vec::new();
    let mut refused = 0;
    // Every second chain is imported in one transaction, as an image is, so its layers have staged
    // parents.
    let at_once = number % 2 == 1;
    let mut transaction = store.begin().unwrap();
    for (position, layer) in chain.layers().iter().enumerate() {
        let id: LayerId = format!("{}{position:016x}", prefix_of(number))
            .parse()
            .unwrap();
        let parent = made.last().map(|(id, ..)| id.clone());
        let archive = layer.archive();
        if !import(
            &mut transaction,
            driver,
            (&id, parent),
            (layer, &archive),
            &mut model,
        )? {
            refused += 1;
            continue;
        }
        made.push((id, archive, model.tree()));
        if !at_once {
            let done = std::mem::replace(&mut transaction, store.begin().unwrap());
            done.commit()
                .map_err(|error| format!("commit: {error:?}"))?;
        }
    }
    transaction
        .commit()
        .map_err(|error| format!("commit: {error:?}"))?;
    for (position, (id, archive, tree)) in made.iter().enumerate() {
        compare(store, id, archive, tree)
            .map_err(|what| format!("accepted layer {position}: {what}"))?;
    }
    Ok((made.len() as u64, refused))
}

/// Imports one layer; tells whether it was accepted.
fn import(
    transaction: &mut Transaction,
    driver: &str,
    (id, parent): (&LayerId, Option<LayerId>),
    (layer, archive): (&Layer, &[u8]),
    model: &mut Layers,
) -> Result<bool, String> {
    let mut spec = LayerSpec::new().id(id.clone()).read_only();
    spec.parent = parent;
    let imported = transaction.import_layer(spec, Cursor::new(archive.to_vec()));
    let before = model.clone();
    match (imported, model.add(layer)) {
        (Ok(_), Ok(())) => Ok(true),
        (Err(_), Err(_)) => Ok(false),
        // While this driver unpacks a layer, it has only a directory of it.
        (Err(_), Ok(())) if model.looks_below() && driver == "overlay" => {
            *model = before;
            Ok(false)
        }
        (Ok(_), Err(refused)) => Err(format!(
            "imported, which is wrong: {refused:?}\n{}",
            layer.listing()
        )),
        (Err(error), Ok(())) => Err(format!(
            "refused: {}\n{}",
            chain_of(&error),
            layer.listing()
        )),
    }
}

fn compare(store: &Store, id: &LayerId, archive: &[u8], expected: &Tree) -> Result<(), String> {
    let mut exported = Vec::new();
    store
        .diff(None, id.as_str(), DiffCompression::As(Codec::Plain))
        .map_err(|error| format!("diff: {}", chain_of(&error)))?
        .read_to_end(&mut exported)
        .map_err(|error| format!("diff: {}", chain_of(&error)))?;
    if exported != archive {
        return Err("diff has other bytes".to_owned());
    }
    let driver = store.driver();
    let view = driver
        .view(id, "")
        .map_err(|error| format!("view: {}", chain_of(&error)))?;
    let root = format!("/proc/self/fd/{}/", view.root().as_fd().as_raw_fd());
    let shown = std::panic::catch_unwind(|| Tree::of(root.as_ref()));
    let shown = shown.map_err(|_| "a name that is listed cannot be looked at".to_owned())?;
    let shown = shown.map(|path, node| {
        if expected
            .get(path)
            .is_some_and(|node| node.mtime == ANY_TIME)
        {
            node.mtime = ANY_TIME;
        }
    });
    let found = shown.differences(expected);
    match found.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "shown (left) is not as it should be (right):\n{}",
            found.join("\n")
        )),
    }
}

fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        write!(text, ": {error}").unwrap();
        next = error.source();
    }
    text
}

fn prefix_of(number: usize) -> String {
    format!("{number:048x}")
}

fn listing(chain: &Chain) -> String {
    let layers = chain.layers().iter().enumerate();
    layers
        .map(|(position, layer)| format!("layer {position}:\n{}", layer.listing()))
        .collect()
}

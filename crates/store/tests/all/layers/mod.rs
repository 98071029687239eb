//! Tests generated layers on every driver against a model of the rules.

mod bench;

use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use layerhold_testkit::layers::{Chain, Entry, EntryKind, Layer};
use layerhold_testkit::require_root;

use bench::{Bench, DRIVERS, judge};

/// Chains in one pair of stores.
const CHAINS: usize = 40;
/// The bytes from which a chain is generated.
const BYTES: usize = 400;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// The smallest chain that still fails, and its failure.
fn minimised(drivers: &[&'static str], chain: &Chain) -> Option<String> {
    let mut message = judge(drivers, chain).err()?;
    let mut chain = chain.clone();
    loop {
        let found = chain.smaller().into_iter().find_map(|smaller| {
            let message = judge(drivers, &smaller).err()?;
            Some((smaller, message))
        });
        match found {
            Some(smaller) => (chain, message) = smaller,
            None => return Some(message),
        }
    }
}

/// Chains of one pair of stores.
fn chains() -> impl Strategy<Value = Vec<Chain>> {
    let chain = vec(any::<u8>(), BYTES).prop_map(|bytes| Chain::from_bytes(&bytes));
    vec(chain, CHAINS)
}

/// Compares chains with the model in one pair of stores. An error shows the smallest chain that
/// still fails.
fn judge_together(chains: &[Chain]) -> Result<(u64, u64), String> {
    let mut bench = Bench::new(&DRIVERS);
    let added = chains.iter().try_for_each(|chain| bench.add(chain));
    match added.and_then(|()| bench.check()) {
        Ok(()) => Ok((bench.accepted, bench.refused)),
        Err(message) => {
            drop(bench);
            let smallest = chains
                .iter()
                .rev()
                .find_map(|chain| minimised(&DRIVERS, chain));
            Err(smallest.unwrap_or(message))
        }
    }
}

/// `LAYERHOLD_LAYERS` sets how many layers are imported, `LAYERHOLD_LAYERS_SEED` which ones are
/// tried.
#[test]
fn root_any_layers_are_what_the_model_says() {
    let Some(()) = require_root() else { return };
    let wanted = number("LAYERHOLD_LAYERS", 300);
    let seed = number("LAYERHOLD_LAYERS_SEED", 1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &bytes),
    );
    let start = Instant::now();
    let (mut accepted, mut refused, mut told) = (0, 0, 0);
    while accepted < wanted {
        let chains = chains().new_tree(&mut runner).unwrap().current();
        match judge_together(&chains) {
            Ok(counts) => (accepted, refused) = (accepted + counts.0, refused + counts.1),
            Err(message) => panic!("after {accepted} layers: {message}"),
        }
        if accepted / 5000 > told {
            told = accepted / 5000;
            println!(
                "{accepted} layers, {refused} refused, {:?}",
                start.elapsed()
            );
        }
    }
    println!(
        "{accepted} layers came in, {refused} were refused, in {:?}",
        start.elapsed()
    );
}

/// Chains that once gave wrong results, by a name for what was wrong. All their layers must be
/// accepted.
fn found() -> Vec<(&'static str, Vec<Vec<Entry>>)> {
    let marker = |name: &str| Entry::file(name, "");
    let device = |name: &str| Entry::new(name, EntryKind::CharDevice(0, 0));
    let fifo = |name: &str| Entry::new(name, EntryKind::Fifo);
    let private = |name: &str| Entry::dir(name).mode(0o700).owner(1, 2).xattr("a", "1");
    vec![
        (
            "a directory that a link takes the place of, and a directory the link's",
            vec![vec![
                private("a"),
                Entry::new("../a", EntryKind::Symlink(b"..".to_vec())),
                Entry::dir("./a/a/a"),
            ]],
        ),
        (
            "a name of a file that a link takes the place of, by which it is found again",
            vec![vec![
                Entry::file("b", "2"),
                Entry::new("a/b/b", EntryKind::HardLink(b"b".to_vec())),
                Entry::new("./a/b", EntryKind::Symlink(b"/".to_vec())),
            ]],
        ),
        (
            "whiteouts without a directory",
            vec![vec![marker("a/d/.wh.d")]],
        ),
        (
            "a link in the place of a directory that was there for a whiteout",
            vec![vec![
                marker("a/c/.wh.a"),
                Entry::new("a", EntryKind::Symlink(b"..".to_vec())),
                Entry::dir("a/b/a"),
            ]],
        ),
        (
            "an opaque marker without a directory",
            vec![vec![marker("b/a/.wh..wh..opq")]],
        ),
        (
            "an opaque directory with a whiteout in it",
            vec![
                vec![Entry::file("x/y", "1")],
                vec![Entry::dir("x"), marker("x/.wh..wh..opq"), marker("x/.wh.y")],
            ],
        ),
        (
            "a whiteout in a directory of this layer only",
            vec![
                vec![Entry::dir("a")],
                vec![Entry::dir("n"), marker("n/.wh.g")],
            ],
        ),
        (
            "a file after its own whiteout, and before",
            vec![
                vec![Entry::file("a", "1"), Entry::file("b", "1")],
                vec![
                    marker(".wh.a"),
                    Entry::file("a", "2"),
                    Entry::file("b", "2"),
                    marker(".wh.b"),
                ],
            ],
        ),
        (
            "what is in a directory after the whiteout of that",
            vec![
                vec![private("d"), Entry::file("d/old", "1")],
                vec![marker(".wh.d"), Entry::file("d/new", "2")],
            ],
        ),
        (
            "what is in a directory before the whiteout of that",
            vec![
                vec![private("d"), Entry::file("d/old", "1")],
                vec![Entry::file("d/new", "2"), marker(".wh.d")],
            ],
        ),
        (
            "a name by way of a directory that is not there",
            vec![vec![
                Entry::file("dir/sub/../harmless", "1"),
                Entry::file("../../up", "2"),
            ]],
        ),
        (
            "a device that is a whiteout",
            vec![
                vec![Entry::file("a", "1"), device("b")],
                vec![device("a"), device("n/b")],
            ],
        ),
        (
            "an opaque root",
            vec![
                vec![
                    Entry::file("a", "1"),
                    private("d"),
                    Entry::file("d/old", "1"),
                ],
                vec![Entry::file("d/new", "2"), marker(".wh..wh..opq")],
                vec![Entry::file("e", "3")],
            ],
        ),
        (
            "links of AUFS",
            vec![vec![
                Entry::dir(".wh..wh.plnk"),
                Entry::file(".wh..wh.plnk/1.2", "shared"),
                Entry::hard_link("one", ".wh..wh.plnk/1.2"),
                marker(".wh..wh.aufs"),
            ]],
        ),
        (
            "a whiteout by way of a link of a layer below",
            vec![
                vec![
                    Entry::file("usr/lib/x", "1"),
                    Entry::symlink("lib", "usr/lib"),
                ],
                vec![marker("lib/.wh.x")],
            ],
        ),
        (
            "a whiteout by way of a link of its layer",
            vec![
                vec![Entry::file("d/x", "1")],
                vec![Entry::dir("d"), Entry::symlink("l", "d"), marker("l/.wh.x")],
            ],
        ),
        (
            "a file by way of a link of a layer below",
            vec![
                vec![
                    Entry::file("usr/lib/x", "1"),
                    Entry::symlink("lib", "usr/lib"),
                ],
                vec![Entry::file("lib/y", "2")],
            ],
        ),
        (
            "directories that are not mentioned keep what they are",
            vec![
                vec![private("d"), private("d/e")],
                vec![Entry::file("d/e/f", "1")],
            ],
        ),
        (
            "a directory that is mentioned loses attributes",
            vec![vec![private("d")], vec![Entry::dir("d")]],
        ),
        (
            "a directory below one that gives its group on",
            vec![vec![
                Entry::dir("a").mode(0o2775).owner(1000, 1000),
                Entry::dir("a/b/c"),
            ]],
        ),
        (
            "an opaque directory that is not mentioned",
            vec![
                vec![private("b"), Entry::file("b/old", "1")],
                vec![marker("b/.wh..wh..opq")],
            ],
        ),
        (
            "whiteouts with content",
            vec![
                vec![Entry::file("a", "1")],
                vec![
                    Entry::file(".wh.a", "why"),
                    Entry::file(".wh..wh..opq", "that"),
                ],
            ],
        ),
        (
            "a link to a directory that is there for a whiteout",
            vec![
                vec![Entry::dir("b")],
                vec![
                    marker("b/.wh.x"),
                    Entry::dir("b"),
                    Entry::symlink("a", "b"),
                    Entry::file("a/f", "1"),
                ],
            ],
        ),
        (
            "a directory in the place of a link on its own path",
            vec![vec![
                Entry::symlink("a", "/"),
                Entry::dir("a/a"),
                Entry::dir("/a/a/b"),
            ]],
        ),
        (
            "two paths to one pipe",
            vec![vec![fifo("d/p"), Entry::symlink("l", "d"), fifo("l/p")]],
        ),
        (
            "the attributes of the root",
            vec![
                vec![Entry::dir("./").mode(0o711).owner(3, 4).xattr("a", "1")],
                vec![Entry::file("f", "1")],
            ],
        ),
    ]
}

#[test]
fn root_what_was_wrong_once() {
    let Some(()) = require_root() else { return };
    let mut wrong = String::new();
    for (name, layers) in found() {
        let count = layers.len() as u64;
        let chain = Chain::new(layers.into_iter().map(Layer::new));
        match judge(&DRIVERS, &chain) {
            Ok((accepted, _)) if accepted == count => {}
            Ok(counts) => wrong.push_str(&format!("{name}: {counts:?}\n")),
            Err(message) => wrong.push_str(&format!("{name}: {message}\n")),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Layers that could not be exported again are refused: one file that two entries claim, and one
/// that its name no longer leads to.
#[test]
fn root_what_could_not_be_exported_is_refused() {
    let Some(()) = require_root() else { return };
    let refused = [
        vec![
            Entry::file("d/f", "1"),
            Entry::symlink("l", "d"),
            Entry::file("l/f", "2"),
        ],
        vec![Entry::file("f", "1"), Entry::file("/f", "2")],
        vec![
            Entry::symlink("a", ".."),
            Entry::file("/a/b/a", "1"),
            Entry::new("a/a", EntryKind::Fifo),
        ],
        // The whiteout creates no directory, so the link dangles.
        vec![
            Entry::file("a/b/.wh.c", ""),
            Entry::symlink("a/c", "b/.."),
            Entry::symlink("a/c/b", "/b"),
        ],
        vec![
            Entry::file("a/f", "1"),
            Entry::file("a/b/.wh.c", ""),
            Entry::symlink("a/c", "b/.."),
            Entry::hard_link("a/g", "a/c/f"),
        ],
    ];
    for entries in refused {
        let chain = Chain::new([Layer::new(entries)]);
        assert_eq!(
            judge(&DRIVERS, &chain),
            Ok((0, 1)),
            "{}",
            chain.layers()[0].listing()
        );
    }
}

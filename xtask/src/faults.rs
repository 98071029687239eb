//! `cargo xtask faults`: runs both tools on damaged stores.

mod damage;
mod store;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::shell::{cargo, find, is_root, project, release_tool, step};
use crate::{Result, setup};
use damage::{DAMAGES, Damage};
use store::{CONTAINER, DamagedStore, NEW, SourceStore, TOP, Tool};

pub(crate) const HELP: &str = "
Usage: cargo xtask faults [--driver vfs|overlay] [--write] [--binary PATH]

Makes a small store with Go's `containers-storage`, and for each kind of damage three copies of it: one for Go's tool, one
for ours, and one for our check, garbage collection and repair. Prints the output of each and what is left. Needs root.

  --driver NAME  only this driver; by default both
  --write        write the tables to docs/faults.md
  --binary PATH  our `containers-storage`; built by default
";

const PREFACE: &str = "\
# What becomes of a damaged store

Each row is a damage done to a copy of a small store that Go's tool made: a layer on another, an image, a container on it, and a
layer beside them, so four layers with the container's. The tables are the output of `cargo xtask faults --write`, where
`xtask/src/faults/damage.rs` has the script for each damage. Go is Debian's `containers-storage` 1.43. It has no `check`
and no `gc`, and podman 4.3 neither; newer releases have, and are not packaged. Messages are cut.

- *reads*: how many layers, images and containers are listed; `mount` of the container; `diff` of the image's layer.
- *writes*: `create-layer` after that, how many layers are listed then, and how many lie on the disk. Whole: 5 and 5.
- *check*, *gc*, *check -r*: ours, one after the other on a third copy; *then*: `check` once more, and what is left;
  *check -f*, and what is left then.

What stands still after `check -r` is used by a container, which goes only with `check -f` (`--force`), as with Go; `check -r` says
what that would remove, and how many bytes. Layers whose tar-split file is gone or damaged
stay with their images: their files are whole. A tar-split file of no layer stays, since its layer may be in an image store that was not named. Damaged layers that go
are [set aside](format/layerhold.md#layerhold-quarantine). What cannot be known stays in any case: the store of these tables was not made by podman, and
has no configurations of images and containers from which lost records could be made.
";

pub(crate) fn run(mut args: Args) -> Result {
    let driver = args.value::<String>("--driver")?;
    let write = args.flag("--write");
    let binary = args.value::<PathBuf>("--binary")?;
    args.end()?;
    setup::set_up()?;
    if !is_root() || find("containers-storage").is_none() {
        return Err("needs root and Go's containers-storage".to_owned());
    }
    let ours = match binary {
        Some(path) => path,
        None => build()?,
    };
    let drivers = match &driver {
        Some(one) => vec![one.as_str()],
        None => vec!["vfs", "overlay"],
    };
    let mut page = PREFACE.to_owned();
    for driver in drivers {
        page.push_str(&table(driver, &ours)?);
    }
    if !write {
        println!("{page}");
        return Ok(());
    }
    let path = project().join("docs/faults.md");
    fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))
}

fn build() -> Result<PathBuf> {
    let package = ["--package", "layerhold-cli", "--bin", "containers-storage"];
    step(cargo().args(["build", "--release"]).args(package))?;
    release_tool()
}

fn table(driver: &str, ours: &Path) -> Result<String> {
    let source = SourceStore::new(driver)?;
    let heads = [
        "damage",
        "Go reads",
        "Go writes",
        "Layerhold reads",
        "Layerhold writes",
        "check",
        "gc",
        "check -r",
        "then",
        "check -f",
    ];
    let mut text = format!("\n## {driver}\n\n| {} |\n", heads.join(" | "));
    text.push_str(&format!("|{}\n", "---|".repeat(heads.len())));
    for damage in DAMAGES.iter().filter(|damage| damage.is_for(driver)) {
        eprintln!("{driver}: {}", damage.what);
        writeln!(text, "{}", row(&source, damage, ours)?).map_err(|error| error.to_string())?;
    }
    Ok(text)
}

fn row(source: &SourceStore, damage: &Damage, ours: &Path) -> Result<String> {
    let mut cells = vec![damage.what.to_owned()];
    for tool in [Tool::Go, Tool::Ours(ours)] {
        let store = source.copy(damage, tool)?;
        cells.push(reads(&store));
        cells.push(writes(&store));
    }
    let store = source.copy(damage, Tool::Ours(ours))?;
    cells.push(store.says(&["check"]));
    cells.push(store.says(&["gc"]));
    cells.push(store.says(&["check", "-r"]));
    let after = store.says(&["check"]);
    cells.push(format!("{after}<br>{}", store.counts()));
    let forced = store.does(&["check", "-f"]);
    cells.push(format!("{forced}<br>{}", store.counts()));
    Ok(format!("| {} |", cells.join(" | ")))
}

fn reads(store: &DamagedStore<'_>) -> String {
    let counts = store.counts();
    let mount = store.does(&["mount", CONTAINER]);
    store.does(&["umount", "-f", CONTAINER]);
    let diff = store.does(&["diff", "-u", "-f", "/dev/null", TOP]);
    format!("{counts}<br>mount {mount}<br>diff {diff}")
}

fn writes(store: &DamagedStore<'_>) -> String {
    let made = store.does(&["create-layer", "-i", NEW]);
    let listed = store.count("layers");
    format!("{made}<br>{listed}, {} on disk", store.trees())
}

//! The public interface of a crate as a list, and what changed in it since a revision.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::package::Package;
use crate::shell::{capture, capture_text, cargo, program, project, target_directory};
use crate::tools::{Tool, ensure};

const PUBLIC_API: Tool = Tool {
    name: "cargo-public-api",
    about: "it lists public interfaces; takes about 2 minutes",
};

/// The sources of a revision, outside of the work tree.
#[derive(Debug)]
pub(super) struct Baseline {
    directory: PathBuf,
}

impl Baseline {
    /// Unpacks the revision.
    pub(super) fn unpack(revision: &str) -> Result<Self> {
        ensure(&PUBLIC_API)?;
        let place = target_directory()?.join("baseline");
        let directory = place.join("source");
        if directory.exists() {
            std::fs::remove_dir_all(&directory)
                .map_err(|error| format!("{}: {error}", directory.display()))?;
        }
        std::fs::create_dir_all(&directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        let archive = place.join("source.tar");
        let mut git = program("git");
        git.current_dir(project()).args(["archive", "--output"]);
        capture(git.arg(&archive).arg(revision))?;
        // New times, since cargo tells by them what it has to build again.
        let mut tar = program("tar");
        tar.args(["--touch", "-xf"]).arg(&archive);
        capture(tar.arg("-C").arg(&directory))?;
        Ok(Self { directory })
    }

    /// What changed in the interface of a crate; `None` if the revision does not have the crate.
    pub(super) fn compare(&self, package: &Package) -> Result<Option<Changes>> {
        let folder = package.directory.strip_prefix(project());
        let folder = folder.map_err(|error| format!("{}: {error}", package.name))?;
        if !self.directory.join(folder).is_dir() {
            return Ok(None);
        }
        let before = listing(&self.directory, package)?;
        let after = listing(&project(), package)?;
        Ok(Some(Changes {
            removed: before.difference(&after).cloned().collect(),
            added: after.difference(&before).cloned().collect(),
        }))
    }
}

/// Lines of the list; a changed item is removed and added.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) removed: Vec<String>,
    pub(super) added: Vec<String>,
}

impl Changes {
    /// The lines as a diff.
    pub(super) fn show(&self) -> String {
        let removed = self.removed.iter().map(|line| format!("  - {line}\n"));
        let added = self.added.iter().map(|line| format!("  + {line}\n"));
        removed.chain(added).collect()
    }
}

/// The public items of a crate. The stable compiler describes them, with RUSTC_BOOTSTRAP=1 for this
/// run of rustdoc alone.
fn listing(workspace: &Path, package: &Package) -> Result<BTreeSet<String>> {
    // Each workspace has its own target directory: the descriptions have the same names.
    let target = match workspace == project() {
        true => target_directory()?,
        false => target_directory()?.join("baseline/target"),
    };
    let mut rustdoc = cargo();
    rustdoc.args([
        "rustdoc",
        "--quiet",
        "--lib",
        "--all-features",
        "--package",
        &package.name,
    ]);
    rustdoc.args([
        "--",
        "-Zunstable-options",
        "--output-format=json",
        "--cap-lints=warn",
    ]);
    rustdoc.current_dir(workspace);
    rustdoc
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTC_BOOTSTRAP", "1");
    capture(&mut rustdoc)?;
    let name = package.name.replace('-', "_");
    let description = target.join("doc").join(format!("{name}.json"));
    let mut list = cargo();
    list.args(["public-api", "-sss", "--rustdoc-json"]);
    let text = capture_text(list.arg(description))?;
    Ok(text.lines().map(str::to_owned).collect())
}

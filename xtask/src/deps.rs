//! `cargo xtask deps`: checks the crates against the map of allowed dependencies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;
use crate::args::Args;
use crate::floors::{self, Floors, LARGEST_CIRCLE};
use crate::shell::{capture, cargo};

pub(crate) const HELP: &str = "
Usage: cargo xtask deps [CRATE [--uses]]

With a crate, prints the circles of its files and the uses that go up, with `--uses` all of them.

Fails when a crate uses another one against the map in `xtask/src/deps.rs`, when a module uses one that is listed before
it in `lib.rs` or `mod.rs`, when more than three files of a crate use each other, when a crate that is not published is more
than a dev-dependency, when an internal dependency lacks its version (or a dev-dependency has one), when a crate lacks
its README or CHANGELOG or does not say there why it uses an outside crate, when it does not inherit the lints, or when
`unsafe` appears outside `layerhold-sys`.
";

/// The crates that each crate may use. Edges point one way: to crates that know less.
const MAP: [(&str, &[&str]); 28] = [
    ("layerhold-ids", &[]),
    ("layerhold-truncindex", &[]),
    ("layerhold-reference", &["ids"]),
    ("layerhold-idmap", &[]),
    ("layerhold-tar-format", &[]),
    ("layerhold-sys", &[]),
    ("layerhold-selinux", &["sys"]),
    ("layerhold-lockfile", &["sys"]),
    ("layerhold-environment", &["idmap", "sys"]),
    ("layerhold-toml-table", &[]),
    ("layerhold-config", &["environment", "toml-table"]),
    ("layerhold-registry-auth", &["environment", "sys"]),
    ("layerhold-image-policy", &["environment", "reference"]),
    ("layerhold-registry", &["ids", "reference", "sys"]),
    (
        "layerhold-registries-conf",
        &["environment", "lockfile", "reference", "sys", "toml-table"],
    ),
    ("layerhold-schema", &["ids", "idmap"]),
    ("layerhold-tar-split", &["tar-format", "sys"]),
    ("layerhold-staging", &["lockfile", "sys"]),
    ("layerhold-json-store", &["lockfile", "truncindex", "sys"]),
    ("layerhold-archive", &["idmap", "sys", "tar-format"]),
    (
        "layerhold-driver",
        &["archive", "ids", "idmap", "staging", "sys"],
    ),
    (
        "layerhold-driver-overlay",
        &["driver", "archive", "ids", "idmap", "staging", "sys"],
    ),
    (
        "layerhold-driver-vfs",
        &["driver", "archive", "ids", "idmap", "staging", "sys"],
    ),
    (
        "layerhold",
        &[
            "archive",
            "config",
            "driver",
            "driver-overlay",
            "driver-vfs",
            "idmap",
            "ids",
            "json-store",
            "lockfile",
            "schema",
            "selinux",
            "staging",
            "sys",
            "tar-format",
            "tar-split",
            "truncindex",
        ],
    ),
    (
        "layerhold-oci",
        &[
            "layerhold",
            "archive",
            "environment",
            "ids",
            "image-policy",
            "reference",
            "registries-conf",
            "registry",
            "registry-auth",
            "sys",
            "tar-format",
        ],
    ),
    (
        "layerhold-cli",
        &[
            "layerhold",
            "archive",
            "config",
            "driver",
            "idmap",
            "ids",
            "image-policy",
            "oci",
            "reference",
            "registries-conf",
            "registry",
            "registry-auth",
            "schema",
            "sys",
            "tar-format",
        ],
    ),
    // For tests.
    ("layerhold-testkit", &["sys"]),
    (
        "layerhold-drivertest",
        &[
            "archive",
            "driver",
            "idmap",
            "ids",
            "staging",
            "sys",
            "tar-format",
            "testkit",
        ],
    ),
];

/// Crates for tests: every crate may have them as dev-dependencies.
const FOR_TESTS: [&str; 2] = ["layerhold-testkit", "layerhold-drivertest"];

/// The one crate that talks to the kernel.
const UNSAFE_CRATE: &str = "layerhold-sys";

pub(crate) fn run(mut args: Args) -> Result {
    let (all, one) = (args.flag("--uses"), args.word());
    args.end()?;
    match one {
        Some(name) => show_floors(&name, all),
        None => check(),
    }
}

/// Prints the circles of a crate and the uses that go up in it.
fn show_floors(name: &str, all: bool) -> Result {
    let full = format!("layerhold-{name}");
    let packages = packages()?;
    let package = packages
        .iter()
        .find(|package| package.name == name || package.name == full);
    let package = package.ok_or_else(|| format!("there is no crate {name}"))?;
    let Some(sources) = floors::sources(&package.directory) else {
        return Err(format!("{name} has no library"));
    };
    let floors = Floors::read(&sources)?;
    for (from, to) in floors.uses.iter().filter(|_| all) {
        println!("use: {from} uses {to}");
    }
    for circle in &floors.circles {
        println!(
            "{} files use each other: {}",
            circle.len(),
            circle.join(", ")
        );
    }
    for (from, to) in &floors.upward {
        println!("up: {from} uses {to}");
    }
    println!(
        "largest circle {}, uses that go up {}",
        floors.largest_circle(),
        floors.upward.len()
    );
    Ok(())
}

fn check_floors(package: &Package, wrong: &mut Vec<String>) -> Result {
    let Some(sources) = floors::sources(&package.directory) else {
        return Ok(());
    };
    let (name, floors) = (&package.name, Floors::read(&sources)?);
    let large = floors
        .circles
        .iter()
        .filter(|circle| circle.len() > LARGEST_CIRCLE);
    wrong.extend(large.map(|circle| {
        format!(
            "{name}: {} files use each other: {}",
            circle.len(),
            circle.join(", ")
        )
    }));
    let upward = floors.upward.iter();
    wrong.extend(
        upward.map(|(from, to)| format!("{name}: {from} uses {to}, which is listed before it")),
    );
    Ok(())
}

/// Checks everything and tells all that is wrong.
pub(crate) fn check() -> Result {
    let packages = packages()?;
    let mut wrong = Vec::new();
    for package in &packages {
        check_edges(package, &packages, &mut wrong);
        check_papers(package, &mut wrong);
        check_manifest(package, &mut wrong);
        check_unsafe(package, &mut wrong)?;
        check_floors(package, &mut wrong)?;
    }
    for (name, _) in MAP {
        if !packages.iter().any(|package| package.name == name) {
            wrong.push(format!("{name} is on the map and not in the workspace"));
        }
    }
    if wrong.is_empty() {
        println!("{} packages keep to the map", packages.len());
        return Ok(());
    }
    Err(format!(
        "{} mistakes:\n  {}",
        wrong.len(),
        wrong.join("\n  ")
    ))
}

/// The names of all crates that are published.
pub(crate) fn published_crates() -> Result<Vec<String>> {
    let packages = packages()?
        .into_iter()
        .filter(|package| package.is_published);
    Ok(packages.map(|package| package.name).collect())
}

/// The names of those among them that have features.
pub(crate) fn published_crates_with_features() -> Result<Vec<String>> {
    let packages = packages()?
        .into_iter()
        .filter(|package| package.is_published && package.has_features);
    Ok(packages.map(|package| package.name).collect())
}

#[derive(Debug)]
struct Package {
    name: String,
    directory: PathBuf,
    is_published: bool,
    has_features: bool,
    dependencies: Vec<Dependency>,
}

#[derive(Debug)]
struct Dependency {
    name: String,
    requirement: String,
    is_ours: bool,
    is_dev: bool,
}

fn packages() -> Result<Vec<Package>> {
    let mut command = cargo();
    let text = capture(command.args(["metadata", "--format-version=1", "--no-deps"]))?;
    let metadata: Value =
        serde_json::from_slice(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata has no packages")?;
    Ok(packages.iter().map(read_package).collect())
}

fn read_package(value: &Value) -> Package {
    let manifest = Path::new(text(value, "manifest_path"));
    let dependencies = value["dependencies"].as_array().into_iter().flatten();
    Package {
        name: text(value, "name").to_owned(),
        directory: manifest.parent().unwrap_or(manifest).to_owned(),
        // `publish = false` is an empty list of registries; absence means all.
        is_published: value["publish"]
            .as_array()
            .is_none_or(|registries| !registries.is_empty()),
        has_features: value["features"]
            .as_object()
            .is_some_and(|features| !features.is_empty()),
        dependencies: dependencies.map(read_dependency).collect(),
    }
}

fn read_dependency(value: &Value) -> Dependency {
    Dependency {
        name: text(value, "name").to_owned(),
        requirement: text(value, "req").to_owned(),
        is_ours: value["path"].is_string(),
        is_dev: value["kind"] == "dev",
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Whether a crate may use another one in its tests: what stands below it on the map, which cannot
/// use it in turn.
fn may_test_with(name: &str, other: &str) -> bool {
    let place = |name: &str| MAP.iter().position(|(listed, _)| *listed == name);
    place(other).is_some_and(|other| Some(other) < place(name))
}

fn check_edges(package: &Package, packages: &[Package], wrong: &mut Vec<String>) {
    let map: BTreeMap<_, _> = MAP.into_iter().collect();
    let name = package.name.as_str();
    let free = !package.is_published && !map.contains_key(name);
    if !free && !map.contains_key(name) {
        wrong.push(format!("{name} is not on the map"));
    }
    let allowed = map.get(name).copied().unwrap_or_default();
    for dependency in package
        .dependencies
        .iter()
        .filter(|dependency| dependency.is_ours)
    {
        let other = dependency.name.as_str();
        let short = other.strip_prefix("layerhold-").unwrap_or(other);
        let for_tests = FOR_TESTS.contains(&other);
        let unpublished = packages
            .iter()
            .any(|package| package.name == other && !package.is_published);
        if unpublished && package.is_published && !dependency.is_dev {
            wrong.push(format!(
                "{name} depends on {other}, which is for tests only"
            ));
        } else if !free
            && !(for_tests && (dependency.is_dev || !package.is_published))
            && !(dependency.is_dev && may_test_with(name, other))
            && !allowed.contains(&short)
        {
            wrong.push(format!("{name} must not know {other}"));
        }
        check_requirement(package, dependency, unpublished, wrong);
    }
}

/// A published crate must say which version it needs; a path alone is for crates that are never
/// published.
fn check_requirement(
    package: &Package,
    dependency: &Dependency,
    unpublished: bool,
    wrong: &mut Vec<String>,
) {
    let has_version = dependency.requirement != "*";
    let (name, other) = (&package.name, &dependency.name);
    if dependency.is_dev && FOR_TESTS.contains(&other.as_str()) && has_version {
        wrong.push(format!(
            "{name} asks for a version of {other}, which uses crates of this workspace itself; use the path only"
        ));
    } else if unpublished && has_version {
        wrong.push(format!(
            "{name} asks for a version of {other}, which has no releases; use the path only"
        ));
    } else if !unpublished && !has_version && package.is_published && !dependency.is_dev {
        wrong.push(format!("{name} depends on {other} without a version"));
    }
}

fn check_papers(package: &Package, wrong: &mut Vec<String>) {
    if !package.is_published {
        return;
    }
    let name = &package.name;
    for paper in ["README.md", "CHANGELOG.md"] {
        if !package.directory.join(paper).is_file() {
            wrong.push(format!("{name} has no {paper}"));
        }
    }
    let readme = std::fs::read_to_string(package.directory.join("README.md")).unwrap_or_default();
    let outside = package
        .dependencies
        .iter()
        .filter(|dependency| !dependency.is_ours && !dependency.is_dev);
    for dependency in outside {
        if !readme.contains(&format!("`{}`", dependency.name)) {
            wrong.push(format!(
                "{name} does not say in its README why it uses `{}`",
                dependency.name
            ));
        }
    }
}

fn check_manifest(package: &Package, wrong: &mut Vec<String>) {
    let manifest =
        std::fs::read_to_string(package.directory.join("Cargo.toml")).unwrap_or_default();
    let inherits = manifest.contains("[lints]\nworkspace = true");
    if !inherits && package.name != UNSAFE_CRATE {
        wrong.push(format!(
            "{} does not inherit the lints of the workspace",
            package.name
        ));
    }
}

fn check_unsafe(package: &Package, wrong: &mut Vec<String>) -> Result {
    if package.name == UNSAFE_CRATE {
        return Ok(());
    }
    for file in rust_files(&package.directory)? {
        let source = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let lines = source
            .lines()
            .enumerate()
            .filter(|(_, line)| has_unsafe(line));
        wrong.extend(lines.map(|(at, _)| {
            format!(
                "{}:{}: unsafe outside {UNSAFE_CRATE}",
                file.display(),
                at + 1
            )
        }));
    }
    Ok(())
}

/// Whether a line of code opens something unsafe. The compiler forbids it as well, unless a crate
/// changes its lints.
fn has_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let openings = ["{", "fn ", "impl ", "extern ", "trait "];
    let mut after = code.split("unsafe ").skip(1);
    after.any(|rest| openings.iter().any(|opening| rest.starts_with(opening)))
}

fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = std::fs::read_dir(&directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_has_no_cycle() {
        let mut order: Vec<&str> = Vec::new();
        for (name, uses) in MAP {
            for used in uses {
                let full = if *used == "layerhold" {
                    "layerhold".to_owned()
                } else {
                    format!("layerhold-{used}")
                };
                let known = order.contains(&full.as_str()) || FOR_TESTS.contains(&full.as_str());
                assert!(known, "{name} uses {full}, which stands below it");
            }
            order.push(name);
        }
    }

    #[test]
    fn unsafe_is_seen_in_code_only() {
        // Put together here, so that this very file passes.
        let open = format!("let x = {} {{ y }};", "unsafe");
        assert!(has_unsafe(&open));
        assert!(!has_unsafe(&format!("// {open}")));
        assert!(!has_unsafe("#![forbid(unsafe_code)]"));
    }

    #[test]
    fn tests_may_use_what_stands_below() {
        assert!(may_test_with("layerhold-archive", "layerhold-tar-split"));
        assert!(!may_test_with("layerhold-tar-split", "layerhold-archive"));
        assert!(!may_test_with("layerhold-ids", "layerhold-ids"));
    }

    #[test]
    fn an_edge_against_the_map_is_found() {
        let dependency = |name: &str, is_dev| Dependency {
            name: name.to_owned(),
            requirement: "^0.1.0".to_owned(),
            is_ours: true,
            is_dev,
        };
        let package = |name: &str, is_published, dependencies| Package {
            name: name.to_owned(),
            directory: PathBuf::new(),
            is_published,
            has_features: false,
            dependencies,
        };
        let ids = package(
            "layerhold-ids",
            true,
            vec![dependency("layerhold-sys", false)],
        );
        let lockfile = package(
            "layerhold-lockfile",
            true,
            vec![dependency("layerhold-testkit", false)],
        );
        let packages = [ids, lockfile, package("layerhold-testkit", false, vec![])];
        let mut wrong = Vec::new();
        packages
            .iter()
            .for_each(|package| check_edges(package, &packages, &mut wrong));
        assert_eq!(
            wrong,
            [
                "layerhold-ids must not know layerhold-sys",
                "layerhold-lockfile depends on layerhold-testkit, which is for tests only",
                "layerhold-lockfile asks for a version of layerhold-testkit, which has no releases; use the path only",
            ]
        );
    }
}

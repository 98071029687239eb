//! `cargo xtask package`: the packages as a registry serves them, and whether they stand alone.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;
use crate::args::Args;
use crate::shell::{capture, cargo, metadata, program, project, step, target_directory};

pub(crate) const HELP: &str = "
Usage: cargo xtask package [--test]

Packs every published crate as `cargo publish` would, without publishing anything, and checks the result: the fields that a
registry shows, both licence texts, absolute links in the README. Then it unpacks all of them into
`target/package/unpacked`, where they use each other instead of the files of this repository, and checks that libraries,
programs, examples and unit tests of all of them compile. Takes about a minute after a `cargo clippy`.

  --test   also run the unit tests, examples of the documentation and the rest of `cargo test`, from the packages
";

/// What every package has besides its sources.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

pub(crate) fn run(mut args: Args) -> Result {
    let test = args.flag("--test");
    args.end()?;
    check(if test { "test" } else { "check" })
}

/// Packs, and runs `check` or `test` of cargo on the unpacked packages.
pub(crate) fn check(how: &str) -> Result {
    let packages = published()?;
    let mut wrong: Vec<String> = packages.iter().flat_map(missing_fields).collect();
    pack(&packages)?;
    let place = target_directory()?.join("package/unpacked");
    let directories = unpack(&packages, &place)?;
    for directory in &directories {
        check_files(directory, &mut wrong)?;
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    eprintln!(
        "{} packages have their fields, licences and links",
        packages.len()
    );
    build(&place, &packages, &directories, how)
}

/// A crate that is published.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) directory: PathBuf,
    pub(crate) is_library: bool,
    metadata: Value,
}

#[cfg(test)]
impl Package {
    pub(crate) fn named(name: &str, version: &str) -> Self {
        read_package(serde_json::json!({ "name": name, "version": version }))
    }
}

/// The crates that are published, in the order of `cargo metadata`.
pub(crate) fn published() -> Result<Vec<Package>> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let is_published = |package: &Value| {
        // `publish = false` is an empty list of registries; absence means all.
        let registries = package["publish"].as_array();
        registries.is_none_or(|registries| !registries.is_empty())
    };
    Ok(packages
        .into_iter()
        .filter(is_published)
        .map(read_package)
        .collect())
}

fn read_package(metadata: Value) -> Package {
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    let manifest = PathBuf::from(text("manifest_path"));
    let targets = metadata["targets"].as_array().into_iter().flatten();
    let is_library = targets
        .into_iter()
        .filter_map(|target| target["kind"].as_array())
        .any(|kinds| kinds.iter().any(|kind| kind == "lib"));
    Package {
        name: text("name"),
        version: text("version"),
        directory: manifest.parent().unwrap_or(&manifest).to_owned(),
        is_library,
        metadata,
    }
}

/// The fields that a registry shows, or builds the documentation by.
fn missing_fields(package: &Package) -> Vec<String> {
    let fields = [
        "/description",
        "/license",
        "/repository",
        "/documentation",
        "/keywords/0",
        "/categories/0",
        "/readme",
        "/rust_version",
        "/metadata/docs/rs/targets",
    ];
    let missing = fields.into_iter().filter(|field| {
        let value = package.metadata.pointer(field);
        value.is_none_or(|value| value.is_null() || value == "")
    });
    missing
        .map(|field| format!("{}: its Cargo.toml has no {}", package.name, &field[1..]))
        .collect()
}

fn pack(packages: &[Package]) -> Result {
    let mut command = cargo();
    // What is checked is the work tree, committed or not; the build is checked later, once for all.
    command.args([
        "package",
        "--quiet",
        "--locked",
        "--no-verify",
        "--allow-dirty",
    ]);
    for package in packages {
        command.args(["--package", &package.name]);
    }
    step(&mut command)
}

/// Unpacks into an empty directory; returns the directory of each package.
fn unpack(packages: &[Package], place: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    if place.exists() {
        fs::remove_dir_all(place).map_err(failed)?;
    }
    fs::create_dir_all(place).map_err(failed)?;
    let archives = place.parent().unwrap_or(place);
    let mut directories = Vec::new();
    for package in packages {
        let name = format!("{}-{}", package.name, package.version);
        let archive = archives.join(format!("{name}.crate"));
        capture(
            program("tar")
                // New times, since cargo tells by them what it has to build again.
                .args(["--touch", "-xzf"])
                .arg(&archive)
                .arg("-C")
                .arg(place),
        )?;
        directories.push(place.join(name));
    }
    Ok(directories)
}

fn check_files(directory: &Path, wrong: &mut Vec<String>) -> Result {
    let name = directory.file_name().unwrap_or_default().display();
    for licence in LICENCES {
        let original = read(&project().join(licence))?;
        if read(&directory.join(licence)).ok() != Some(original) {
            wrong.push(format!("{name}: {licence} is missing or not ours"));
        }
    }
    if !directory.join("CHANGELOG.md").is_file() {
        wrong.push(format!("{name}: CHANGELOG.md is missing"));
    }
    let readme = read(&directory.join("README.md"))?;
    for link in relative_links(&readme) {
        wrong.push(format!("{name}: README.md has the relative link {link}"));
    }
    Ok(())
}

/// Links that lead nowhere on the page of a registry.
fn relative_links(markdown: &str) -> Vec<&str> {
    let links = markdown.split("](").skip(1);
    links
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link)
        .filter(|link| !link.starts_with("https://") && !link.starts_with('#'))
        .collect()
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Builds the packages in a workspace of their own, with the lock file and the profiles of ours, so
/// that crates of others are not built twice.
fn build(place: &Path, packages: &[Package], directories: &[PathBuf], how: &str) -> Result {
    let names = directories.iter().filter_map(|path| path.file_name());
    let names: Vec<String> = names
        .map(|name| format!("{:?}", name.display().to_string()))
        .collect();
    let mut manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n[patch.crates-io]\n",
        names.join(", ")
    );
    for (package, name) in packages.iter().zip(&names) {
        let ignored = writeln!(manifest, "{} = {{ path = {name} }}", package.name);
        debug_assert!(ignored.is_ok(), "a String takes every write");
    }
    let ours = read(&project().join("Cargo.toml"))?;
    if let Some(at) = ours.find("\n[profile.") {
        manifest.push_str(&ours[at..]);
    }
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    fs::write(place.join("Cargo.toml"), manifest).map_err(failed)?;
    fs::copy(project().join("Cargo.lock"), place.join("Cargo.lock")).map_err(failed)?;
    let mut command = cargo();
    command.args([how, "--workspace", "--offline"]);
    command.args((how == "check").then_some("--all-targets"));
    command
        .current_dir(place)
        .env("CARGO_TARGET_DIR", target_directory()?);
    step(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_into_the_repository_are_found() {
        let text = "[a](https://docs.rs/a) [b](../b) ![c](c.png) [d](#d)";
        assert_eq!(relative_links(text), ["../b", "c.png"]);
    }
}

//! `cargo xtask release --check`: whether the crates can be published as they are.

mod interface;

use std::collections::BTreeSet;
use std::fs;

use crate::Result;
use crate::args::Args;
use crate::package::{self, Package};
use crate::shell::{capture_text, cargo, program, project, step};
use crate::tools::{Tool, ensure};
use interface::Baseline;

pub(crate) const HELP: &str = "
Usage: cargo xtask release --check [--baseline REVISION] [--crate NAME]...

Checks what a release needs, and publishes nothing:
  - each crate's version has a section in its CHANGELOG, and the version that other crates ask for;
  - a crate that changed since the tag of its version (NAME-vVERSION) has a new version;
  - the public interface of each crate, compared with the baseline: every public item that went, came or changed is listed, and
    cargo-semver-checks says which changes need a new major or minor version. The baseline is the tag of the crate's last
    release; without any tag and without --baseline, nothing is compared, and the command says so;
  - the packages (see `cargo xtask package`).

Installs cargo-public-api (2 minutes on two cores) and, for a release, cargo-semver-checks (5 minutes) when they are missing and
there is something to compare. A comparison describes each crate twice, about 10 seconds a crate.

  --baseline REVISION  compare all crates with this revision, such as main~20
  --crate NAME         only this crate
";

const SEMVER_CHECKS: Tool = Tool {
    name: "cargo-semver-checks",
    about: "it compares public interfaces; takes about 5 minutes",
};

pub(crate) fn run(mut args: Args) -> Result {
    let check = args.flag("--check");
    let baseline = args.value::<String>("--baseline")?;
    let only = args.value::<String>("--crate")?;
    args.end()?;
    if !check {
        return Err("only --check exists; CONTRIBUTING.md has the list of a release".to_owned());
    }
    let packages = chosen(package::published()?, only.as_deref())?;
    let tags = tags()?;
    let mut wrong = Vec::new();
    println!("| Crate | Version | Last release | Changed since |\n|---|---|---|---|");
    for package in &packages {
        wrong.extend(changelog(package)?);
        let last = last_release(package, &tags);
        let changed = match &last {
            Some(tag) => changes(package, tag)?,
            None => "all of it".to_owned(),
        };
        let (name, version) = (&package.name, &package.version);
        let shown = last.as_deref().unwrap_or("none");
        println!("| {name} | {version} | {shown} | {changed} |");
        if last == Some(tag(package)) && changed != "nothing" {
            wrong.push(format!(
                "{name} {version} is released and changed since: it needs a new version"
            ));
        }
    }
    let incompatible = compare(&packages, &tags, baseline.as_deref());
    wrong.extend(incompatible.err());
    if only.is_none() {
        wrong.extend(package::check("check").err());
    }
    if !wrong.is_empty() {
        return Err(format!("not ready:\n{}", wrong.join("\n")));
    }
    println!("\nReady.");
    Ok(())
}

fn chosen(packages: Vec<Package>, only: Option<&str>) -> Result<Vec<Package>> {
    let Some(only) = only else {
        return Ok(packages);
    };
    let one = packages.into_iter().find(|package| package.name == only);
    Ok(vec![
        one.ok_or(format!("there is no published crate {only}"))?,
    ])
}

/// Compares public interfaces with those of the last releases, or of one revision.
fn compare(packages: &[Package], tags: &BTreeSet<String>, baseline: Option<&str>) -> Result {
    let mut compared: Vec<(&Package, String)> = Vec::new();
    for package in packages.iter().filter(|package| package.is_library) {
        let revision = baseline.map(str::to_owned);
        let revision = revision.or_else(|| last_release(package, tags));
        compared.extend(revision.map(|revision| (package, revision)));
    }
    if compared.is_empty() {
        println!(
            "\nNo release has a tag yet and no --baseline is given: public interfaces are not compared."
        );
        return Ok(());
    }
    let revisions: BTreeSet<&String> = compared.iter().map(|(_, revision)| revision).collect();
    let mut wrong = Vec::new();
    for revision in revisions {
        let of_it = compared.iter().filter(|(_, one)| one == revision);
        let of_it: Vec<&Package> = of_it.map(|(package, _)| *package).collect();
        list_changes(&of_it, revision)?;
        // Before the first release, every change is allowed.
        if tags.contains(revision) {
            wrong.extend(check_versions(&of_it, revision).err());
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n")),
    }
}

/// Prints what changed in public interfaces.
fn list_changes(packages: &[&Package], revision: &str) -> Result {
    let baseline = Baseline::unpack(revision)?;
    println!("\nPublic items since {revision}:");
    for package in packages {
        match baseline.compare(package)? {
            None => println!("{}: new", package.name),
            Some(changes) => {
                let (removed, added) = (changes.removed.len(), changes.added.len());
                println!("{}: {removed} removed, {added} added", package.name);
                print!("{}", changes.show());
            }
        }
    }
    Ok(())
}

/// Whether the versions of crates fit the changes since their release.
fn check_versions(packages: &[&Package], tag: &str) -> Result {
    ensure(&SEMVER_CHECKS)?;
    let mut command = cargo();
    command.args(["semver-checks", "check-release", "--baseline-rev", tag]);
    for package in packages {
        command.args(["--package", &package.name]);
    }
    step(&mut command)
        .map_err(|why| format!("a version does not fit the changes, see above: {why}"))
}

/// The tag of the crate's present version.
fn tag(package: &Package) -> String {
    format!("{}-v{}", package.name, package.version)
}

fn tags() -> Result<BTreeSet<String>> {
    let text = capture_text(
        program("git")
            .current_dir(project())
            .args(["tag", "--list"]),
    )?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The tag of the crate's newest release that has one.
fn last_release(package: &Package, tags: &BTreeSet<String>) -> Option<String> {
    let prefix = format!("{}-v", package.name);
    let versions = tags.iter().filter_map(|tag| {
        let version = tag.strip_prefix(&prefix)?;
        Some((numbers(version)?, tag))
    });
    versions.max().map(|(_, tag)| tag.clone())
}

/// The numbers of a version, without which a tag is of another crate (`layerhold-v…` and
/// `layerhold-vfs…`).
fn numbers(version: &str) -> Option<Vec<u64>> {
    let numbers: Vec<u64> = version
        .split('.')
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    (numbers.len() == 3).then_some(numbers)
}

/// How many files of the package changed since a tag.
fn changes(package: &Package, tag: &str) -> Result<String> {
    let mut git = program("git");
    git.current_dir(&package.directory);
    git.args(["diff", "--name-only", tag, "--", "src", "Cargo.toml"]);
    Ok(match capture_text(&mut git)?.lines().count() {
        0 => "nothing".to_owned(),
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    })
}

/// What is wrong with the crate's CHANGELOG.
fn changelog(package: &Package) -> Result<Option<String>> {
    let path = package.directory.join("CHANGELOG.md");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let top = text.lines().find_map(|line| line.strip_prefix("## "));
    let top = top.unwrap_or_default();
    let version = top.split(' ').next().unwrap_or_default();
    Ok((version != package.version).then(|| {
        format!(
            "{}: the CHANGELOG begins with {top:?} instead of version {}",
            package.name, package.version
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_release_is_that_of_the_same_crate() {
        let tags = [
            "layerhold-v0.9.0",
            "layerhold-v0.10.0",
            "layerhold-vfs-v3.0.0",
            "v7",
            "x-v1.0.0",
        ];
        let tags: BTreeSet<String> = tags.map(str::to_owned).into();
        let of = |name: &str| last_release(&Package::named(name, "0.10.0"), &tags);
        assert_eq!(of("layerhold").as_deref(), Some("layerhold-v0.10.0"));
        assert_eq!(of("layerhold-vfs").as_deref(), Some("layerhold-vfs-v3.0.0"));
        assert_eq!(of("layerhold-oci"), None);
    }
}

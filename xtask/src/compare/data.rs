//! The layers to import: made once of this machine's own files, then kept.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Sizes;
use crate::Result;
use crate::files::{visit_files, write_list};
use crate::shell::{capture_text, program, step};

/// Where the files come from.
const SOURCES: [&str; 3] = ["/usr/share", "/usr/lib", "/usr/bin"];
/// The largest size of a small file.
const SMALL: u64 = 256 << 10;
/// The smallest size of a big file.
const BIG: u64 = 2 << 20;

/// One layer in all forms that are imported.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) plain: PathBuf,
    pub(super) gzip: PathBuf,
    pub(super) zstd: PathBuf,
    /// `sha256:…` of the plain archive.
    pub(super) diff_id: String,
    /// For the heading.
    pub(super) about: String,
}

/// Both layers of the tables.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) small: Layer,
    pub(super) big: Layer,
    /// Files that are on top of many layers.
    pub(super) deep: Layer,
}

/// Makes the missing layers in `work`.
pub(super) fn prepare(work: &Path, sizes: Sizes) -> Result<Layers> {
    let small = || small_files(sizes.files, sizes.small_mb << 20);
    let big = || big_files(work, sizes.big_mb * 1_000_000);
    let deep = sizes.files.min(2_000);
    Ok(Layers {
        small: layer(
            work,
            &format!("small-{}-{}", sizes.files, sizes.small_mb),
            small,
        )?,
        big: layer(work, &format!("big-{}", sizes.big_mb), big)?,
        deep: layer(work, &format!("deep-{deep}"), || {
            small_files(deep, 12 << 20)
        })?,
    })
}

fn layer(work: &Path, name: &str, choose: impl FnOnce() -> Result<Vec<PathBuf>>) -> Result<Layer> {
    let at = |suffix: &str| work.join(format!("{name}.{suffix}"));
    let (plain, gzip, zstd, list) = (at("tar"), at("tar.gz"), at("tar.zst"), at("list"));
    fs::create_dir_all(work).map_err(|error| format!("{}: {error}", work.display()))?;
    if !zstd.is_file() {
        write_list(&list, &choose()?)?;
        let mut tar = program("tar");
        // Fixed owners and times: the same files give the same archive.
        tar.args([
            "--create",
            "--format=pax",
            "--pax-option=delete=atime,delete=ctime",
            "--owner=0",
            "--group=0",
        ]);
        tar.args([
            "--no-recursion",
            "--null",
            "--absolute-names",
            "--transform=s,^/,,",
            "--hard-dereference",
        ]);
        step(tar.arg("--files-from").arg(&list).arg("--file").arg(&plain))?;
        step(
            program("gzip")
                .args(["--keep", "--force", "--no-name"])
                .arg(&plain),
        )?;
        step(
            program("zstd")
                .args(["-q", "-f", "-3"])
                .arg(&plain)
                .arg("-o")
                .arg(&zstd),
        )?;
    }
    let count = fs::read(&list)
        .map_err(|error| error.to_string())?
        .split(|byte| *byte == 0)
        .count()
        - 1;
    let size = fs::metadata(&plain)
        .map_err(|error| error.to_string())?
        .len();
    let about = format!("{count} files, {} MB", size / 1_000_000);
    Ok(Layer {
        diff_id: sha256(&plain)?,
        plain,
        gzip,
        zstd,
        about,
    })
}

/// `sha256:…` of a file.
pub(super) fn sha256(file: &Path) -> Result<String> {
    let text = capture_text(program("sha256sum").arg(file))?;
    Ok(format!(
        "sha256:{}",
        text.split_whitespace().next().unwrap_or_default()
    ))
}

/// The first `count` small files, with an average size of at most `total / count`.
fn small_files(count: usize, total: u64) -> Result<Vec<PathBuf>> {
    let average = total / count.max(1) as u64;
    let (mut chosen, mut sum) = (Vec::new(), 0);
    visit_files(&SOURCES, &mut |path, size| {
        // A file above the average is taken only if smaller ones left room for it.
        let room = average * (chosen.len() as u64 + 1) + (1 << 20);
        if size <= SMALL && sum + size <= room {
            sum += size;
            chosen.push(path.to_owned());
        }
        chosen.len() < count
    })?;
    if chosen.len() < count {
        return Err(format!(
            "this machine has only {} small files; use --files",
            chosen.len()
        ));
    }
    Ok(chosen)
}

/// Big files of `total` bytes together; generated if the machine has too few.
fn big_files(work: &Path, total: u64) -> Result<Vec<PathBuf>> {
    let (mut chosen, mut sum) = (Vec::new(), 0);
    visit_files(&SOURCES, &mut |path, size| {
        if (BIG..total.max(BIG + 1)).contains(&size) && sum + size <= total + BIG {
            sum += size;
            chosen.push(path.to_owned());
        }
        sum < total
    })?;
    let mut number = 0;
    while sum < total {
        let path = work.join(format!("made-{number}"));
        let size = (11 << 20).min(total - sum);
        make_file(&path, size, number)?;
        sum += size;
        number += 1;
        chosen.push(path);
    }
    Ok(chosen)
}

/// Writes a file that compresses to about half, as programs do.
fn make_file(path: &Path, size: u64, seed: u64) -> Result {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    for _ in 0..size / 16 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        out.write_all(&state.to_be_bytes()).map_err(failed)?;
        out.write_all(b"layerhol").map_err(failed)?;
    }
    out.flush().map_err(failed)
}

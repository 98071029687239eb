//! `layerhold save`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use layerhold_oci::{Compression, SaveOptions, TargetKind, WrittenImage, save, save_stream};
use serde_json::json;

use super::archive_output::ARCHIVE_ON_TERMINAL;
use super::args::{CompressionChoice, Save, SaveKind};
use super::call::Call;
use super::units::{count, short};
use crate::failure::Failure;

pub(super) fn run(call: &mut Call<'_, '_>, args: Save, scratch: PathBuf) -> Result<(), Failure> {
    let kind = match args.to {
        SaveKind::Oci => TargetKind::OciLayout,
        SaveKind::OciArchive => TargetKind::OciArchive,
        SaveKind::DockerArchive => TargetKind::DockerArchive,
        SaveKind::Dir => TargetKind::ImageDirectory,
    };
    let compression = match args.compression {
        CompressionChoice::Keep => Compression::Keep,
        CompressionChoice::None => Compression::None,
        CompressionChoice::Gzip => Compression::Gzip,
        CompressionChoice::Zstd => Compression::Zstd,
    };
    let mut options = SaveOptions::new(kind)
        .compression(compression)
        .scratch(scratch);
    options.remove_signatures = args.remove_signatures;
    let path = args
        .output
        .filter(|path| path.as_os_str() != "-" && !is_standard_output(path));
    let Some(path) = path else {
        if matches!(args.to, SaveKind::Oci | SaveKind::Dir) {
            return Err(Failure::Flags(
                "cannot write a directory to standard output: use --output",
            ));
        }
        if call.streams.out_is_terminal() {
            return Err(Failure::Flags(ARCHIVE_ON_TERMINAL));
        }
        let written = save_stream(
            call.store,
            &args.images,
            call.streams.exact(),
            &options,
            &call.progress,
        );
        call.progress.clear();
        let written = written.map_err(|error| Failure::Save(Box::new(error)))?;
        return warn_of_signatures(call, &written);
    };
    let written = save(call.store, &args.images, &path, &options, &call.progress);
    call.progress.clear();
    let written = written.map_err(|error| Failure::Save(Box::new(error)))?;
    warn_of_signatures(call, &written)?;
    if call.is_json() {
        let images: Vec<_> = written
            .iter()
            .map(|image| {
                json!({
                    "id": image.id.as_str(),
                    "names": image.names,
                    "digest": image.digest.as_ref().map(|digest| digest.as_str()),
                })
            })
            .collect();
        return call.json(&json!(images));
    }
    for image in written {
        let name = image.names.first().cloned().unwrap_or_default();
        let id = short(image.id.as_str()).to_owned();
        call.line(format!("{id} {name}").trim_end())?;
    }
    Ok(())
}

/// Warns of signatures that the format has no place for. Podman leaves them behind silently.
fn warn_of_signatures(call: &mut Call<'_, '_>, written: &[WrittenImage]) -> Result<(), Failure> {
    for image in written.iter().filter(|image| image.lost_signatures > 0) {
        let signatures = count(image.lost_signatures, "signature");
        let id = short(image.id.as_str());
        call.note(format_args!(
            "layerhold: {signatures} of {id} left behind: `--to dir` keeps them, `--remove-signatures` says that they are not wanted"
        ))?;
    }
    Ok(())
}

/// Whether a path leads to the file of standard output. Then nothing but the archive is written
/// there.
fn is_standard_output(path: &Path) -> bool {
    let identity = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino(), found.rdev()))
    };
    let stream = Path::new("/dev/stdout");
    path == stream || identity(path).is_some_and(|named| identity(stream) == Some(named))
}

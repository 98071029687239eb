//! `layerhold gc`.

use std::path::PathBuf;

use layerhold::DeleteMode;
use serde_json::json;

use super::args::Gc;
use super::call::Call;
use super::units::short;
use crate::failure::Failure;
use crate::streams::shown;

pub(super) fn run(call: &mut Call<'_, '_>, args: &Gc) -> Result<(), Failure> {
    let (mode, removed) = match args.dry_run {
        true => (DeleteMode::DryRun, "would remove"),
        false => (DeleteMode::Delete, "removed"),
    };
    let report = call.store.garbage_collect(mode)?;
    let erased = match args.quarantine {
        true => call.store.erase_quarantine(mode)?,
        false => Vec::new(),
    };
    let layers: Vec<String> = report.layers.iter().map(ToString::to_string).collect();
    let found = [
        (
            "containerDirs",
            "the directory of container",
            &report.container_dirs,
        ),
        ("imageDirs", "the directory of image", &report.image_dirs),
        ("layers", "the contents of layer", &layers),
        (
            "tarSplits",
            "the tar-split file of layer",
            &report.tar_splits,
        ),
        ("layerDirs", "the directory of layer", &report.layer_dirs),
    ];
    if call.is_json() {
        let fields = found.map(|(field, _, ids)| (field.to_owned(), json!(ids)));
        let mut fields: serde_json::Map<_, _> = fields.into_iter().collect();
        // JSON has no bytes, and a path may not be UTF-8.
        let texts = |paths: &[PathBuf]| {
            let texts = paths.iter().map(|path| path.to_string_lossy().into_owned());
            json!(texts.collect::<Vec<_>>())
        };
        let more = [
            ("temporaryFiles", texts(&report.temporary_files)),
            ("areas", texts(&report.areas)),
            ("quarantine", texts(&erased)),
        ];
        fields.extend(more.map(|(field, paths)| (field.to_owned(), paths)));
        return call.json(&serde_json::Value::Object(fields));
    }
    for (_, what, ids) in found {
        for id in ids {
            call.line(format_args!("{removed} {what} {}", short(id)))?;
        }
    }
    for path in &report.temporary_files {
        let path = shown(path);
        call.line(format_args!(
            "{removed} {path}, left by an interrupted save"
        ))?;
    }
    for area in &report.areas {
        call.line(format_args!(
            "{removed} leftovers of a killed process in {}",
            shown(area)
        ))?;
    }
    for path in &erased {
        let path = shown(path);
        call.line(format_args!(
            "{removed} damaged layers from the quarantine {path}"
        ))?;
    }
    Ok(())
}

//! `layerhold load`.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use layerhold_oci::{Event, LoadOptions, Progress, load, load_stream};
use serde_json::json;

use super::args::Load;
use super::call::Call;
use super::units::{count, short};
use crate::failure::{Failure, chain};

/// Why an archive is not read from a terminal.
pub(super) const TAR_FROM_TERMINAL: &str =
    "cannot read an archive from a terminal: name a file or a directory, or redirect";

pub(super) fn run(call: &mut Call<'_, '_>, args: Load, scratch: PathBuf) -> Result<(), Failure> {
    let mut options = LoadOptions::new().scratch(scratch);
    if !args.name.is_empty() {
        options = options.names(args.name);
    }
    if let Some(image) = args.image {
        options = options.image(image);
    }
    if let Some(platform) = args.platform {
        options = options.platform(platform.parse().map_err(Failure::value)?);
    }
    options.remove_signatures = args.remove_signatures;
    let path = args.path.filter(|path| path.as_os_str() != "-");
    if path.is_none() && std::io::stdin().is_terminal() {
        return Err(Failure::Flags(TAR_FROM_TERMINAL));
    }
    let skipped = Mutex::new(Vec::new());
    let progress = |event: Event<'_>| match event {
        Event::Skipped { digest, reason } => {
            let text = format!("layerhold: skipped {digest}: {}", chain(reason));
            let mut skipped = skipped.lock().unwrap_or_else(PoisonError::into_inner);
            skipped.push(text);
            ControlFlow::Continue(())
        }
        other => call.progress.event(other),
    };
    let loaded = match path {
        Some(path) => load(call.store, &path, &options, &progress),
        None => load_stream(call.store, &mut call.streams.input, &options, &progress),
    };
    call.progress.clear();
    let loaded = loaded.map_err(|error| Failure::Load(Box::new(error)))?;
    for text in skipped.into_inner().unwrap_or_else(PoisonError::into_inner) {
        call.note(text)?;
    }
    for image in &loaded {
        warn_of_depth(call, image.id.as_str())?;
    }
    if call.is_json() {
        let images: Vec<_> = loaded
            .iter()
            .map(|image| {
                json!({
                    "id": image.id.as_str(),
                    "names": image.names,
                    "digest": image.digest.as_ref().map(|digest| digest.as_str()),
                    "layers": { "imported": image.imported, "reused": image.reused },
                })
            })
            .collect();
        return call.json(&json!(images));
    }
    for image in loaded {
        if image.names.is_empty() {
            let id = short(image.id.as_str());
            call.note(format_args!(
                "layerhold: {id} has no name: --name gives it one"
            ))?;
        }
        let name = image.names.first().cloned().unwrap_or_default();
        let new = count(image.imported, "new layer");
        let old = count(image.reused, "known layer");
        call.line(
            format_args!("{} {name} ({new}, {old})", short(image.id.as_str()))
                .to_string()
                .replace("  ", " "),
        )?;
    }
    Ok(())
}

/// Warns of an image whose containers cannot be mounted.
pub(super) fn warn_of_depth(call: &mut Call<'_, '_>, image: &str) -> Result<(), Failure> {
    let Some(limit) = call.store.driver().capabilities().max_depth else {
        return Ok(());
    };
    let snapshot = call.store.snapshot()?;
    let Some(top) = snapshot.image(image)?.top_layer().cloned() else {
        return Ok(());
    };
    let layers = snapshot.layer_chain(&top)?.len();
    if layers > limit {
        let image = short(image);
        call.note(format_args!(
            "layerhold: containers of image {image} cannot be mounted: it has {layers} layers, and the limit of the driver is {limit}; it can be saved"
        ))?;
    }
    Ok(())
}

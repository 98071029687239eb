//! `layerhold config`.

use std::path::{Path, PathBuf};

use layerhold_config::Config;
use serde_json::{Value, json};

use super::args::Format;
use crate::environment::Environment;
use crate::failure::{Failure, stream};
use crate::options::{Given, by_configuration};
use crate::streams::{Streams, escape, shown};

pub(super) fn run(
    format: Format,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let config = environment.configuration()?;
    let opening = by_configuration(config.clone(), &Given::default(), environment);
    let ignored = opening.options.ignored();
    let warnings = config.warnings.iter().map(ToString::to_string);
    let warnings: Vec<String> = warnings
        .chain(ignored.iter().map(ToString::to_string))
        .collect();
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&as_json(&config, &warnings))
                .map_err(Failure::value)?;
            streams.json(&text)
        }
        Format::Table => streams.lines(&as_text(&config)),
    }
    .map_err(stream)?;
    for warning in warnings {
        streams
            .note(format_args!("layerhold: {warning}"))
            .map_err(stream)?;
    }
    Ok(())
}

fn as_json(config: &Config, warnings: &[String]) -> Value {
    let pull: serde_json::Map<_, _> = config
        .pull_options
        .iter()
        .map(|(name, text)| (name.to_owned(), json!(text)))
        .collect();
    // JSON has no bytes, and a path may not be UTF-8.
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    json!({
        "root": text(&config.graph_root),
        "runRoot": text(&config.run_root),
        "imageStore": config.image_store.as_ref().map(text),
        "driver": config.driver,
        "driverPriority": config.driver_priority,
        "driverOptions": config.driver_options,
        "autoUserns": {
            "user": config.auto_userns.user,
            "minSize": config.auto_userns.min_size,
            "maxSize": config.auto_userns.max_size,
        },
        "pullOptions": pull,
        "disableVolatile": config.disable_volatile,
        "transientStore": config.transient_store,
        "files": config.sources.iter().map(text).collect::<Vec<_>>(),
        "warnings": warnings,
    })
}

/// The settings, a line each; unset ones are left out.
fn as_text(config: &Config) -> String {
    let path = |path: &Path| shown(path);
    let pull = config.pull_options.iter();
    let pull: Vec<String> = pull.map(|(name, text)| format!("{name}={text}")).collect();
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    let switch = |on| if on { "yes" } else { "" }.to_owned();
    let files: Vec<String> = config.sources.iter().map(|file| path(file)).collect();
    let rows = [
        ("root", vec![path(&config.graph_root)]),
        ("run root", vec![path(&config.run_root)]),
        (
            "image store",
            config
                .image_store
                .as_deref()
                .map(path)
                .into_iter()
                .collect(),
        ),
        ("driver", config.driver.iter().cloned().collect()),
        ("drivers to try", config.driver_priority.clone()),
        ("driver option", config.driver_options.clone()),
        (
            "user for namespaces",
            config.auto_userns.user.iter().cloned().collect(),
        ),
        (
            "smallest namespace",
            vec![number(config.auto_userns.min_size)],
        ),
        (
            "largest namespace",
            vec![number(config.auto_userns.max_size)],
        ),
        ("pull option", pull),
        ("no volatile mounts", vec![switch(config.disable_volatile)]),
        ("transient", vec![switch(config.transient_store)]),
        ("read from", files),
    ];
    let mut text = String::new();
    for (name, values) in rows {
        for value in values.iter().filter(|value| !value.is_empty()) {
            text.push_str(&format!("{name:<20}{}\n", escape(value)));
        }
    }
    text
}

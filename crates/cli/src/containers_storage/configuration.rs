//! `config`.

use std::collections::BTreeMap;

use layerhold_config::Config;
use serde::Serialize;

use super::call::{AloneCall, FAILED};
use super::messages;
use super::output::json_line;
use crate::failure::{Failure, stream};
use crate::options::{Given, by_configuration};

/// The options in the form and order of the Go tool (Go: `types/options.go`, `StoreOptions`).
#[derive(Serialize)]
struct Shown<'a> {
    runroot: String,
    root: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    imagestore: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<&'a str>,
    #[serde(rename = "driver-priority", skip_serializing_if = "<[_]>::is_empty")]
    driver_priority: &'a [String],
    #[serde(rename = "driver-options", skip_serializing_if = "<[_]>::is_empty")]
    driver_options: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    root_auto_ns_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_userns_min_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_userns_max_size: Option<u32>,
    /// The only field without a JSON name in Go. An empty map is null.
    #[serde(rename = "PullOptions")]
    pull_options: Option<BTreeMap<&'a str, &'a str>>,
    #[serde(rename = "disable-volatile", skip_serializing_if = "is_off")]
    disable_volatile: bool,
    #[serde(skip_serializing_if = "is_off")]
    transient_store: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_off(value: &bool) -> bool {
    !value
}

/// Prints the configuration. A file that is named is read instead of all others; the Go tool has
/// read the configuration by then, and prints that.
pub(crate) fn run(call: &mut AloneCall<'_, '_>) -> Result<u8, Failure> {
    let mut environment = call.environment.clone();
    if let Some(file) = call.operands.first() {
        let name = "CONTAINERS_STORAGE_CONF".into();
        environment.variables.insert(name, file.into());
    }
    let config = match environment.configuration() {
        Ok(config) => config,
        // For the Go tool this is a store that cannot be opened, reported on standard output.
        Err(failure) if call.operands.is_empty() => {
            let text = messages::text(failure);
            let line = format_args!("error initializing: {text}");
            call.streams.line(line).map_err(stream)?;
            return Ok(FAILED);
        }
        Err(failure) => return Err(failure),
    };
    for warning in &config.warnings {
        call.streams.note(warning).map_err(stream)?;
    }
    for ignored in by_configuration(config.clone(), &Given::default(), &environment)
        .options
        .ignored()
    {
        call.streams.note(ignored).map_err(stream)?;
    }
    json_line(call.streams, &shown(&config))
}

fn shown(config: &Config) -> Shown<'_> {
    let pull: BTreeMap<_, _> = config.pull_options.iter().collect();
    Shown {
        runroot: config.run_root.display().to_string(),
        root: config.graph_root.display().to_string(),
        imagestore: config
            .image_store
            .as_ref()
            .map(|path| path.display().to_string()),
        driver: config.driver.as_deref(),
        driver_priority: &config.driver_priority,
        driver_options: &config.driver_options,
        root_auto_ns_user: config.auto_userns.user.as_deref(),
        auto_userns_min_size: config.auto_userns.min_size,
        auto_userns_max_size: config.auto_userns.max_size,
        pull_options: Some(pull).filter(|pull| !pull.is_empty()),
        disable_volatile: config.disable_volatile,
        transient_store: config.transient_store,
    }
}

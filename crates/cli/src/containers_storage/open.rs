//! Opening the store that flags, environment and configuration name.

use layerhold::{Store, StoreOptions};
use layerhold_sys::best_effort;

use super::flags::Values;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::options::{Given, Opening, opening};
use crate::streams::Streams;
use crate::user_namespace;

/// Opens the store that the flags before the command word, all flags, environment and
/// configuration name.
pub(super) fn open(
    before: &Values,
    values: &Values,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> std::io::Result<Result<Store, Failure>> {
    let opened = opening(&given(before), &given(values), environment);
    let Opening { options, warnings } = match opened {
        Ok(opening) => opening,
        Err(failure) => return Ok(Err(failure)),
    };
    let debug = values.is_on("debug");
    for warning in warnings.iter().filter(|warning| debug || warning.is_loud()) {
        streams.note(warning)?;
    }
    if debug {
        for ignored in options.ignored() {
            streams.note(ignored)?;
        }
        debug_lines(&options, streams)?;
    }
    // In the Go tool the flag is on by default for all users but root.
    let stays = values.text("unshare") == "false";
    if !stays {
        let mut tell = |what: &str| best_effort(streams.note(what));
        if let Err(failure) = user_namespace::enter_if_needed(environment, &mut tell) {
            return Ok(Err(failure));
        }
    }
    let options = options.with_cancel(environment.interruption.cancel());
    Ok(Store::open(options).map_err(Failure::from))
}

/// Prints which store is about to be opened. The lines begin differently from those of `status`,
/// which scripts look for.
fn debug_lines(options: &StoreOptions, streams: &mut Streams<'_>) -> std::io::Result<()> {
    let driver = options.driver.as_deref().unwrap_or_default();
    let (root, run_root) = (options.graph_root.display(), options.run_root.display());
    let driver_options = options.driver_options.join(" ");
    streams.note(format_args!("debug: Root: {root}"))?;
    streams.note(format_args!("debug: Run Root: {run_root}"))?;
    streams.note(format_args!("debug: Driver Name: {driver}"))?;
    streams.note(format_args!("debug: Driver Options: [{driver_options}]"))
}

/// The flags that say which store to open. An empty text is no value, as in the Go tool.
pub(super) fn given(values: &Values) -> Given {
    let text = |flag| Some(values.text(flag).to_owned()).filter(|text| !text.is_empty());
    Given {
        graph_root: text("graph"),
        run_root: text("run"),
        image_store: text("image-store"),
        driver: text("storage-driver"),
        driver_options: values.list("storage-opt").to_vec(),
        transient: values.switch("transient-store"),
    }
}

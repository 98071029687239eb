//! Opening the store that flags, environment and configuration name.

use layerhold::{Store, StoreOptions};

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
    // To the Go tool the flag is on for everybody but root.
    let stays = values.text("unshare") == "false";
    if !stays {
        // A line that cannot be written changes nothing.
        let mut tell = |what: &str| drop(streams.note(what));
        if let Err(failure) = user_namespace::enter_if_needed(environment, &mut tell) {
            return Ok(Err(failure));
        }
    }
    let options = options.with_cancel(environment.interruption.cancel());
    Ok(Store::open(options).map_err(Failure::from))
}

/// Says which store is about to be opened, on lines that do not begin as those of `status` do,
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

/// The flags that say which store is meant. An empty text is none, as in the Go tool.
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

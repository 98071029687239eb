//! `mount`, `unmount`, `mounted`.

use layerhold::{ErrorKind, MountError, MountRequest, StillMounted, Store, Unmounting};
use serde::Serialize;

use super::call::Call;
use super::messages::about;
use super::output::{code, json, line, note};
use crate::failure::Failure;

#[derive(Serialize)]
struct Mounted {
    id: String,
    mountpoint: String,
    error: String,
}

#[derive(Serialize)]
struct Outcome {
    id: String,
    error: String,
}

pub(crate) fn mount(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let mut request = MountRequest::new().label(call.flags.text("label"));
    for option in call.flags.text("opt").split(',').filter(|o| !o.is_empty()) {
        request = request.option(option);
    }
    if call.flags.is_on("debug") {
        for ignored in call.store.ignored_mount_options(&request) {
            note(call, ignored)?;
        }
    }
    let mut results = Vec::new();
    for operand in call.operands {
        let result = if call.flags.is_on("read-only") {
            call.store.mount_image(operand, &request)
        } else {
            call.store.mount(operand, &request)
        };
        let (mountpoint, error) = match result {
            Ok(path) => (path.display().to_string(), String::new()),
            Err(error) => (String::new(), about(operand, error)),
        };
        results.push(Mounted {
            id: operand.clone(),
            mountpoint,
            error,
        });
    }
    let failed = results.iter().any(|result| !result.error.is_empty());
    if call.flags.is_on("json") {
        json(call, &results)?;
        return Ok(code(failed));
    }
    for result in &results {
        if !result.error.is_empty() {
            note(
                call,
                format_args!("{} while mounting {}", result.error, result.id),
            )?;
        }
        line(call, &result.mountpoint)?;
    }
    Ok(code(failed))
}

pub(crate) fn unmount(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let how = if call.flags.is_on("force") {
        Unmounting::Force
    } else {
        Unmounting::Once
    };
    let as_json = call.flags.is_on("json");
    let mut outcomes = Vec::new();
    for operand in call.operands {
        let (unmounted, error) = match unmount_one(call.store, operand, how) {
            Ok(unmounted) => (unmounted, String::new()),
            Err(failure) => (false, about(operand, failure)),
        };
        if unmounted && !as_json {
            line(call, format_args!("{operand} mountpoint unmounted"))?;
        }
        outcomes.push(Outcome {
            id: operand.clone(),
            error,
        });
    }
    report(call, &outcomes, |outcome| {
        format!("{} while unmounting {}", outcome.error, outcome.id)
    })
}

/// Unmounts one item and returns whether its mount is gone.
///
/// An item that is not mounted counts as unmounted, as in the Go tool: scripts unmount once too
/// often rather than leave something mounted. An image is mounted as its top layer, and the Go tool
/// prints nothing about it.
fn unmount_one(store: &Store, operand: &str, how: Unmounting) -> Result<bool, MountError> {
    match store.unmount(operand, how) {
        Ok(still_mounted) => Ok(still_mounted == StillMounted::No),
        Err(MountError::NotMounted { .. }) => Ok(true),
        Err(error) if error.kind() == Some(ErrorKind::LayerUnknown) => {
            match store.unmount_image(operand, how) {
                Ok(_) | Err(MountError::NotMounted { .. }) => Ok(false),
                Err(_) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn mounted(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let as_json = call.flags.is_on("json");
    let mut outcomes = Vec::new();
    for operand in call.operands {
        let mut error = String::new();
        match call.store.mounted(operand) {
            Ok(count) => {
                if count > 0 && !as_json {
                    line(call, format_args!("{operand} mounted"))?;
                }
            }
            Err(failure) => error = about(operand, failure),
        }
        outcomes.push(Outcome {
            id: operand.clone(),
            error,
        });
    }
    report(call, &outcomes, |outcome| {
        format!("{} checking if {} is mounted", outcome.error, outcome.id)
    })
}

/// Prints the outcome: all of it as JSON, or a line for each failure.
fn report(
    call: &mut Call<'_, '_>,
    outcomes: &[Outcome],
    words: fn(&Outcome) -> String,
) -> Result<u8, Failure> {
    let failed = outcomes.iter().any(|outcome| !outcome.error.is_empty());
    if call.flags.is_on("json") {
        json(call, &outcomes)?;
        return Ok(code(failed));
    }
    for outcome in outcomes {
        if !outcome.error.is_empty() {
            note(call, words(outcome))?;
        }
    }
    Ok(code(failed))
}

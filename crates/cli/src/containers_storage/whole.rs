//! Commands about the store as a whole.

use layerhold::{DeleteMode, Shutdown};

use super::call::Call;
use super::output::{json, note};
use crate::failure::Failure;

/// What commands without a result print as JSON.
const NOTHING: &str = "";

fn done(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    if call.flags.is_on("json") {
        return json(call, &NOTHING);
    }
    Ok(0)
}

fn rows(call: &mut Call<'_, '_>, rows: &[(String, String)]) -> Result<u8, Failure> {
    if call.flags.is_on("json") {
        return json(call, &rows);
    }
    // The Go tool prints these to standard error, and scripts read them there.
    for (key, value) in rows {
        note(call, format_args!("{key}: {value}"))?;
    }
    Ok(0)
}

pub(crate) fn status(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let store = call.store;
    let options = format!("[{}]", store.driver_options().join(" "));
    let mut status = vec![
        ("Root".to_owned(), store.graph_root().display().to_string()),
        (
            "Run Root".to_owned(),
            store.run_root().display().to_string(),
        ),
        ("Driver Name".to_owned(), store.driver_name().to_owned()),
        ("Driver Options".to_owned(), options),
    ];
    status.extend(store.status());
    rows(call, &status)
}

pub(crate) fn version(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let version = call.store.version();
    rows(call, &version)
}

pub(crate) fn wipe(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    call.store.wipe()?;
    done(call)
}

pub(crate) fn gc(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    call.store.garbage_collect(DeleteMode::Delete)?;
    done(call)
}

pub(crate) fn shutdown(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let how = if call.flags.is_on("force") {
        Shutdown::Force
    } else {
        Shutdown::Refuse
    };
    call.store.shutdown(how)?;
    done(call)
}

//! `layerhold mount` and `unmount`.

use layerhold::{Item, MountRequest, StillMounted, Unmounting};
use serde_json::json;

use super::args::{Mount, Unmount};
use super::call::Call;
use super::find::find;
use super::mount_command;
use super::table::{Align, lay_out};
use super::units::short;
use crate::environment::Environment;
use crate::failure::{Failure, stream};
use crate::streams::shown;
use crate::user_namespace::Entered;

/// Why an ordinary user's overlay mounts are refused: they belong to the mount namespace of this
/// process and would end with it, while the store still counts them.
const GONE_AT_ONCE: &str = "what an ordinary user mounts is gone when the command ends: give `-- COMMAND`, or run it, and \
                            what needs the mount, in `containers-storage unshare`";

pub(super) fn mount(
    call: &mut Call<'_, '_>,
    args: &Mount,
    environment: &Environment,
) -> Result<u8, Failure> {
    if args.items.is_empty() && args.command.is_empty() {
        return list(call).map(|()| 0);
    }
    let mut request = MountRequest::new();
    for option in &args.option {
        request = request.option(option);
    }
    for ignored in call.store.ignored_mount_options(&request) {
        call.note(format_args!("layerhold: {ignored}"))?;
    }
    if !args.command.is_empty() {
        return mount_command::run(call, args, &request, environment);
    }
    if call.entered == Entered::Now && call.store.driver_name() == "overlay" {
        return Err(Failure::Flags(GONE_AT_ONCE));
    }
    mount_all(call, args, &request).map(|()| 0)
}

fn mount_all(call: &mut Call<'_, '_>, args: &Mount, request: &MountRequest) -> Result<(), Failure> {
    let snapshot = call.store.snapshot()?;
    let mut failed = false;
    let mut mounted = Vec::new();
    for text in &args.items {
        let result = match find(&snapshot, text) {
            Ok(Item::Image(image)) => call.store.mount_image(image.id(), request),
            Ok(item) => call.store.mount(item.id(), request),
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(path) if call.is_json() => {
                mounted.push(json!({ "item": text, "path": path.to_string_lossy() }));
            }
            Ok(path) => call.line(path.display())?,
            Err(error) => {
                failed = true;
                call.complain(text, error)?;
            }
        }
    }
    if call.is_json() {
        call.json(&json!(mounted))?;
    }
    if failed {
        Err(Failure::Reported)
    } else {
        Ok(())
    }
}

fn list(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let mounts = call.store.mounts()?;
    if call.is_json() {
        let items: Vec<_> = mounts
            .iter()
            .map(|mount| {
                json!({
                    "layer": mount.layer.as_str(),
                    "path": mount.path.to_string_lossy(),
                    "count": mount.count,
                })
            })
            .collect();
        return call.json(&json!(items));
    }
    let rows: Vec<Vec<String>> = mounts
        .iter()
        .map(|mount| {
            vec![
                short(mount.layer.as_str()).to_owned(),
                mount.count.to_string(),
                shown(&mount.path),
            ]
        })
        .collect();
    let columns = [
        ("LAYER", Align::Left),
        ("COUNT", Align::Right),
        ("PATH", Align::Left),
    ];
    let text = lay_out(&columns, &rows);
    call.streams.lines(&text).map_err(stream)
}

pub(super) fn unmount(call: &mut Call<'_, '_>, args: &Unmount) -> Result<(), Failure> {
    let how = if args.force {
        Unmounting::Force
    } else {
        Unmounting::Once
    };
    let snapshot = call.store.snapshot()?;
    let mut failed = false;
    let mut done = Vec::new();
    for text in &args.items {
        let result = match find(&snapshot, text) {
            Ok(Item::Image(image)) => call.store.unmount_image(image.id(), how),
            Ok(item) => call.store.unmount(item.id(), how),
            // An operand that is not an item may be a mount point.
            Err(_) => call.store.unmount(text, how),
        };
        match result {
            Ok(still) if call.is_json() => {
                done.push(json!({ "item": text, "mounted": still == StillMounted::Yes }));
            }
            Ok(StillMounted::Yes) => call.note(format_args!("{text} is still mounted"))?,
            Ok(StillMounted::No) => {}
            Err(error) => {
                failed = true;
                call.complain(text, error)?;
            }
        }
    }
    if call.is_json() {
        call.json(&json!(done))?;
    }
    if failed {
        Err(Failure::Reported)
    } else {
        Ok(())
    }
}

//! Which options a mount has.

use layerhold_driver::{MountDurability, MountOptions, Privilege};

use crate::context::Context;

/// Changes of metadata copy no contents. Overlayfs must be given it too to follow such changes that
/// were made before.
const METACOPY: &str = "metacopy=on";
const VOLATILE: &str = "volatile";
const READ_ONLY: &str = "ro";

/// The options of a mount (Go: drivers/overlay/overlay.go, `get`): those of the request, else the
/// configured ones.
pub(crate) fn mount_options(context: &Context, request: &MountOptions) -> Vec<String> {
    complete(context, wanted(context, request), request.durability)
}

/// The options that are left out, because neither kernel nor mount program supports them.
pub(crate) fn ignored_options(context: &Context, request: &MountOptions) -> Vec<String> {
    let mut options = wanted(context, request);
    options.retain(|option| option == METACOPY);
    if options.is_empty() || context.uses_metacopy() {
        return Vec::new();
    }
    options
}

fn wanted(context: &Context, request: &MountOptions) -> Vec<String> {
    let configured = &context.options.mount_options;
    let is_configured = configured.iter().any(|option| option == METACOPY);
    let mut options = request.options.clone();
    if options.is_empty() {
        options.clone_from(configured);
    } else if is_configured {
        push(&mut options, METACOPY);
    }
    options
}

/// The options of the mount through which owners are rewritten.
pub(crate) fn remap_options(context: &Context) -> Vec<String> {
    let mut options = context.options.mount_options.clone();
    options.retain(|option| option != READ_ONLY);
    // What is written here is flushed with the rest of the layer, or the layer never exists.
    complete(context, options, MountDurability::Volatile)
}

fn complete(
    context: &Context,
    mut options: Vec<String>,
    durability: MountDurability,
) -> Vec<String> {
    if options.iter().any(|option| option == METACOPY) && !context.uses_metacopy() {
        options.retain(|option| option != METACOPY);
    }
    if context.mount_program.is_none() && context.privilege == Privilege::UserNamespace {
        push(&mut options, "userxattr");
    }
    // A kernel that cannot leave out syncing syncs.
    if durability == MountDurability::Volatile && context.has_volatile() {
        push(&mut options, VOLATILE);
    }
    options
}

fn push(options: &mut Vec<String>, option: &str) {
    if !options.iter().any(|known| known == option) {
        options.push(option.to_owned());
    }
}

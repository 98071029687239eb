//! The options of a mount.

use layerhold_driver::{MountDurability, MountOptions, Privilege};

use crate::core::Core;

/// Changes of metadata copy no contents. Overlayfs must be given it too to follow such changes that
/// were made before.
const METACOPY: &str = "metacopy=on";
const VOLATILE: &str = "volatile";
const READ_ONLY: &str = "ro";

/// The options of a mount (Go: drivers/overlay/overlay.go, `get`): those of the request, else the
/// configured ones.
pub(crate) fn mount_options(core: &Core, request: &MountOptions) -> Vec<String> {
    complete(core, wanted(core, request), request.durability)
}

/// The options that are left out, because neither kernel nor mount program supports them.
pub(crate) fn ignored(core: &Core, request: &MountOptions) -> Vec<String> {
    let mut options = wanted(core, request);
    options.retain(|option| option == METACOPY);
    if options.is_empty() || core.uses_metacopy() {
        return Vec::new();
    }
    options
}

fn wanted(core: &Core, request: &MountOptions) -> Vec<String> {
    let configured = &core.options.mount_options;
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
pub(crate) fn remap_options(core: &Core) -> Vec<String> {
    let mut options = core.options.mount_options.clone();
    options.retain(|option| option != READ_ONLY);
    // What is written here is flushed with the rest of the layer, or the layer never exists.
    complete(core, options, MountDurability::Volatile)
}

fn complete(core: &Core, mut options: Vec<String>, durability: MountDurability) -> Vec<String> {
    if options.iter().any(|option| option == METACOPY) && !core.uses_metacopy() {
        options.retain(|option| option != METACOPY);
    }
    if core.mount_program.is_none() && core.privilege == Privilege::UserNamespace {
        push(&mut options, "userxattr");
    }
    // A kernel that cannot leave out syncing syncs.
    if durability == MountDurability::Volatile && core.has_volatile() {
        push(&mut options, VOLATILE);
    }
    options
}

fn push(options: &mut Vec<String>, option: &str) {
    if !options.iter().any(|known| known == option) {
        options.push(option.to_owned());
    }
}

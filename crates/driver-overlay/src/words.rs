//! The options of a mount.

use layerhold_driver::{MountDurability, MountOptions, Privilege};

use crate::core::Core;

/// Changes of metadata without copies, which overlayfs also has to be told to follow those made
/// before.
const METACOPY: &str = "metacopy=on";
const VOLATILE: &str = "volatile";
const READ_ONLY: &str = "ro";

/// The words for a mount (Go: drivers/overlay/overlay.go, `get`): those of the call, else the
/// configured ones.
pub(crate) fn mount_words(core: &Core, options: &MountOptions) -> Vec<String> {
    complete(core, wanted(core, options), options.durability)
}

/// Those that are left out because the kernel, or the mount program, cannot do what they ask for.
pub(crate) fn ignored(core: &Core, options: &MountOptions) -> Vec<String> {
    let mut words = wanted(core, options);
    words.retain(|word| word == METACOPY);
    if words.is_empty() || core.uses_metacopy() {
        return Vec::new();
    }
    words
}

fn wanted(core: &Core, options: &MountOptions) -> Vec<String> {
    let configured = &core.options.mount_options;
    let is_configured = configured.iter().any(|word| word == METACOPY);
    let mut words = options.options.clone();
    if words.is_empty() {
        words.clone_from(configured);
    } else if is_configured {
        push(&mut words, METACOPY);
    }
    words
}

/// The words for a mount of the driver's own, on which owners are rewritten.
pub(crate) fn internal_words(core: &Core) -> Vec<String> {
    let mut words = core.options.mount_options.clone();
    words.retain(|word| word != READ_ONLY);
    // What is written here is flushed with the rest of the layer, or the layer never exists.
    complete(core, words, MountDurability::Volatile)
}

fn complete(core: &Core, mut words: Vec<String>, durability: MountDurability) -> Vec<String> {
    if words.iter().any(|word| word == METACOPY) && !core.uses_metacopy() {
        words.retain(|word| word != METACOPY);
    }
    if core.mount_program.is_none() && core.privilege == Privilege::UserNamespace {
        push(&mut words, "userxattr");
    }
    // Where the kernel cannot leave out syncing, it syncs.
    if durability == MountDurability::Volatile && core.has_volatile() {
        push(&mut words, VOLATILE);
    }
    words
}

fn push(words: &mut Vec<String>, word: &str) {
    if !words.iter().any(|known| known == word) {
        words.push(word.to_owned());
    }
}

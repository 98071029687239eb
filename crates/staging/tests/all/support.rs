use std::path::Path;

use layerhold_sys::Dir;

/// A directory with a store of two trees and a file in it.
pub(crate) fn store(base: &Path) -> Dir {
    let store = Dir::open_ambient(base)
        .unwrap()
        .ensure_dir("store", 0o700)
        .unwrap();
    for layer in ["first", "second"] {
        let dir = store.ensure_dir(layer, 0o755).unwrap();
        drop(dir.create_file("content", 0o600).unwrap());
        drop(dir.ensure_dir("sub", 0o755).unwrap());
    }
    drop(store.create_file("file", 0o600).unwrap());
    store
}

pub(crate) fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

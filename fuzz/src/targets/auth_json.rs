//! Files of credentials for registries:
//!
//! - No content makes looking up or changing panic, and no change makes a file unreadable.
//! - What is set is found, and what is removed is gone.
//! - A change changes nothing about other keys; setting and removing leaves the rest of the file.

use layerhold_registry_auth::{AuthFile, Credentials, EditError, FileFormat, Found, RegistryKey};
use serde_json::Value;

/// Checks one input: a key and a file, separated by NUL.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (key, bytes) = (parts.next(), parts.next().unwrap_or_default());
    let key = key.and_then(|key| std::str::from_utf8(key).ok()?.parse().ok());
    let key: RegistryKey = key.unwrap_or_else(|| "a/b".parse().expect("it is a key"));
    for format in [
        FileFormat::Containers,
        FileFormat::Docker,
        FileFormat::DockerLegacy,
    ] {
        if let Ok(file) = AuthFile::parse(bytes, format) {
            check(&file, &key, format);
        }
    }
}

fn check(before: &AuthFile, key: &RegistryKey, format: FileFormat) {
    assert!(!format!("{before:?}").is_empty());
    for key in before.keys() {
        drop(before.find(&key));
    }
    let credentials = Credentials::password("user", "password");
    let mut after = before.clone();
    match after.set(key, &credentials) {
        Ok(()) => {}
        Err(EditError::Legacy | EditError::Namespaced) => {
            assert_eq!(after.as_bytes(), before.as_bytes());
            return;
        }
        Err(error) => panic!("{error}"),
    }
    // docker.io has several names, so entries under one of them hide others.
    let is_hidden = format == FileFormat::Docker && key.registry().ends_with("docker.io");
    match after.find(key) {
        Ok(Found::Credentials(found)) => assert!(is_hidden || found == credentials),
        Ok(Found::Helper(_)) | Err(_) => {}
        Ok(other) => assert!(is_hidden, "{other:?}"),
    }
    for other in before.keys() {
        let is_below = format!("{other}/").starts_with(&format!("{key}/"));
        if !is_below && !other.registry().ends_with("docker.io") {
            assert_eq!(before.find(&other), after.find(&other), "{other}");
        }
    }
    let had_one = before.clone().remove(key).expect("it was set");
    assert!(after.remove(key).expect("it was set"));
    assert!(!after.remove(key).expect("it was set"));
    let values = [before, &after].map(|file| serde_json::from_slice::<Value>(file.as_bytes()));
    if let [Ok(before), Ok(after)] = values {
        let auths = before.get("auths").and_then(Value::as_object);
        let has_others = auths.is_some_and(|auths| !auths.is_empty());
        assert!(had_one || !has_others || before == after);
    }
}

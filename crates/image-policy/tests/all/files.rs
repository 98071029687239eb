//! Where a policy is read from.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use layerhold_environment::{ConfigFiles, Environment, Listed};
use layerhold_image_policy::{LoadError, Policy, load};

const USER: &str = "/home/u/.config/containers/policy.json";
const SYSTEM: &str = "/etc/containers/policy.json";
const REJECT: &str = r#"{"default":[{"type":"reject"}]}"#;
const ACCEPT: &str = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;

/// Files by path. A file without contents cannot be read.
#[derive(Debug, Default)]
struct Memory(BTreeMap<PathBuf, Option<&'static str>>);

impl ConfigFiles for Memory {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match self.0.get(path) {
            None => Ok(None),
            Some(None) => Err(io::ErrorKind::PermissionDenied.into()),
            Some(Some(text)) => Ok(Some(text.as_bytes().to_vec())),
        }
    }

    fn list(&self, _: &Path) -> io::Result<Option<Vec<Listed>>> {
        Ok(None)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }

    fn is_private_directory(&self, _: &Path, _: u32) -> bool {
        false
    }

    fn make_private_directory(&self, _: &Path) {}
}

fn loaded(files: &[(&str, Option<&'static str>)]) -> Result<Policy, LoadError> {
    let files = files.iter().map(|(path, text)| (path.into(), *text));
    let environment = Environment::new(1000).with("HOME", "/home/u");
    load(&environment, &Memory(files.collect()))
}

#[test]
fn the_policy_of_the_user_comes_first() {
    let both = loaded(&[(USER, Some(REJECT)), (SYSTEM, Some(ACCEPT))]);
    assert_eq!(both.unwrap(), Policy::reject());
    let system = loaded(&[(SYSTEM, Some(ACCEPT))]);
    assert_eq!(system.unwrap(), Policy::insecure_accept_anything());
}

#[test]
fn without_a_policy_there_is_no_default() {
    let error = loaded(&[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot find a policy for images: none of /home/u/.config/containers/policy.json, \
         /etc/containers/policy.json exists"
    );
}

#[test]
fn a_policy_that_cannot_be_used_is_not_skipped() {
    let error = loaded(&[(USER, None), (SYSTEM, Some(ACCEPT))]).unwrap_err();
    assert!(matches!(error, LoadError::Read { path, .. } if path == Path::new(USER)));
    let error = loaded(&[(USER, Some("{}")), (SYSTEM, Some(ACCEPT))]).unwrap_err();
    assert!(matches!(error, LoadError::Policy { path, .. } if path == Path::new(USER)));
}

#[test]
fn a_named_policy_has_to_exist() {
    let files = Memory(BTreeMap::from([("/p".into(), Some(REJECT))]));
    let policy = Policy::read(Path::new("/p"), &files).unwrap();
    assert_eq!(policy, Policy::reject());
    let error = Policy::read(Path::new("/q"), &files).unwrap_err();
    let LoadError::Missing { candidates } = error else {
        panic!("{error:?}");
    };
    assert_eq!(candidates, [Path::new("/q")]);
}

//! The files of this host.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use layerhold_environment::{ConfigFiles, Environment, HostFiles};
use layerhold_testkit::scratch;

#[test]
fn the_home_is_that_of_the_variable_or_of_the_file_of_users() {
    let root = Environment::new(0);
    assert_eq!(root.home(&HostFiles).unwrap(), Some("/root".into()));
    // Root in a user namespace has the home of the user outside, as in Go.
    let stranger = root.with("_CONTAINERS_ROOTLESS_UID", "4294967294");
    assert_eq!(stranger.home(&HostFiles).unwrap(), None);
    let home = stranger
        .with("HOME", "h")
        .in_directory("/w")
        .home(&HostFiles);
    assert_eq!(home.unwrap(), Some("/w/h".into()));
}

#[test]
fn links_are_resolved_where_they_can_be() {
    let dir = scratch();
    let real = fs::canonicalize(dir.path()).unwrap();
    symlink(".", real.join("link")).unwrap();
    let resolved = HostFiles.resolve(&real.join("link/link")).unwrap();
    assert_eq!(resolved, real);
    let missing = HostFiles.resolve(&real.join("nosuch")).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

#[test]
fn absence_and_failure_are_told_apart() {
    let dir = scratch();
    assert_eq!(HostFiles.read(&dir.path().join("nosuch")).unwrap(), None);
    assert_eq!(HostFiles.list(&dir.path().join("nosuch")).unwrap(), None);
    fs::write(dir.path().join("file"), "x").unwrap();
    assert!(HostFiles.list(&dir.path().join("file")).is_err());
    assert!(HostFiles.read(dir.path()).is_err());
    let listed = HostFiles.list(dir.path()).unwrap().unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].is_file);
    // Never blocks on a writer, and never fills the memory.
    let endless = HostFiles.read(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(endless.kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn private_directories_are_our_own() {
    let dir = scratch();
    let own = dir.path().join("own");
    let user = fs::metadata(dir.path()).unwrap().uid();
    assert!(!HostFiles.is_private_directory(&own, user));
    HostFiles.make_private_directory(&own);
    assert!(HostFiles.is_private_directory(&own, user));
    assert!(!HostFiles.is_private_directory(&own, user + 1));
    fs::set_permissions(&own, fs::Permissions::from_mode(0o722)).unwrap();
    assert!(!HostFiles.is_private_directory(&own, user));
    HostFiles.make_private_directory(&own);
    assert!(
        !HostFiles.is_private_directory(&own, user),
        "what is there is left as it is"
    );
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(HostFiles.is_private_directory(&own, user));
    symlink("own", dir.path().join("link")).unwrap();
    assert!(!HostFiles.is_private_directory(&dir.path().join("link"), user));
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(!HostFiles.is_private_directory(&dir.path().join("file"), user));
}

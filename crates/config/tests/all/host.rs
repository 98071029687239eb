//! The filesystem of this host.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use layerhold_config::{ConfigDirs, ConfigFiles, Environment, HostFiles, load_from};
use layerhold_testkit::scratch;

#[test]
fn files_are_found_read_and_merged() {
    let dir = scratch();
    let root = dir.path();
    let etc = root.join("etc/containers");
    fs::create_dir_all(etc.join("storage.conf.d")).unwrap();
    fs::write(etc.join("storage.conf"), "[storage]\ndriver = 'a'\n").unwrap();
    fs::write(
        etc.join("storage.conf.d/1.conf"),
        "[storage]\ndriver = 'b'\n",
    )
    .unwrap();
    symlink("1.conf", etc.join("storage.conf.d/2.conf")).unwrap();
    let environment = Environment::new(0).with("HOME", root.join("home").to_str().unwrap());
    let config = load_from(&ConfigDirs::below(root), &environment, &HostFiles).unwrap();
    assert_eq!(config.driver.as_deref(), Some("b"));
    assert_eq!(config.sources.len(), 2);
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn a_home_that_is_a_file_holds_nothing() {
    let dir = scratch();
    let environment = Environment::new(0).with("HOME", "/dev/null");
    let config = load_from(&ConfigDirs::below(dir.path()), &environment, &HostFiles).unwrap();
    assert!(config.sources.is_empty());
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

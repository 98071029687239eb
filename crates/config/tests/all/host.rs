//! Files of this host.

use std::fs;
use std::os::unix::fs::symlink;

use layerhold_config::{ConfigDirs, Environment, HostFiles, load_from};
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

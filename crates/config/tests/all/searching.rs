//! Configuration files and their order.

use std::path::{Path, PathBuf};

use layerhold_config::{ConfigDirs, ConfigError, Environment, Warning, load, load_from};

use crate::memory::{Memory, root, user};

const VENDOR: &str = "/usr/share/containers/storage.conf";
const ADMIN: &str = "/etc/containers/storage.conf";

fn driver(name: &str) -> String {
    format!("[storage]\ndriver = {name:?}\n")
}

#[track_caller]
fn check(files: &Memory, environment: &Environment, expected: &[&str]) {
    let config = load(environment, files).unwrap();
    let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
    assert_eq!(config.sources, expected);
}

#[test]
fn the_first_main_file_is_the_only_one() {
    let mut files = Memory::default();
    check(&files, &root(), &[]);
    files = files.file(VENDOR, &driver("vendor"));
    check(&files, &root(), &[VENDOR]);
    files = files.file(ADMIN, "");
    check(&files, &root(), &[ADMIN]);
    assert_eq!(files.load().unwrap().driver, None);
    // Root has one too.
    let own = "/root/.config/containers/storage.conf";
    files = files.file(own, &driver("own"));
    check(&files, &root(), &[own]);
    check(&files, &user(), &[ADMIN]);
}

#[test]
fn the_users_directory_is_where_variables_say() {
    let files = Memory::default()
        .file("/x/containers/storage.conf", "")
        .file("/home/u/.config/containers/storage.conf", "")
        .file("/from/passwd/.config/containers/storage.conf", "")
        .file("/here/x/containers/storage.conf", "")
        .file("/etc/passwd", "u:x:1000:1000::/from/passwd:/bin/sh\n");
    check(
        &files,
        &user().with("XDG_CONFIG_HOME", "/x"),
        &["/x/containers/storage.conf"],
    );
    let home = "/home/u/.config/containers/storage.conf";
    check(&files, &user(), &[home]);
    // An empty value does not mean the working directory.
    check(&files, &user().with("XDG_CONFIG_HOME", ""), &[home]);
    let relative = user().with("XDG_CONFIG_HOME", "x").in_directory("/here");
    check(&files, &relative, &["/here/x/containers/storage.conf"]);
    let nameless = Environment::new(1000).with("XDG_RUNTIME_DIR", "");
    check(
        &files,
        &nameless,
        &["/from/passwd/.config/containers/storage.conf"],
    );
}

#[test]
fn drop_ins_come_in_the_order_of_their_names() {
    let files = Memory::default()
        .file(ADMIN, "")
        .file("/usr/share/containers/storage.conf.d/20-b.conf", "")
        .file("/usr/share/containers/storage.conf.d/30-same.conf", "")
        .file("/etc/containers/storage.conf.d/30-same.conf", "")
        .file("/etc/containers/storage.conf.d/no.conf.bak", "broken")
        .file("/etc/containers/storage.rootful.conf.d/10-a.conf", "")
        .file("/etc/containers/storage.rootless.conf.d/15-r.conf", "")
        .file("/etc/containers/storage.rootless.conf.d/1000/16-u.conf", "")
        .file("/etc/containers/storage.rootless.conf.d/1001/17-o.conf", "")
        .file("/root/.config/containers/storage.conf.d/40-own.conf", "");
    let shared = [
        "/usr/share/containers/storage.conf.d/20-b.conf",
        "/etc/containers/storage.conf.d/30-same.conf",
    ];
    let rootful = "/etc/containers/storage.rootful.conf.d/10-a.conf";
    let own = "/root/.config/containers/storage.conf.d/40-own.conf";
    check(
        &files,
        &root(),
        &[ADMIN, rootful, shared[0], shared[1], own],
    );
    let rootless = [
        "/etc/containers/storage.rootless.conf.d/15-r.conf",
        "/etc/containers/storage.rootless.conf.d/1000/16-u.conf",
    ];
    check(
        &files,
        &user(),
        &[ADMIN, rootless[0], rootless[1], shared[0], shared[1]],
    );
    // In our own user namespace, the owner outside counts.
    let inside = root()
        .with("HOME", "/home/u")
        .with("_CONTAINERS_ROOTLESS_UID", "1000");
    check(
        &files,
        &inside,
        &[ADMIN, rootless[0], rootless[1], shared[0], shared[1]],
    );
}

#[test]
fn later_files_override_key_by_key() {
    let files = Memory::default()
        .file(
            VENDOR,
            "[storage]\ndriver = 'a'\nrunroot = '/r'\n[storage.options.overlay]\nsize = '1'\nsync = 'none'\n\
             [storage.options.pull_options]\na = '1'\nb = '2'\n",
        )
        .file(
            "/etc/containers/storage.conf.d/x.conf",
            "[storage]\ndriver = 'b'\n[storage.options.overlay]\nsize = ''\nsync = 'filesystem'\n\
             [storage.options.pull_options]\nb = '3'\n",
        );
    let config = files.load().unwrap();
    assert_eq!(config.driver.as_deref(), Some("b"));
    assert_eq!(config.run_root, Path::new("/r"));
    assert_eq!(config.driver_options, ["overlay.sync=filesystem"]);
    let pull: Vec<_> = config.pull_options.iter().collect();
    assert_eq!(pull, [("a", "1"), ("b", "3")]);
}

#[test]
fn a_variable_names_the_only_file_and_another_the_last_one() {
    let files = Memory::default()
        .file(ADMIN, "broken")
        .file("/etc/containers/storage.conf.d/x.conf", "broken")
        .file("/only", &driver("only"))
        .file("/here/last", "[storage]\nrunroot = '/r'\n");
    let only = root().with("CONTAINERS_STORAGE_CONF", "/only");
    check(&files, &only, &["/only"]);
    let both = only
        .with("CONTAINERS_STORAGE_CONF_OVERRIDE", "last")
        .in_directory("/here");
    check(&files, &both, &["/only", "/here/last"]);
    let config = load(&both, &files).unwrap();
    assert_eq!(config.driver.as_deref(), Some("only"));
    assert_eq!(config.run_root, Path::new("/r"));

    let sound = Memory::default()
        .file(VENDOR, &driver("a"))
        .file("/last", &driver("b"));
    let last = root().with("CONTAINERS_STORAGE_CONF_OVERRIDE", "/last");
    check(&sound, &last, &[VENDOR, "/last"]);
    assert_eq!(load(&last, &sound).unwrap().driver.as_deref(), Some("b"));
}

#[test]
fn a_file_that_a_variable_names_has_to_be_there() {
    for name in [
        "CONTAINERS_STORAGE_CONF",
        "CONTAINERS_STORAGE_CONF_OVERRIDE",
    ] {
        let environment = root().with(name, "/nosuch");
        let error = load(&environment, &Memory::default()).unwrap_err();
        assert!(
            matches!(&error, ConfigError::Missing { variable, path } if *variable == name && path == Path::new("/nosuch")),
            "{error:?}"
        );
        check(&Memory::default(), &root().with(name, ""), &[]);
    }
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for path in [ADMIN, "/etc/containers/storage.conf.d"] {
        let error = Memory::default().unreadable(path).load().unwrap_err();
        assert!(
            matches!(&error, ConfigError::Read { path: found, .. } if found == Path::new(path)),
            "{error:?}"
        );
    }
}

#[test]
fn drop_ins_that_are_links_are_pointed_out() {
    let link = "/etc/containers/storage.conf.d/x.conf";
    let config = Memory::default().link(link, "/broken").load().unwrap();
    assert_eq!(
        config.warnings,
        [Warning::DropInNotAFile { path: link.into() }]
    );
    assert_eq!(config.sources, Vec::<PathBuf>::new());
}

#[test]
fn another_system_can_be_looked_at() {
    let files = Memory::default()
        .file("/image/usr/share/containers/storage.conf", &driver("a"))
        .file(ADMIN, "broken");
    let places = ConfigDirs::below("/image");
    let config = load_from(&places, &root(), &files).unwrap();
    assert_eq!(config.driver.as_deref(), Some("a"));
}

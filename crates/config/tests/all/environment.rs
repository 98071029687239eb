//! Environment variables, and roots.

use std::path::Path;

use layerhold_config::{Config, ConfigError, Environment, Warning, load};

use crate::memory::{Memory, conf, root, user};

const CONF: &str = "/etc/containers/storage.conf";

fn with(text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    load(
        environment,
        &Memory::default().file(CONF, text).private("/run/user/1000"),
    )
}

#[track_caller]
fn check(text: &str, environment: &Environment, graph: &str, run: &str) {
    let config = with(text, environment).unwrap();
    assert_eq!(config.graph_root, Path::new(graph));
    assert_eq!(config.run_root, Path::new(run));
}

#[test]
fn root_has_the_places_of_the_system() {
    check(
        "",
        &root(),
        "/var/lib/containers/storage",
        "/run/containers/storage",
    );
    check(
        "",
        &Environment::new(0),
        "/var/lib/containers/storage",
        "/run/containers/storage",
    );
    let nested = user().with("_CONTAINERS_ROOTLESS_UID", "0");
    check(
        "",
        &nested,
        "/var/lib/containers/storage",
        "/run/containers/storage",
    );
}

#[test]
fn others_have_places_of_their_own() {
    let graph = "/home/u/.local/share/containers/storage";
    check("", &user(), graph, "/run/user/1000/containers");
    check(
        "",
        &user().with("XDG_DATA_HOME", "/d"),
        "/d/containers/storage",
        "/run/user/1000/containers",
    );
    let inside = root()
        .with("HOME", "/home/u")
        .with("_CONTAINERS_ROOTLESS_UID", "1000");
    check("", &inside, graph, "/run/user/1000/containers");
}

#[test]
fn run_roots_of_others_are_private() {
    let made = Memory::default();
    let config = load(&user(), &made).unwrap();
    assert_eq!(
        config.run_root,
        Path::new("/tmp/storage-run-1000/containers")
    );
    let elsewhere = user().with("TMPDIR", "/scratch");
    let config = load(&elsewhere, &made).unwrap();
    assert_eq!(
        config.run_root,
        Path::new("/scratch/storage-run-1000/containers")
    );

    let taken = Memory::default().forbidden("/tmp/storage-run-1000");
    let error = load(&user(), &taken).unwrap_err();
    assert!(
        matches!(&error, ConfigError::NoRuntimeDirectory { path, user: 1000 } if path == Path::new("/tmp/storage-run-1000")),
        "{error:?}"
    );

    let linked = Memory::default().link("/x", "/real");
    let config = load(&user().with("XDG_RUNTIME_DIR", "/x"), &linked).unwrap();
    assert_eq!(config.run_root, Path::new("/real/containers"));
    let gone = load(&user().with("XDG_RUNTIME_DIR", "/gone"), &linked).unwrap_err();
    assert!(
        matches!(&gone, ConfigError::RuntimeDirectory { path, .. } if path == Path::new("/gone"))
    );
    // It is not needed if the file sets the run root.
    let conf = Memory::default().file(CONF, "[storage]\nrunroot = '/r'\n");
    let config = load(&user().with("XDG_RUNTIME_DIR", "/gone"), &conf).unwrap();
    assert_eq!(config.run_root, Path::new("/r"));
}

#[test]
fn who_has_no_home_has_to_say_where() {
    let homeless = Environment::new(1000).with("XDG_RUNTIME_DIR", "");
    let error = with("", &homeless).unwrap_err();
    assert!(
        matches!(error, ConfigError::NoHome { user: 1000 }),
        "{error:?}"
    );
    check(
        "[storage]\ngraphroot = '/g'\n",
        &homeless,
        "/g",
        "/run/user/1000/containers",
    );
}

#[test]
fn roots_in_files_are_for_everybody() {
    let text = "[storage]\ngraphroot = '/g/$UID'\nrunroot = '$HOME/../r/./'\n";
    check(text, &root(), "/g/0", "/r");
    check(text, &user(), "/g/1000", "/home/r");
    let relative = root().in_directory("/here");
    check(
        "[storage]\ngraphroot = 'g'\nrunroot = 'r'\n",
        &relative,
        "/here/g",
        "/here/r",
    );
}

#[test]
fn links_in_roots_are_resolved() {
    let files = Memory::default()
        .file(CONF, "[storage]\ngraphroot = '/link'\n")
        .link("/link", "/real/store");
    assert_eq!(files.load().unwrap().graph_root, Path::new("/real/store"));
}

#[test]
fn the_old_key_for_ordinary_users_gives_way() {
    let old = "[storage]\nrootless_storage_path = '/old/$UID'\n";
    check(old, &user(), "/old/1000", "/run/user/1000/containers");
    check(
        old,
        &root(),
        "/var/lib/containers/storage",
        "/run/containers/storage",
    );
    let both = format!("{old}graphroot = '/new'\n");
    check(&both, &user(), "/new", "/run/user/1000/containers");
    let config = with(&both, &user()).unwrap();
    assert_eq!(config.warnings, [Warning::RootlessPathUnused]);
    assert!(config.warnings[0].is_loud());
}

#[test]
fn roots_that_come_to_nothing_are_refused() {
    let error = conf("[storage]\ngraphroot = '$NOSUCH'\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "graphroot must be set: \"$NOSUCH\" is empty here"
    );
    let config = conf("[storage]\nrunroot = '/r/$NOSUCH'\n").unwrap();
    let warning = Warning::UnsetVariable {
        key: "runroot",
        variable: "NOSUCH".into(),
    };
    assert_eq!(config.warnings, [warning]);
    assert_eq!(config.run_root, Path::new("/r"));
}

#[test]
fn the_image_store_is_another_place() {
    let config = conf("[storage]\nimagestore = '/images'\n").unwrap();
    assert_eq!(config.image_store.as_deref(), Some(Path::new("/images")));
    for path in [
        "/var/lib/containers/storage",
        "/var/lib/x/../containers/storage/",
    ] {
        let error = conf(&format!("[storage]\nimagestore = '{path}'\n")).unwrap_err();
        assert!(matches!(error, ConfigError::SameRoots { .. }), "{error:?}");
        assert!(
            error
                .to_string()
                .ends_with("must either be not set or be different than graphroot")
        );
    }
}

#[test]
fn the_driver_is_the_variables_first() {
    let text = "[storage]\ndriver = 'btrfs'\n";
    assert_eq!(
        with(text, &root()).unwrap().driver.as_deref(),
        Some("btrfs")
    );
    let named = root().with("STORAGE_DRIVER", "vfs");
    assert_eq!(with(text, &named).unwrap().driver.as_deref(), Some("vfs"));
    let empty = root().with("STORAGE_DRIVER", "");
    assert_eq!(with(text, &empty).unwrap().driver.as_deref(), Some("btrfs"));
    for old in [
        with("[storage]\ndriver = 'overlay2'\n", &root()),
        with("", &root().with("STORAGE_DRIVER", "overlay2")),
    ] {
        let config = old.unwrap();
        assert_eq!(config.driver.as_deref(), Some("overlay"));
        assert_eq!(config.warnings, [Warning::OldDriverName]);
    }
}

#[test]
fn options_in_the_variable_replace_all_others() {
    let text = "[storage.options]\nsize = '1G'\nadditionalimagestores = ['/a']\n";
    assert_eq!(
        with(text, &root()).unwrap().driver_options,
        ["imagestore=/a", "size=1G"]
    );
    let none: [&str; 0] = [];
    assert_eq!(
        with(text, &root().with("STORAGE_OPTS", ""))
            .unwrap()
            .driver_options,
        none
    );
    let some = root().with("STORAGE_OPTS", "a.b=1,c=2");
    assert_eq!(with(text, &some).unwrap().driver_options, ["a.b=1", "c=2"]);
}

#[test]
fn the_places_of_the_system_are_not_for_others() {
    let text = "[storage]\ngraphroot = '/var/lib/containers/storage'\nrunroot = '/run/containers/storage'\n";
    check(
        text,
        &user(),
        "/home/u/.local/share/containers/storage",
        "/run/user/1000/containers",
    );
    let warnings = with(text, &user()).unwrap().warnings;
    let expected = ["runroot", "graphroot"].map(|key| Warning::SystemRoot { key });
    assert_eq!(warnings, expected);
    assert_eq!(with(text, &root()).unwrap().warnings, []);
    // Below them, other users may have access.
    check(
        "[storage]\ngraphroot = '/var/lib/containers/storage/$UID'\n",
        &user(),
        "/var/lib/containers/storage/1000",
        "/run/user/1000/containers",
    );
}

#[test]
fn bytes_that_are_no_text_are_fine_in_directories_only() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    let odd = || OsString::from_vec(b"/h\xff".to_vec());
    let user = || {
        Environment::new(1000)
            .with("HOME", odd())
            .with("XDG_RUNTIME_DIR", "/run/user/1000")
    };
    let config = with("[storage]\nrunroot = '$HOME/r'\n", &user()).unwrap();
    let path = |bytes: &'static [u8]| Path::new(OsStr::from_bytes(bytes));
    assert_eq!(
        config.graph_root,
        path(b"/h\xff/.local/share/containers/storage")
    );
    assert_eq!(config.run_root, path(b"/h\xff/r"));
    // What the configuration does not use is not looked at.
    let unused = user().with("PS1", odd()).with(odd(), "x");
    assert_eq!(
        with("[storage]\nrunroot = '$HOME/r'\n", &unused).unwrap(),
        config
    );
    for variable in ["STORAGE_DRIVER", "STORAGE_OPTS"] {
        let error = with("", &user().with(variable, odd())).unwrap_err();
        let ConfigError::NotUtf8(named) = error else {
            panic!("{error:?}");
        };
        assert_eq!(named.variable, variable);
    }
}

//! Tests of the user's own store: the directories, driver and options that podman uses.

use std::fs;
use std::path::Path;
use std::process::Command;

use layerhold::layerhold_config::{ConfigError, Environment, HostFiles, Warning, load};
use layerhold::{OpenError, Persistence, Privilege, Shifting, Store, StoreOptions, VolatileMounts};
use layerhold_testkit::{ChildSpec, child_role, require_peer, require_root, run, scratch};

use crate::support::small_tar;

/// An ordinary user, who needs no line in `/etc/passwd`.
const STRANGER: u32 = 7123;

/// Opens the store of this process's user and says what it is.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    match Store::open_default() {
        Ok(store) => {
            role.say(&store.graph_root().display().to_string());
            role.say(&store.run_root().display().to_string());
            role.say(store.driver_name());
            role.say(&format!("{:?}", store.driver_options()));
            role.say(&format!("{:?}", store.options().privilege));
        }
        Err(error) => role.say(&format!("{error:?}")),
    }
}

/// Words to put before a program so that it has these variables and, unless it is root, this user.
fn as_user(user: u32, variables: &[(&str, &Path)]) -> Vec<String> {
    let mut words = vec!["env".to_owned()];
    for name in ["CONTAINERS_STORAGE_CONF", "STORAGE_DRIVER", "STORAGE_OPTS"] {
        words.extend(["-u".to_owned(), name.to_owned()]);
    }
    let given = variables.iter();
    words.extend(given.map(|(name, value)| format!("{name}={}", value.display())));
    if user != 0 {
        words.extend(["setpriv", "--clear-groups"].map(str::to_owned));
        words.extend([format!("--reuid={user}"), format!("--regid={user}")]);
    }
    words
}

fn child(wrapper: &[String]) -> ChildSpec {
    ChildSpec::new("own_store::child_entry", "own-store").through(wrapper)
}

/// What podman says of its store: graph root, run root, driver.
fn podmans(wrapper: &[String]) -> [String; 3] {
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).args([
        "podman",
        "info",
        "--format",
        "{{.Store.GraphRoot}}\n{{.Store.RunRoot}}\n{{.Store.GraphDriverName}}",
    ]);
    let text = run(&mut command).text();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.try_into().unwrap()
}

#[test]
fn root_peer_the_own_store_is_where_podman_has_it() {
    let Some(()) = require_root() else { return };
    let Some(()) = require_peer("podman") else {
        return;
    };
    let place = scratch();
    for driver in ["vfs", "overlay"] {
        let base = place.path().join(driver);
        fs::create_dir(&base).unwrap();
        let (conf, at) = (base.join("storage.conf"), base.display());
        let text = format!(
            "[storage]\ndriver = '{driver}'\ngraphroot = '{at}/g'\nrunroot = '{at}/r'\n\
             [storage.options.{driver}]\nmountopt = 'nodev'\n"
        );
        fs::write(&conf, text).unwrap();
        let variables = [
            ("HOME", base.as_path()),
            ("CONTAINERS_STORAGE_CONF", conf.as_path()),
        ];
        let wrapper = as_user(0, &variables);
        let mut ours = child(&wrapper).spawn();
        for theirs in podmans(&wrapper) {
            ours.expect(&theirs);
        }
        let option = match driver {
            "vfs" => "[]",
            _ => r#"["overlay.mountopt=nodev"]"#,
        };
        ours.expect(option);
        ours.expect("Full");
        assert!(ours.wait().success());
    }
}

#[test]
fn root_peer_the_driver_that_podman_remembers_is_used() {
    let Some(()) = require_root() else { return };
    let Some(()) = require_peer("podman") else {
        return;
    };
    let place = scratch();
    let (conf, at) = (place.path().join("storage.conf"), place.path().display());
    fs::write(
        &conf,
        format!("[storage]\ngraphroot = '{at}/g'\nrunroot = '{at}/r'\n"),
    )
    .unwrap();
    let layer = place.path().join("layer.tar");
    fs::write(&layer, small_tar()).unwrap();
    let variables = [
        ("HOME", place.path()),
        ("CONTAINERS_STORAGE_CONF", conf.as_path()),
    ];
    let wrapper = as_user(0, &variables);
    let mut import = Command::new(&wrapper[0]);
    import.args(&wrapper[1..]);
    import.args(["podman", "--storage-driver=vfs", "import", "--quiet"]);
    run(import.arg(&layer)).assert_success();
    let mut ours = child(&wrapper).spawn();
    let theirs = podmans(&wrapper);
    assert_eq!(theirs[2], "vfs");
    for told in theirs {
        ours.expect(&told);
    }
    assert!(ours.wait().success());
}

#[test]
fn root_peer_the_own_store_of_an_ordinary_user_is_where_podman_has_it() {
    let Some(()) = require_root() else { return };
    let Some(()) = require_peer("podman") else {
        return;
    };
    let place = scratch();
    std::os::unix::fs::chown(place.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    let variables = [("HOME", place.path()), ("XDG_RUNTIME_DIR", place.path())];
    let outside = as_user(STRANGER, &variables);
    let mut refused = child(&outside).spawn();
    refused.expect("NoUserNamespace { user: 7123 }");
    assert!(refused.wait().success());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);

    let mut inside = outside.clone();
    inside.extend(["podman", "unshare"].map(str::to_owned));
    let mut probe = Command::new(&inside[0]);
    if run(probe.args(&inside[1..]).arg("true")).code != Some(0) {
        let _skipped = layerhold_testkit::skip::<()>(
            "user namespaces of ordinary users are forbidden",
            layerhold_testkit::SkipReason::Kernel,
        );
        return;
    }
    let mut ours = child(&inside).spawn();
    for theirs in podmans(&outside) {
        ours.expect(&theirs);
    }
    assert!(ours.wait().success());
    // Ends the process with which podman keeps the namespace.
    let mut end = Command::new(&outside[0]);
    let _ran = run(end
        .args(&outside[1..])
        .args(["podman", "system", "migrate"]));
}

#[test]
fn root_a_store_without_mounts_needs_no_namespace() {
    let Some(()) = require_root() else { return };
    let place = scratch();
    std::os::unix::fs::chown(place.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    let variables = [
        ("HOME", place.path()),
        ("XDG_RUNTIME_DIR", place.path()),
        ("STORAGE_DRIVER", Path::new("vfs")),
    ];
    let mut ours = child(&as_user(STRANGER, &variables)).spawn();
    let data = place.path().join(".local/share/containers/storage");
    ours.expect(data.to_str().unwrap());
    ours.expect(place.path().join("containers").to_str().unwrap());
    ours.expect("vfs");
    assert!(ours.wait().success());
}

#[test]
fn everything_that_is_configured_becomes_an_option() {
    let place = scratch();
    let conf = place.path().join("storage.conf");
    let text = "[storage]\ndriver = 'vfs'\ngraphroot = '/g'\nrunroot = '/r'\nimagestore = '/i'\n\
                driver_priority = ['p']\ntransient_store = true\nnosuch = 1\n\
                [storage.options]\nadditionalimagestores = ['/a']\ndisable-volatile = true\n\
                root-auto-userns-user = 'me'\nauto-userns-max-size = 4096\n\
                pull_options = {enable_partial_images = 'true'}\n";
    fs::write(&conf, text).unwrap();
    let environment = Environment::new(0)
        .with("CONTAINERS_STORAGE_CONF", &conf)
        .with("_CONTAINERS_OVERLAY_DISABLE_IDMAP", "yes");
    let of = |environment: &Environment| StoreOptions::from(load(environment, &HostFiles).unwrap());
    let options = of(&environment);
    assert_eq!(options.graph_root, Path::new("/g"));
    assert_eq!(options.run_root, Path::new("/r"));
    assert_eq!(options.image_store.as_deref(), Some(Path::new("/i")));
    assert_eq!(options.driver.as_deref(), Some("vfs"));
    assert_eq!(options.driver_priority, ["p"]);
    assert_eq!(options.driver_options, ["imagestore=/a"]);
    assert_eq!(options.persistence, Persistence::Transient);
    assert_eq!(options.volatile_mounts, VolatileMounts::Disabled);
    let policy = &options.auto_userns;
    assert_eq!(policy.user, "me");
    assert_eq!((policy.min_size, policy.max_size), (1024, 4096));
    assert_eq!(options.pull_options["enable_partial_images"], "true");
    assert_eq!(options.shifting, Shifting::Disabled);
    assert_eq!(options.privilege, Privilege::Full);
    let warned = Warning::UnknownKey {
        path: conf,
        line: 8,
        key: "storage.nosuch".to_owned(),
    };
    assert_eq!(options.config_warnings, [warned]);

    let inside = environment.with("_CONTAINERS_USERNS_CONFIGURED", "done");
    assert_eq!(of(&inside).privilege, Privilege::UserNamespace);
}

#[test]
fn a_configuration_that_is_not_valid_is_an_error_of_opening() {
    let error: OpenError = load(
        &Environment::new(0).with("CONTAINERS_STORAGE_CONF", "/nosuch"),
        &HostFiles,
    )
    .unwrap_err()
    .into();
    assert!(matches!(
        error,
        OpenError::Config(ConfigError::Missing {
            variable: "CONTAINERS_STORAGE_CONF",
            ..
        })
    ));
    assert_eq!(
        error.to_string(),
        "cannot use the configuration of the store"
    );
}

//! All keys, including those without effect.

use layerhold_config::{Config, Warning};

use crate::memory::conf;

#[test]
fn every_key_of_the_manual_is_understood() {
    let text = r#"
[storage]
driver = "overlay"
driver_priority = ["overlay", "btrfs"]
graphroot = "/g"
runroot = "/r"
imagestore = "/i"
transient_store = true

[storage.options]
additionalimagestores = ["/a", "/b"]
additionallayerstores = ["/l:ref"]
root-auto-userns-user = "someone"
auto-userns-min-size = 2048
auto-userns-max-size = 0x8000
disable-volatile = true

[storage.options.pull_options]
enable_partial_images = "True"
use_hard_links = "false"
ostree_repos = ""
"#;
    let config = conf(text).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.driver_priority, ["overlay", "btrfs"]);
    assert!(config.transient_store && config.disable_volatile);
    assert_eq!(
        config.driver_options,
        [
            "imagestore=/a",
            "imagestore=/b",
            "additionallayerstore=/l:ref"
        ]
    );
    assert_eq!(config.auto_userns.user.as_deref(), Some("someone"));
    assert_eq!(config.auto_userns.min_size, Some(2048));
    assert_eq!(config.auto_userns.max_size, Some(32768));
    assert!(config.pull_options.is_on("enable_partial_images"));
    assert!(!config.pull_options.is_on("use_hard_links"));
    assert_eq!(config.pull_options.get("ostree_repos"), Some(""));
    assert_eq!(config.pull_options.get("nosuch"), None);
}

#[test]
fn what_nobody_said_is_left_to_the_store() {
    let config = conf("").unwrap();
    assert_eq!(
        (config.driver.as_deref(), config.image_store.as_deref()),
        (None, None)
    );
    let userns = &config.auto_userns;
    assert_eq!(
        (&userns.user, userns.min_size, userns.max_size),
        (&None, None, None)
    );
    assert!(config.pull_options.is_empty());
    assert!(!config.transient_store && !config.disable_volatile);
    assert!(config.driver_options.is_empty() && config.driver_priority.is_empty());
}

#[test]
fn letters_of_the_other_case_will_do() {
    let config =
        conf("[Storage]\nDriver = 'a'\n[Storage.OPTIONS.overlay]\nMountOpt = 'nodev'\n").unwrap();
    assert_eq!(config.driver.as_deref(), Some("a"));
    assert_eq!(config.driver_options, ["overlay.mountopt=nodev"]);
    assert_eq!(config.mount_options(), Vec::<String>::new());
    // The exact spelling wins, in either order.
    for text in ["driver = 'x'\nDRIVER = 'y'", "DRIVER = 'y'\ndriver = 'x'"] {
        let config = conf(&format!("[storage]\n{text}\n")).unwrap();
        assert_eq!(config.driver.as_deref(), Some("x"));
        let keys: Vec<String> = unknown(&config).into_iter().map(|(_, key)| key).collect();
        assert_eq!(keys, ["storage.DRIVER"]);
    }
}

fn unknown(config: &Config) -> Vec<(usize, String)> {
    let keys = config.warnings.iter().map(|warning| match warning {
        Warning::UnknownKey { line, key, .. } => (*line, key.clone()),
        other => panic!("{other:?}"),
    });
    keys.collect()
}

#[test]
fn unknown_keys_are_told_with_their_lines() {
    let text = "top = 1\n[storage]\nzzz = 1\naaa = 2\n[storage.options.vfs]\nsize = '1'\n[storage.options.new]\na = 1\n[other]\n";
    let config = conf(text).unwrap();
    let mut expected = vec![
        (6, "storage.options.vfs.size"),
        (7, "storage.options.new"),
        (3, "storage.zzz"),
        (4, "storage.aaa"),
        (1, "top"),
        (9, "other"),
    ];
    let mut found = unknown(&config);
    found.sort();
    expected.sort_unstable();
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(line, key)| (line, key.to_owned()))
        .collect();
    assert_eq!(found, expected);
    let text = config.warnings[0].to_string();
    assert_eq!(
        text,
        "/etc/containers/storage.conf:6: unknown key storage.options.vfs.size"
    );
    assert!(!config.warnings[0].is_loud());
}

#[test]
fn keys_of_old_files_do_no_harm() {
    let text = r#"
[storage.options]
remap-uids = "0:1668442479:65536"
remap-user = "containers"
ostree_repo = ""
imagestore = "/x"
use_composefs = "true"
[storage.options.thinpool]
autoextend_percent = "20"
basesize = 10
"#;
    let config = conf(text).unwrap();
    assert_eq!(config.driver_options, Vec::<String>::new());
    assert_eq!(config.image_store, None);
    let told: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    let told: Vec<&str> = told
        .iter()
        .filter_map(|text| text.split_once(": "))
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        told,
        [
            "storage.options.remap-uids has no effect",
            "storage.options.remap-user has no effect",
            "storage.options.ostree_repo has no effect",
            "storage.options.thinpool has no effect",
            "storage.options.imagestore has no effect; use storage.imagestore",
            "storage.options.use_composefs has no effect; use storage.options.overlay.use_composefs",
        ]
    );
}

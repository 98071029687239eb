//! A comparison with the Go tool. Debian's version 1.43 has no command that prints the
//! configuration, but `status` shows its effect.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use layerhold_config::{Config, Environment, HostFiles, load};
use layerhold_testkit::{require_peer, require_root, run, scratch};

/// Roots, driver and options in the output of `status`.
fn theirs(variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut command = Command::new("containers-storage");
    command
        .arg("status")
        .env_clear()
        .envs(variables)
        .env("PATH", "/usr/bin:/bin");
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    String::from_utf8_lossy(&ran.stderr)
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn ours(variables: &BTreeMap<String, String>) -> Config {
    let environment = Environment::new(0).with_variables(variables);
    load(&environment, &HostFiles).unwrap()
}

#[track_caller]
fn check(dir: &Path, text: &str, extra: &[(&str, &str)]) {
    let conf = dir.join("storage.conf");
    let text = text.replace("@", dir.to_str().unwrap());
    fs::write(&conf, &text).unwrap();
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    variables.insert("HOME".into(), dir.display().to_string());
    variables.insert("CONTAINERS_STORAGE_CONF".into(), conf.display().to_string());
    for (name, value) in extra {
        variables.insert(
            (*name).to_owned(),
            value.replace("@", dir.to_str().unwrap()),
        );
    }
    // Ours first: the Go tool creates the directories, whose links are resolved from then on.
    let ours = ours(&variables);
    let theirs = theirs(&variables);
    assert_eq!(
        theirs["Root"],
        ours.graph_root.display().to_string(),
        "{text}"
    );
    assert_eq!(
        theirs["Run Root"],
        ours.run_root.display().to_string(),
        "{text}"
    );
    assert_eq!(Some(&theirs["Driver Name"]), ours.driver.as_ref(), "{text}");
    // Version 1.43 prefixes all options with the driver's name; newer ones do not.
    let options = ours
        .driver_options
        .iter()
        .map(|option| match option.split_once('.') {
            Some((driver, _)) if Some(driver) == ours.driver.as_deref() => option.clone(),
            _ => format!("{}.{option}", theirs["Driver Name"]),
        });
    // It repeats options that are not the driver's own as they are.
    let mut listed: Vec<&str> = theirs["Driver Options"]
        .trim_matches(['[', ']'])
        .split_whitespace()
        .collect();
    listed.dedup();
    assert_eq!(listed, options.collect::<Vec<_>>(), "{text}");
}

#[test]
fn root_peer_the_go_tool_comes_to_the_same() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let dir = scratch();
    let dir = &fs::canonicalize(dir.path()).unwrap();
    let roots = "[storage]\ndriver = 'vfs'\ngraphroot = '@/g'\nrunroot = '@/r'\n";
    check(dir, roots, &[]);
    check(
        dir,
        &format!("{roots}[storage.options]\nadditionalimagestores = ['@/a', '@/b']\n"),
        &[],
    );
    check(
        dir,
        &format!("{roots}[storage.options]\nignore_chown_errors = 'true'\n"),
        &[],
    );
    check(
        dir,
        &format!("{roots}[storage.options.vfs]\nignore_chown_errors = 'false'\n"),
        &[],
    );
    check(
        dir,
        &format!("{roots}[storage.options]\nthinpool = {{size = ''}}\nunknown = 1\n"),
        &[],
    );
    check(
        dir,
        &roots.replace("driver = 'vfs'", "driver = ''"),
        &[("STORAGE_DRIVER", "vfs")],
    );
    check(dir, roots, &[("STORAGE_OPTS", "vfs.imagestore=@/a")]);
    check(dir, roots, &[("STORAGE_OPTS", "")]);
    check(
        dir,
        "[storage]\nDRIVER = 'vfs'\ngraphroot = '$HOME/x/../g'\nrunroot = '${HOME}/$UID'\n",
        &[],
    );
    fs::create_dir_all(dir.join("real")).unwrap();
    std::os::unix::fs::symlink("real", dir.join("link")).unwrap();
    check(
        dir,
        "[storage]\ndriver = 'vfs'\ngraphroot = '@/link'\nrunroot = '@/link/run'\n",
        &[],
    );
}

#[test]
fn root_peer_the_go_tool_refuses_what_we_refuse() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let dir = scratch();
    let conf = dir.path().join("storage.conf");
    for text in [
        "[storage]\ndriver = 1\n",
        "[storage]\ntransient_store = 'true'\n",
        "[storage.options.overlay]\nskip_mount_home = true\n",
        "[storage.options]\npull_options = {enable_partial_images = true}\n",
        "[storage]\ndriver = vfs\n",
        "[storage.options]\nauto-userns-max-size = -1\n",
        "storage = 1\n",
    ] {
        fs::write(&conf, text).unwrap();
        let conf = conf.display().to_string();
        let mut command = Command::new("containers-storage");
        command
            .args(["-g"])
            .arg(dir.path().join("g"))
            .args(["-R"])
            .arg(dir.path().join("r"));
        command
            .args(["-s", "vfs", "status"])
            .env("CONTAINERS_STORAGE_CONF", &conf);
        let theirs = run(&mut command);
        let environment = Environment::new(0)
            .with("HOME", "/")
            .with("CONTAINERS_STORAGE_CONF", &conf);
        let ours = load(&environment, &HostFiles);
        assert!(ours.is_err(), "{text}");
        assert_ne!(
            (theirs.code, theirs.stderr.len()),
            (Some(0), 0),
            "{text}: {theirs:?}"
        );
    }
}

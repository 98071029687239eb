//! Every key of `storage.conf` and every driver option: it acts, it is refused, or it is told that
//! it does nothing.

use std::fs;
use std::process::Command;

use layerhold_testkit::{Ran, TempDir, require_root, run, scratch};
use serde_json::{Value, json};

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD};

/// What becomes of a key.
enum Fate {
    /// `layerhold config --format json` shows it at a pointer; what reads it there is tested where
    /// it lives.
    Shown(&'static str, Value),
    /// `layerhold config` says that it does nothing.
    Told(&'static str),
    /// It reaches the drivers, which refuse this value and read others.
    Refused(&'static str),
}
use Fate::{Refused, Shown, Told};

/// All keys of the manual, those of older releases, and options of drivers. Values are such that
/// something becomes of them.
fn every_key() -> Vec<(&'static str, &'static str, Fate)> {
    let option = |text: &str| Shown("/driverOptions", json!([text]));
    let pull = |name: &'static str| format!("/pullOptions/{name}");
    assert_eq!(pull("use_hard_links"), "/pullOptions/use_hard_links");
    vec![
        ("storage", "driver = 'vfs'", Shown("/driver", json!("vfs"))),
        (
            "storage",
            "driver = 'overlay2'",
            Told("the driver overlay2 is called overlay now"),
        ),
        (
            "storage",
            "driver_priority = ['vfs']",
            Shown("/driverPriority", json!(["vfs"])),
        ),
        (
            "storage",
            "driver_priority = ['aufs']",
            Told("driver_priority: there is no driver aufs"),
        ),
        ("storage", "runroot = '/r'", Shown("/runRoot", json!("/r"))),
        ("storage", "graphroot = '/g'", Shown("/root", json!("/g"))),
        (
            "storage",
            "imagestore = '/i'",
            Shown("/imageStore", json!("/i")),
        ),
        (
            "storage",
            "transient_store = true",
            Shown("/transientStore", json!(true)),
        ),
        (
            "storage",
            "rootless_storage_path = '/x'\ngraphroot = '/g'",
            Told("rootless_storage_path is not used"),
        ),
        (
            "storage",
            "novelty = 1",
            Told("unknown key storage.novelty"),
        ),
        (
            "storage.options",
            "additionalimagestores = ['/a']",
            option("imagestore=/a"),
        ),
        (
            "storage.options",
            "additionallayerstores = ['/a']",
            option("additionallayerstore=/a"),
        ),
        (
            "storage.options",
            "root-auto-userns-user = 'u'",
            Shown("/autoUserns/user", json!("u")),
        ),
        (
            "storage.options",
            "auto-userns-min-size = 7",
            Shown("/autoUserns/minSize", json!(7)),
        ),
        (
            "storage.options",
            "auto-userns-max-size = 7",
            Shown("/autoUserns/maxSize", json!(7)),
        ),
        (
            "storage.options",
            "disable-volatile = true",
            Shown("/disableVolatile", json!(true)),
        ),
        (
            "storage.options",
            "force_mask = 0o7777",
            option("force_mask=7777"),
        ),
        ("storage.options", "size = 'x'", Refused("invalid size")),
        (
            "storage.options",
            "mount_program = '/no/such'",
            Refused("/no/such"),
        ),
        (
            "storage.options",
            "skip_mount_home = 'x'",
            Refused("invalid syntax"),
        ),
        (
            "storage.options",
            "ignore_chown_errors = 'x'",
            Refused("invalid syntax"),
        ),
        (
            "storage.options",
            "mountopt = 'nodev'",
            option("mountopt=nodev"),
        ),
        (
            "storage.options",
            "remap-uids = '0:1:1'",
            Told("remap-uids has no effect"),
        ),
        (
            "storage.options",
            "remap-gids = '0:1:1'",
            Told("remap-gids has no effect"),
        ),
        (
            "storage.options",
            "remap-user = 'u'",
            Told("remap-user has no effect"),
        ),
        (
            "storage.options",
            "remap-group = 'u'",
            Told("remap-group has no effect"),
        ),
        (
            "storage.options",
            "ostree_repo = '/x'",
            Told("ostree_repo has no effect"),
        ),
        (
            "storage.options",
            "imagestore = '/x'",
            Told("use storage.imagestore"),
        ),
        (
            "storage.options",
            "use_composefs = 'true'",
            Told("use storage.options.overlay.use_composefs"),
        ),
        (
            "storage.options.thinpool",
            "basesize = '1'",
            Told("storage.options.thinpool has no effect"),
        ),
        (
            "storage.options.pull_options",
            "enable_partial_images = 'true'",
            Told("enable_partial_images=true has no effect"),
        ),
        (
            "storage.options.pull_options",
            "convert_images = 'true'",
            Told("convert_images=true has no effect"),
        ),
        (
            "storage.options.pull_options",
            "ostree_repos = '/x'",
            Told("ostree_repos=/x has no effect"),
        ),
        (
            "storage.options.pull_options",
            "insecure_allow_unpredictable_image_contents = 'true'",
            Told("insecure_allow_unpredictable_image_contents=true has no effect"),
        ),
        (
            "storage.options.pull_options",
            "use_hard_links = 'true'",
            Shown("/pullOptions/use_hard_links", json!("true")),
        ),
        (
            "storage.options.pull_options",
            "novelty = 'x'",
            Told("novelty=x has no effect: it is not known"),
        ),
        (
            "storage.options.btrfs",
            "min_space = '1G'",
            Told("btrfs.min_space=1G has no effect"),
        ),
        (
            "storage.options.btrfs",
            "size = '1G'",
            Told("btrfs.size=1G has no effect"),
        ),
        (
            "storage.options.zfs",
            "fsname = 'x'",
            Told("zfs.fsname=x has no effect"),
        ),
        (
            "storage.options.zfs",
            "mountopt = 'x'",
            Told("zfs.mountopt=x has no effect"),
        ),
        (
            "storage.options.zfs",
            "size = '1G'",
            Told("zfs.size=1G has no effect"),
        ),
        (
            "storage.options.vfs",
            "ignore_chown_errors = 'true'",
            option("vfs.ignore_chown_errors=true"),
        ),
        (
            "storage.options.vfs",
            "sync = 'filesystem'",
            option("vfs.sync=filesystem"),
        ),
        (
            "storage.options.overlay",
            "ignore_chown_errors = 'x'",
            Refused("invalid syntax"),
        ),
        (
            "storage.options.overlay",
            "mount_program = '/no/such'",
            Refused("/no/such"),
        ),
        (
            "storage.options.overlay",
            "mountopt = 'nodev'",
            option("overlay.mountopt=nodev"),
        ),
        (
            "storage.options.overlay",
            "size = 'x'",
            Refused("invalid size"),
        ),
        (
            "storage.options.overlay",
            "inodes = 'x'",
            Refused("invalid syntax"),
        ),
        (
            "storage.options.overlay",
            "skip_mount_home = 'x'",
            Refused("invalid syntax"),
        ),
        (
            "storage.options.overlay",
            "force_mask = 'x'",
            Refused("invalid syntax"),
        ),
        (
            "storage.options.overlay",
            "use_composefs = 'true'",
            Refused("use_composefs is not supported yet"),
        ),
        (
            "storage.options.overlay",
            "sync = 'x'",
            Refused("invalid sync mode"),
        ),
    ]
}

/// A configuration, which everything below reads.
struct Conf(TempDir);

impl Conf {
    fn new(table: &str, line: &str) -> Self {
        let dir = scratch();
        let text = format!("[{table}]\n{line}\n");
        fs::write(dir.path().join("storage.conf"), text).unwrap();
        Conf(dir)
    }

    fn run(&self, program: &str, words: &[&str]) -> Ran {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin:/sbin");
        command.env(
            "CONTAINERS_STORAGE_CONF",
            self.0.path().join("storage.conf"),
        );
        run(command.args(words).current_dir(self.0.path()))
    }

    /// Opens a store of the test's own with what the configuration says of drivers.
    fn open(&self, driver: &str) -> Ran {
        let root = self.0.path().join("root").display().to_string();
        let words = ["layers", "-g", &root, "-R", &root, "-s", driver];
        self.run(CONTAINERS_STORAGE, &words)
    }
}

#[test]
fn root_every_key_acts_or_is_refused_or_told() {
    if require_root().is_none() {
        return;
    }
    for (table, line, fate) in every_key() {
        let conf = Conf::new(table, line);
        let shown = conf.run(LAYERHOLD, &["--format", "json", "config"]);
        let value: Value = serde_json::from_slice(&shown.stdout).unwrap();
        let err = String::from_utf8(shown.stderr.clone()).unwrap();
        let context = format!("[{table}] {line}: {value} {err}");
        match fate {
            Shown(pointer, expected) => {
                assert_eq!(value.pointer(pointer), Some(&expected), "{context}");
                assert_eq!(err, "", "{context}");
            }
            Told(words) => {
                let told = |text: &str| text.contains(words);
                assert_eq!(
                    err.lines().filter(|line| told(line)).count(),
                    1,
                    "{context}"
                );
                let warnings = value["warnings"].as_array().unwrap();
                let texts = warnings.iter().filter_map(Value::as_str);
                assert_eq!(texts.filter(|text| told(text)).count(), 1, "{context}");
            }
            Refused(words) => {
                let opened = conf.open("overlay");
                let out = String::from_utf8(opened.stdout).unwrap();
                let said = out.starts_with("error initializing: ") && out.contains(words);
                assert_eq!((opened.code, said), (Some(1), true), "{context} {out}");
            }
        }
    }
}

#[test]
fn every_key_that_is_read_is_in_the_table() {
    let sources = ["merge.rs", "driver_options.rs"].map(|file| {
        let dir = env!("CARGO_MANIFEST_DIR");
        fs::read_to_string(format!("{dir}/../config/src/{file}")).unwrap()
    });
    let code = sources.map(|text| text.split("#[cfg(test)]").next().unwrap().to_owned());
    let table = every_key();
    let is_there = |key: &str| {
        table.iter().any(|(table, line, _)| {
            table.split('.').any(|part| part == key)
                || line.split_whitespace().any(|part| part == key)
        })
    };
    let words = code
        .iter()
        .flat_map(|text| text.split('"').skip(1).step_by(2));
    let keys = words.filter(|word| {
        let letters = |c: char| c.is_ascii_lowercase() || c == '_' || c == '-';
        !word.is_empty() && word.chars().all(letters)
    });
    let missing: Vec<&str> = keys.filter(|key| !is_there(key)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn root_options_of_the_command_line_are_told_too() {
    if require_root().is_none() {
        return;
    }
    let conf = Conf::new("storage", "driver = 'vfs'");
    fs::create_dir(conf.0.path().join("root")).unwrap();
    let layerhold = |option| {
        let words = ["--root", "root", "--runroot", "run", "--driver", "vfs"];
        let words = words
            .into_iter()
            .chain(["--driver-option", option, "images"]);
        let ran = conf.run(LAYERHOLD, &words.collect::<Vec<_>>());
        let err = String::from_utf8(ran.stderr).unwrap();
        (ran.code, err)
    };
    let told = "layerhold: the driver option zfs.fsname=x has no effect: there is no driver zfs\n";
    assert_eq!(layerhold("zfs.fsname=x"), (Some(0), told.to_owned()));
    assert_eq!(
        layerhold("overlay.mountopt=nodev"),
        (Some(0), String::new())
    );
    // The drop-in keeps it for debugging, as Go does, and its output is Go's in any case.
    let containers_storage = |debug| {
        let words = ["-g", "root", "-R", "run", "-s", "vfs", debug];
        let words = words
            .into_iter()
            .chain(["--storage-opt", "zfs.fsname=x", "layers"]);
        let ran = conf.run(CONTAINERS_STORAGE, &words.collect::<Vec<_>>());
        assert_eq!((ran.code, &*ran.stdout), (Some(0), &b""[..]));
        let err = String::from_utf8(ran.stderr).unwrap();
        err.contains("the driver option zfs.fsname=x has no effect")
    };
    assert_eq!(
        (containers_storage("-D=false"), containers_storage("-D")),
        (false, true)
    );
}

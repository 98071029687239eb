//! Configuration, environment and what they do to commands.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use layerhold_testkit::{Ran, TempDir, require_peer, require_root, run, scratch};

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD};

/// A directory with a `storage.conf` of its own.
struct Conf {
    dir: TempDir,
}

impl Conf {
    fn new(text: &str) -> Self {
        let conf = Conf { dir: scratch() };
        conf.write(text);
        conf
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn write(&self, text: &str) {
        fs::write(
            self.path("storage.conf"),
            text.replace("@", self.dir.path().to_str().unwrap()),
        )
        .unwrap();
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .arg0("containers-storage")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.dir.path());
        command.env("CONTAINERS_STORAGE_CONF", self.path("storage.conf"));
        command.args(
            words
                .iter()
                .map(|word| word.replace("@", self.dir.path().to_str().unwrap())),
        );
        command
    }

    fn run(&self, program: &str, words: &[&str]) -> Ran {
        run(&mut self.command(program, words))
    }

    /// What a command prints, without the name of the directory.
    #[track_caller]
    fn text(&self, program: &str, words: &[&str]) -> String {
        let ran = self.run(program, words);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let text = [ran.stdout, ran.stderr].concat();
        String::from_utf8(text)
            .unwrap()
            .replace(self.dir.path().to_str().unwrap(), "@")
    }
}

const VFS: &str = "[storage]\ndriver = 'vfs'\ngraphroot = '@/g'\nrunroot = '@/r'\n";

#[test]
fn root_peer_both_tools_find_the_same_store() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let conf = Conf::new(VFS);
    assert_eq!(
        conf.text("containers-storage", &["create-layer", "-i", "theirs"]),
        "theirs\n"
    );
    assert_eq!(
        conf.text(
            CONTAINERS_STORAGE,
            &["create-layer", "-i", "ours", "theirs"]
        ),
        "ours\n"
    );
    assert_eq!(
        conf.text(LAYERHOLD, &["layers", "--no-trunc"])
            .lines()
            .count(),
        3
    );
    let both = ["containers-storage", CONTAINERS_STORAGE];
    for words in [
        &["layers", "-j"][..],
        &["status"],
        // Flags behind the command word override single settings, before it they replace all.
        &["status", "-g", "@/other"],
        &[
            "status",
            "-R",
            "@/other-run",
            "--storage-opt",
            "vfs.ignore_chown_errors=true",
        ],
        &["-g", "@/other", "-R", "@/other-run", "-s", "vfs", "status"],
        &["-R", "@/other-run", "-s", "vfs", "status"],
    ] {
        let [go, ours] = both.map(|program| conf.text(program, words));
        assert_eq!(go, ours, "{words:?}");
    }
    for words in [
        &["-s", "vfs", "status"][..],
        &["--storage-opt", "vfs.imagestore=@", "status"],
    ] {
        for program in both {
            let ran = conf.run(program, words);
            let text = String::from_utf8_lossy(&ran.stdout).into_owned();
            assert_eq!(ran.code, Some(1), "{words:?}");
            assert!(text.starts_with("error initializing: "), "{text}");
            assert!(text.contains("missing necessary StoreOptions"), "{text}");
        }
    }
}

#[test]
fn root_peer_broken_configurations_are_told_alike() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    for text in ["[storage", "[storage]\ndriver = 1\n"] {
        let conf = Conf::new(text);
        for program in ["containers-storage", CONTAINERS_STORAGE] {
            let ran = conf.run(program, &["layers"]);
            let out = String::from_utf8_lossy(&ran.stdout).into_owned();
            assert_eq!(ran.code, Some(1), "{text}: {ran:?}");
            // 1.43 has said so before, in words of its own.
            assert!(out.contains("error initializing: "), "{text}: {out}");
        }
        for command in ["layers", "config"] {
            let ran = conf.run(CONTAINERS_STORAGE, &[command]);
            let out = String::from_utf8_lossy(&ran.stdout).into_owned();
            assert!(out.starts_with("error initializing: "), "{out}");
            assert!(out.contains(&conf.path("storage.conf")), "{out}");
            assert_eq!((ran.code, &*ran.stderr), (Some(1), &b""[..]));
        }
        let ran = conf.run(LAYERHOLD, &["layers"]);
        assert_eq!(ran.code, Some(1));
        // With both roots on the command line the file is not needed.
        let words = ["-g", "@/g", "-R", "@/r", "-s", "vfs", "layers", "-j"];
        assert_eq!(conf.text(CONTAINERS_STORAGE, &words), "null\n");
    }
    let conf = Conf::new(VFS);
    fs::remove_file(conf.path("storage.conf")).unwrap();
    let ran = conf.run(CONTAINERS_STORAGE, &["layers"]);
    assert_eq!(ran.code, Some(1));
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        out.contains("(from CONTAINERS_STORAGE_CONF): it does not exist"),
        "{out}"
    );
}

#[test]
fn root_variables_override_the_configuration() {
    let Some(()) = require_root() else { return };
    let conf = Conf::new(&format!(
        "{VFS}[storage.options.vfs]\nignore_chown_errors = 'true'\n"
    ));
    assert!(
        conf.text(CONTAINERS_STORAGE, &["status"])
            .contains("Driver Options: [vfs.ignore_chown_errors=true]\n")
    );
    let mut command = conf.command(CONTAINERS_STORAGE, &["status"]);
    let ran = run(command.env("STORAGE_OPTS", ""));
    assert!(
        String::from_utf8_lossy(&ran.stderr).contains("Driver Options: []\n"),
        "{ran:?}"
    );
    conf.write(&VFS.replace("'vfs'", "'nosuch'"));
    let mut command = conf.command(CONTAINERS_STORAGE, &["status"]);
    let ran = run(command.env("STORAGE_DRIVER", "vfs"));
    assert!(
        String::from_utf8_lossy(&ran.stderr).contains("Driver Name: vfs\n"),
        "{ran:?}"
    );
}

#[test]
fn root_what_is_odd_is_told_when_debugging() {
    let Some(()) = require_root() else { return };
    let conf = Conf::new(&format!("{VFS}nosuch = 1\n"));
    assert_eq!(conf.text(CONTAINERS_STORAGE, &["layers", "-j"]), "null\n");
    let debugging = conf.text(CONTAINERS_STORAGE, &["-D", "layers", "-j"]);
    assert_eq!(
        debugging,
        "null\n@/storage.conf:5: unknown key storage.nosuch\n\
         debug: Root: @/g\ndebug: Run Root: @/r\ndebug: Driver Name: vfs\ndebug: Driver Options: []\n"
    );
    let layerhold = conf.text(LAYERHOLD, &["config"]);
    assert!(
        layerhold.ends_with("layerhold: @/storage.conf:5: unknown key storage.nosuch\n"),
        "{layerhold}"
    );
    // Go prints this without `-D` too.
    let mut command = conf.command(CONTAINERS_STORAGE, &["config"]);
    let ran = run(command.env("STORAGE_DRIVER", "overlay2"));
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(err.contains("overlay2 is called overlay now"), "{err}");
}

#[test]
fn the_configuration_is_shown_in_the_form_of_go() {
    let conf = Conf::new(
        "[storage]\ndriver = 'overlay'\ngraphroot = '@/g'\nrunroot = '@/r'\nimagestore = '@/<i>'\n\
         driver_priority = ['vfs', 'overlay']\ntransient_store = true\n\
         [storage.options]\nsize = '1G'\nroot-auto-userns-user = 'u'\nauto-userns-min-size = 1\n\
         auto-userns-max-size = 2\ndisable-volatile = true\npull_options = {use_hard_links = '2', ostree_repos = ''}\n",
    );
    assert_eq!(
        conf.text(CONTAINERS_STORAGE, &["config"]),
        "{\"runroot\":\"@/r\",\"root\":\"@/g\",\"imagestore\":\"@/\\u003ci\\u003e\",\"driver\":\"overlay\",\
         \"driver-priority\":[\"vfs\",\"overlay\"],\"driver-options\":[\"size=1G\"],\"root_auto_ns_user\":\"u\",\
         \"auto_userns_min_size\":1,\"auto_userns_max_size\":2,\"PullOptions\":{\"ostree_repos\":\"\",\"use_hard_links\":\"2\"},\
         \"disable-volatile\":true,\"transient_store\":true}\n"
    );
    let layerhold: serde_json::Value =
        serde_json::from_str(&conf.text(LAYERHOLD, &["--format", "json", "config"])).unwrap();
    assert_eq!(layerhold["root"], "@/g");
    assert_eq!(layerhold["driverOptions"], serde_json::json!(["size=1G"]));
    assert_eq!(layerhold["files"], serde_json::json!(["@/storage.conf"]));
    let table = conf.text(LAYERHOLD, &["config"]);
    assert!(
        table.starts_with("root                @/g\nrun root            @/r\n"),
        "{table}"
    );
    assert!(!Path::new(&conf.path("g")).exists(), "a store was made");

    // The file that is named counts, which the Go tool reads too late.
    fs::write(
        conf.path("other"),
        "[storage]\ngraphroot = '/x'\nrunroot = '/y'\n",
    )
    .unwrap();
    let other = "{\"runroot\":\"/y\",\"root\":\"/x\",\"PullOptions\":null}\n";
    assert_eq!(conf.text(CONTAINERS_STORAGE, &["config", "@/other"]), other);
    let ran = conf.run(CONTAINERS_STORAGE, &["config", "@/nosuch"]);
    assert_eq!((ran.code, ran.stdout.as_slice()), (Some(1), &b""[..]));
}

#[test]
fn root_commands_are_run_as_they_are() {
    let Some(()) = require_root() else { return };
    let conf = Conf::new("broken");
    assert_eq!(
        conf.text(CONTAINERS_STORAGE, &["unshare", "echo", "a b"]),
        "a b\n"
    );
    assert_eq!(
        conf.run(CONTAINERS_STORAGE, &["unshare", "sh", "-c", "exit 7"])
            .code,
        Some(7)
    );
    assert_eq!(
        conf.run(CONTAINERS_STORAGE, &["unshare", "sh", "-c", "kill -9 $$"])
            .code,
        Some(137)
    );
    let ran = conf.run(CONTAINERS_STORAGE, &["unshare", "/nosuch"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        String::from_utf8_lossy(&ran.stderr).contains("/nosuch"),
        "{ran:?}"
    );
    let mut command = conf.command(CONTAINERS_STORAGE, &["unshare"]);
    let shell = run(command
        .env("SHELL", "/bin/pwd")
        .current_dir(conf.dir.path()));
    assert_eq!(
        shell.text().trim_end(),
        fs::canonicalize(conf.dir.path()).unwrap().to_str().unwrap()
    );
    // Nor does the flag change anything for root.
    conf.write(VFS);
    assert_eq!(
        conf.text(CONTAINERS_STORAGE, &["-U", "layers", "-j"]),
        "null\n"
    );
}

/// A user that nothing is known about: neither a home nor any subordinate IDs.
const STRANGER: u32 = 64_321;

#[test]
fn root_ordinary_users_become_root_of_a_namespace() {
    let Some(()) = require_root() else { return };
    let conf = Conf::new("[storage]\ndriver = 'vfs'\ngraphroot = '@/g'\nrunroot = '@/r'\n");
    std::os::unix::fs::chown(conf.dir.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    let as_stranger = |words: &[&str]| {
        let mut command = conf.command(CONTAINERS_STORAGE, words);
        run(command.uid(STRANGER).gid(STRANGER).current_dir("/"))
    };
    let ran = as_stranger(&[
        "unshare",
        "sh",
        "-c",
        "id -u; cat /proc/self/uid_map; echo $_CONTAINERS_ROOTLESS_UID",
    ]);
    if String::from_utf8_lossy(&ran.stderr).contains("does the system permit them") {
        let _skipped = layerhold_testkit::skip::<()>(
            "user namespaces of ordinary users are forbidden",
            layerhold_testkit::SkipReason::Kernel,
        );
        return;
    }
    let out = ran.text();
    let words: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(
        words,
        ["0", "0", &STRANGER.to_string(), "1", &STRANGER.to_string()]
    );
    // The store is the user's own, from outside.
    assert_eq!(as_stranger(&["create-layer", "-i", "x"]).text(), "x\n");
    let stat = fs::metadata(conf.path("g/vfs/dir/x")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&stat), STRANGER);
    assert_eq!(as_stranger(&["layers", "-q"]).text(), "x\n");
}

#[test]
fn root_mounts_that_would_be_gone_at_once_are_refused() {
    let Some(()) = require_root() else { return };
    let conf = Conf::new("[storage]\ndriver = 'overlay'\ngraphroot = '@/g'\nrunroot = '@/r'\n");
    std::os::unix::fs::chown(conf.dir.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    let as_stranger = |program: &str, words: &[&str]| {
        let mut command = conf.command(program, words);
        run(command.uid(STRANGER).gid(STRANGER).current_dir("/"))
    };
    let ran = as_stranger(CONTAINERS_STORAGE, &["create-layer", "-i", "x"]);
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    if err.contains("does the system permit them") {
        let _skipped = layerhold_testkit::skip::<()>(
            "user namespaces of ordinary users are forbidden",
            layerhold_testkit::SkipReason::Kernel,
        );
        return;
    }
    assert_eq!(ran.text(), "x\n");
    let ran = as_stranger(LAYERHOLD, &["mount", "x"]);
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!((ran.code, &ran.stdout[..]), (Some(1), &b""[..]));
    assert!(err.contains("in `containers-storage unshare`"), "{err}");
    as_stranger(LAYERHOLD, &["check"]).assert_success();
    // There it works, and ends without a trace when it is unmounted.
    let script = format!("test -d $({LAYERHOLD} mount x) && {LAYERHOLD} unmount x");
    as_stranger(CONTAINERS_STORAGE, &["unshare", "sh", "-c", &script]).assert_success();
    as_stranger(LAYERHOLD, &["check"]).assert_success();
}

#[test]
fn root_flags_before_the_command_are_not_forgotten() {
    let Some(()) = require_root() else { return };
    let conf = Conf::new(VFS);
    conf.text(CONTAINERS_STORAGE, &["create-image", "-i", "image"]);
    let create = [
        "--transient-store",
        "create-container",
        "-i",
        "box",
        "image",
    ];
    conf.text(CONTAINERS_STORAGE, &create);
    assert_eq!(conf.text(CONTAINERS_STORAGE, &["containers"]), "");
    assert_eq!(
        conf.text(CONTAINERS_STORAGE, &["--transient-store", "containers"]),
        "box\n"
    );
    // What the configuration says can be taken back.
    conf.write(&format!("{VFS}transient_store = true\n"));
    assert_eq!(conf.text(CONTAINERS_STORAGE, &["containers"]), "box\n");
    let durable = ["containers", "--transient-store=false"];
    assert_eq!(conf.text(CONTAINERS_STORAGE, &durable), "");
    let image_store = ["--image-store", "@/images", "create-image", "-i", "other"];
    conf.text(CONTAINERS_STORAGE, &image_store);
    assert!(Path::new(&conf.path("images/vfs-images/images.json")).exists());
}

//! User namespaces of ordinary users, with files about subordinate IDs that the test writes.

use std::fs;
use std::path::Path;
use std::process::Command;

use layerhold_testkit::{Ran, SkipReason, TempDir, require_root, run, scratch, skip};

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD};

/// The user, who is in no file of this system.
const USER: &str = "54321";
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nmaia:x:54321:54321::/:/bin/sh\n";
const RANGES: &str = "other:1:2\nmaia:100000:65536\n";

/// A system on which only the files about users are the test's own.
struct System(TempDir);

impl System {
    fn new(subuid: &str, subgid: &str) -> Self {
        let dir = scratch();
        let etc = dir.path().join("etc");
        fs::create_dir(&etc).unwrap();
        for (name, text) in [("passwd", PASSWD), ("subuid", subuid), ("subgid", subgid)] {
            fs::write(etc.join(name), text).unwrap();
        }
        fs::create_dir(dir.path().join("home")).unwrap();
        std::os::unix::fs::chown(dir.path().join("home"), Some(54321), Some(54321)).unwrap();
        System(dir)
    }

    /// Runs a program as the user. `before` is a command of root's that changes the system a little
    /// more.
    fn run(&self, before: &str, words: &[&str]) -> Option<Ran> {
        let etc = self.0.path().join("etc").display().to_string();
        let home = self.0.path().join("home").display().to_string();
        let script = "etc=$1; before=$2; home=$3; shift 3; mount --bind \"$etc\" /etc; eval \"$before\"; \
                      exec setpriv --reuid 54321 --regid 54321 --clear-groups \
                      env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=\"$home\" XDG_RUNTIME_DIR=\"$home\" \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-e", "-c", script, "sh", &etc, before, &home]);
        let ran = run(command.args(words).current_dir("/"));
        if String::from_utf8_lossy(&ran.stderr).contains("does the system permit them") {
            let why = "user namespaces of ordinary users are forbidden";
            return skip(why, SkipReason::Kernel);
        }
        Some(ran)
    }

    /// The maps of a namespace, and what was said on the way.
    fn maps(&self, before: &str) -> Option<(String, String)> {
        let files = ["cat", "/proc/self/uid_map", "/proc/self/gid_map"];
        let words: Vec<&str> = [CONTAINERS_STORAGE, "unshare"]
            .into_iter()
            .chain(files)
            .collect();
        let ran = self.run(before, &words)?;
        assert_eq!(
            ran.code,
            Some(0),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let maps = String::from_utf8(ran.stdout.clone()).unwrap();
        let lines = maps.lines().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.join(":")
        });
        let maps: Vec<String> = lines.collect();
        Some((maps.join(","), String::from_utf8(ran.stderr).unwrap()))
    }
}

/// Whether this system has the programs that map ranges.
fn can_map() -> Option<()> {
    require_root()?;
    if Path::new("/usr/bin/newuidmap").exists() && Path::new("/usr/bin/newgidmap").exists() {
        return Some(());
    }
    skip("newuidmap and newgidmap are missing", SkipReason::SetUp)
}

#[test]
fn root_ranges_become_maps_without_a_word() {
    if can_map().is_none() {
        return;
    }
    let Some((maps, err)) = System::new(RANGES, RANGES).maps("true") else {
        return;
    };
    let both = format!("0:{USER}:1,1:100000:65536,0:{USER}:1,1:100000:65536");
    assert_eq!((maps, err), (both, String::new()));
}

#[test]
fn root_why_there_is_one_id_is_said() {
    if can_map().is_none() {
        return;
    }
    let one = format!("0:{USER}:1");
    let many = format!("0:{USER}:1,1:100000:65536");
    let says = |what: &str, why: &str| {
        format!("the user namespace has no {what} ID but that of maia: {why}\n")
    };
    let bad = |file: &str| {
        format!(
            "cannot use /etc/{file}: cannot parse subuid/gid information: format not correct in line 1: \"x:1\""
        )
    };
    let refused = "mount --bind /bin/false /usr/bin/newuidmap";
    for (subuid, subgid, before, users, groups, words) in [
        (
            "",
            RANGES,
            "true",
            &one,
            &many,
            says("user", "/etc/subuid has no range of IDs for the user"),
        ),
        (
            RANGES,
            "x:1\n",
            "true",
            &many,
            &one,
            says("group", &bad("subgid")),
        ),
        (
            "x:1\n",
            RANGES,
            "true",
            &one,
            &many,
            says("user", &bad("subuid")),
        ),
        (
            RANGES,
            RANGES,
            refused,
            &one,
            &many,
            says("user", "newuidmap failed: "),
        ),
    ] {
        let Some((maps, err)) = System::new(subuid, subgid).maps(before) else {
            return;
        };
        assert_eq!((maps, err), (format!("{users},{groups}"), words));
    }
    // A store works all the same, and says it once for each kind.
    let system = System::new("", "");
    let root = system.0.path().join("home/store");
    let root = root.to_str().unwrap();
    let words = ["--root", root, "--runroot", root, "--driver", "vfs", "gc"];
    fs::create_dir(root).unwrap();
    std::os::unix::fs::chown(root, Some(54321), Some(54321)).unwrap();
    let words: Vec<&str> = [LAYERHOLD].into_iter().chain(words).collect();
    let Some(ran) = system.run("true", &words) else {
        return;
    };
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.code, Some(0), "{err}");
    let starts = err
        .lines()
        .filter(|line| line.starts_with("layerhold: the user namespace has no "));
    assert_eq!(starts.count(), 2, "{err}");
}

#[test]
fn root_buildah_is_told_how_to_run_commands() {
    if can_map().is_none() {
        return;
    }
    let system = System::new(RANGES, RANGES);
    let shows = [
        "sh",
        "-c",
        "echo $BUILDAH_ISOLATION $_CONTAINERS_ROOTLESS_UID",
    ];
    let unshare = [CONTAINERS_STORAGE, "unshare"].into_iter().chain(shows);
    let words: Vec<&str> = unshare.clone().collect();
    let Some(ran) = system.run("true", &words) else {
        return;
    };
    assert_eq!(ran.text(), format!("rootless {USER}\n"));
    let words: Vec<&str> = ["BUILDAH_ISOLATION=chroot"]
        .into_iter()
        .chain(unshare)
        .collect();
    let Some(ran) = system.run("true", &words) else {
        return;
    };
    assert_eq!(ran.text(), format!("chroot {USER}\n"));
}

#[test]
fn commands_that_cannot_run_are_told_as_in_go() {
    for (command, words) in [
        (
            "nosuchcmd",
            "exec: \"nosuchcmd\": executable file not found in $PATH\n",
        ),
        ("/nosuch", "fork/exec /nosuch: no such file or directory\n"),
        (
            "./nosuch",
            "fork/exec ./nosuch: no such file or directory\n",
        ),
        ("/", "fork/exec /: permission denied\n"),
    ] {
        let mut unshare = Command::new(CONTAINERS_STORAGE);
        unshare
            .env("PATH", "/usr/bin:/bin")
            .env("CONTAINERS_STORAGE_CONF", "/dev/null");
        let ran = run(unshare.args(["unshare", command]));
        let err = String::from_utf8(ran.stderr).unwrap();
        // The lines before are about the user's namespace.
        let last = err.split_inclusive('\n').next_back();
        assert_eq!((ran.code, last), (Some(1), Some(words)), "{command}");
    }
}

#[test]
fn root_metacopy_that_cannot_work_is_told_when_mounting() {
    if can_map().is_none() {
        return;
    }
    let system = System::new(RANGES, RANGES);
    let store = system.0.path().join("home").display().to_string();
    // The kernel takes the option for mounts of root only.
    let script = format!(
        "{CONTAINERS_STORAGE} -g {store}/g -R {store}/r -s overlay create-layer -i x && cd {store} && \
         layerhold() {{ {LAYERHOLD} --root g --runroot r --driver overlay \"$@\"; }} && \
         layerhold --driver-option mountopt=metacopy=on mount x && layerhold unmount x && \
         layerhold mount -o metacopy=on x && layerhold unmount x && \
         layerhold --driver-option mountopt=nodev mount x && layerhold unmount x"
    );
    let Some(ran) = system.run(
        "true",
        &[CONTAINERS_STORAGE, "unshare", "sh", "-e", "-c", &script],
    ) else {
        return;
    };
    let err = String::from_utf8(ran.stderr.clone()).unwrap();
    let told = "layerhold: the mount option metacopy=on has no effect: neither the kernel nor the mount program supports it here\n";
    assert_eq!((ran.code, err), (Some(0), told.repeat(2)));
    assert_eq!(ran.text().lines().count(), 4);
}

#[test]
fn root_an_ordinary_user_builds_and_mounts_for_a_command() {
    if can_map().is_none() {
        return;
    }
    let system = System::new(RANGES, RANGES);
    let home = system.0.path().join("home").display().to_string();
    let script = format!(
        "cd {home}; mkdir tree; echo a > tree/a
         layerhold() {{ {LAYERHOLD} --root g --runroot r --driver overlay \"$@\"; }}
         layerhold build --dir tree --name x
         layerhold create x --name box
         layerhold mount box 2>&1 || echo \"refused, $?\"
         layerhold mount box -- sh -c 'id -u; cat {{}}/a; echo b > {{}}/b; chown 7:8 {{}}/b; exit 9' || echo $?
         layerhold mount
         layerhold cp box:/b b; stat -c %u:%g b
         layerhold cp -a=false box:/b kept; stat -c %u:%g kept"
    );
    let Some(ran) = system.run("true", &["sh", "-e", "-c", &script]) else {
        return;
    };
    let text = ran.text();
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert!(lines[0].contains("give `-- COMMAND`"), "{text}");
    let expected = [
        "refused, 1",
        "0",
        "a",
        "9",
        "LAYER  COUNT  PATH",
        "54321:54321",
        "100006:100007",
    ];
    assert_eq!(lines[1..], expected);
}

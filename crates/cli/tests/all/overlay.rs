//! Stores with the overlay driver, shared with buildah and podman and compared with `umoci`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use layerhold_sys::best_effort;
use layerhold_testkit::{
    Buildah, GoStore, TempDir, Tree, require_peer, require_root, run, scratch,
};

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD, digest};

/// A store for all of them. The driver's home is a mount of its own while the store is in use.
struct Shared {
    dir: TempDir,
    ours: GoStore,
    buildah: Buildah,
}

impl Shared {
    fn new() -> Self {
        let dir = scratch();
        let ours =
            GoStore::below(dir.path(), "overlay").with_program(Path::new(CONTAINERS_STORAGE));
        let buildah = Buildah::beside(&ours);
        Self { dir, ours, buildah }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn layerhold(&self) -> Command {
        let mut command = Command::new(LAYERHOLD);
        command.arg("--root").arg(self.ours.root());
        command.arg("--runroot").arg(self.ours.runroot());
        command.args(["--driver", "overlay"]);
        command
    }

    /// Loads the image of a layout as `localhost/i`.
    fn load(&self, layout: &Path) {
        let mut load = self.layerhold();
        load.arg("load").arg(layout).args(["--name", "localhost/i"]);
        run(&mut load).assert_success();
    }

    /// The tree of a layer as our mount shows it.
    fn tree(&self, layer: &str) -> Tree {
        let path = self.ours.run(["mount", layer]).text();
        let tree = Tree::of(Path::new(path.trim_end()));
        self.ours.run(["unmount", layer]).assert_success();
        tree
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.ours.run(["shutdown", "-f"]));
        let home = self.ours.root().join("overlay");
        best_effort(Command::new("umount").args(["-q", "-l"]).arg(home).output());
    }
}

/// Files of every kind that the second layer does something to.
fn lay_out(base: &Path) {
    for dir in ["keep", "gone", "opaque/sub", "swap"] {
        fs::create_dir_all(base.join(dir)).unwrap();
    }
    for file in ["keep/a", "gone/x", "opaque/sub/y", "file", "swap/z"] {
        fs::write(base.join(file), file).unwrap();
    }
    fs::hard_link(base.join("keep/a"), base.join("keep/same")).unwrap();
}

/// Removals, a directory that is replaced, a file that becomes a directory, the reverse, and a
/// directory that moves.
fn change(root: &Path) {
    fs::remove_dir_all(root.join("gone")).unwrap();
    fs::remove_dir_all(root.join("opaque")).unwrap();
    fs::create_dir(root.join("opaque")).unwrap();
    fs::write(root.join("opaque/new"), "new").unwrap();
    fs::remove_file(root.join("file")).unwrap();
    fs::create_dir(root.join("file")).unwrap();
    fs::write(root.join("file/in"), "in").unwrap();
    fs::remove_dir_all(root.join("swap")).unwrap();
    fs::write(root.join("swap"), "a file now").unwrap();
    run(Command::new("mv")
        .arg(root.join("keep"))
        .arg(root.join("moved")))
    .assert_success();
}

/// Packs a directory.
fn pack(dir: &Path, tar: &Path) {
    let mut command = Command::new("tar");
    command.arg("-C").arg(dir).arg("-cf").arg(tar).arg(".");
    run(&mut command).assert_success();
}

/// An archive of so many files called `content-…`.
fn small_files(shared: &Shared, count: usize) -> PathBuf {
    let (base, tar) = (shared.path("base"), shared.path("1.tar"));
    fs::create_dir(&base).unwrap();
    for n in 0..count {
        fs::write(base.join(format!("content-{n}")), "x").unwrap();
    }
    pack(&base, &tar);
    tar
}

/// An OCI layout with an image `i` of these archives, made by umoci.
fn layout_of(layout: &Path, layers: &[&Path]) -> String {
    let image = format!("{}:i", layout.display());
    let umoci = |words: &[&str], last: &Path| {
        run(Command::new("umoci").args(words).arg(last)).assert_success();
    };
    umoci(&["init", "--layout"], layout);
    umoci(&["new", "--image"], Path::new(&image));
    for layer in layers {
        umoci(&["raw", "add-layer", "--image", &image], layer);
    }
    image
}

/// What layers promise to keep. The root directory's attributes are the unpacker's affair when an
/// archive has no entry for it.
fn comparable(tree: Tree) -> Tree {
    tree.retain(|path, _| !path.as_os_str().is_empty())
        .without_directory_times()
        .map(|_, node| node.mtime.1 = 0)
}

#[test]
fn root_peer_a_layer_with_whiteouts_is_the_same_for_everybody() {
    let needed = require_root()
        .and_then(|()| require_peer("buildah"))
        .and_then(|()| require_peer("umoci"));
    if needed.is_none() {
        return;
    }
    let shared = Shared::new();
    let (base, first, second) = (
        shared.path("base"),
        shared.path("1.tar"),
        shared.path("2.tar"),
    );
    lay_out(&base);
    pack(&base, &first);
    let lower = shared
        .ours
        .id(["import-layer", "-f", first.to_str().unwrap()]);
    let upper = shared.ours.id(["create-layer", &lower]);
    let mounted = shared.ours.run(["mount", &upper]).text();
    change(Path::new(mounted.trim_end()));
    shared.ours.run(["unmount", &upper]).assert_success();
    let written = ["diff", "-u", "-f", second.to_str().unwrap(), &upper];
    shared.ours.run(written).assert_success();

    // The same two archives, unpacked by umoci, and brought back in.
    let (layout, bundle) = (shared.path("layout"), shared.path("bundle"));
    let image = layout_of(&layout, &[&first, &second]);
    let unpack = ["unpack", "--image", &image];
    run(Command::new("umoci").args(unpack).arg(&bundle)).assert_success();
    let theirs = comparable(Tree::of(&bundle.join("rootfs")));
    shared.load(&layout);
    let top = run(shared
        .layerhold()
        .args(["inspect", "--format", "json", "localhost/i"]))
    .text();
    let top: serde_json::Value = serde_json::from_str(&top).unwrap();
    let top = top[0]["record"]["layer"].as_str().unwrap().to_owned();
    comparable(shared.tree(&top)).assert_same(&theirs);
    comparable(shared.tree(&upper)).assert_same(&theirs);

    let container = shared.buildah.run(["from", "localhost/i"]).text();
    let container = container.trim_end();
    let mounted = shared.buildah.run(["mount", container]).text();
    let seen = comparable(Tree::of(Path::new(mounted.trim_end())));
    shared.buildah.run(["umount", container]).assert_success();
    seen.assert_same(&theirs);
}

#[test]
fn root_peer_a_layer_that_buildah_commits_has_the_digest_it_is_recorded_with() {
    let needed = require_root()
        .and_then(|()| require_peer("buildah"))
        .and_then(|()| require_peer("busybox"))
        .and_then(|()| require_peer("umoci"));
    if needed.is_none() {
        return;
    }
    let shared = Shared::new();
    let (base, first, layout) = (
        shared.path("base"),
        shared.path("1.tar"),
        shared.path("layout"),
    );
    lay_out(&base);
    fs::create_dir(base.join("bin")).unwrap();
    run(Command::new("sh")
        .args(["-c", "cp $(command -v busybox) \"$0\""])
        .arg(base.join("bin")))
    .assert_success();
    pack(&base, &first);
    drop(layout_of(&layout, &[&first]));
    shared.load(&layout);

    let container = shared.buildah.run(["from", "localhost/i"]).text();
    let container = container.trim_end();
    let script = "echo hello > /hello; rm -r /gone /file; mkdir /file; mv /keep /moved";
    let words = ["run", "--isolation", "chroot", container, "--"];
    let words = words
        .into_iter()
        .chain(["/bin/busybox", "sh", "-c", script]);
    shared.buildah.run(words).assert_success();
    shared
        .buildah
        .run(["commit", "-q", container, "localhost/made"])
        .assert_success();

    let image = shared
        .ours
        .run(["image", "-j", "localhost/made:latest"])
        .text();
    let image: serde_json::Value = serde_json::from_str(&image).unwrap();
    let top = image[0]["layer"].as_str().unwrap();
    let layer = shared.ours.run(["layer", "-j", top]).text();
    let layer: serde_json::Value = serde_json::from_str(&layer).unwrap();
    let tar = shared.ours.run(["diff", "-u", top]);
    tar.assert_success();
    assert_eq!(
        layer[0]["diff-digest"].as_str(),
        Some(digest(&tar.stdout).as_str())
    );
}

/// Runs a command of ours under strace. Returns how often files called `content-…` were touched,
/// and the store's locks that were held at such a moment.
fn touched_under_locks(shared: &Shared, words: &[&str]) -> (usize, BTreeSet<String>) {
    let trace = shared.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=fcntl,openat,unlinkat", "-o"]);
    command.arg(&trace).arg(CONTAINERS_STORAGE);
    command.arg("-g").arg(shared.ours.root());
    command.arg("-R").arg(shared.ours.runroot());
    command.args(["-s", "overlay"]).args(words);
    run(&mut command).assert_success();
    let (mut held, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let (mut touched, mut taken) = (0, 0);
    for line in fs::read_to_string(&trace).unwrap().lines() {
        let path = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        // The locks of temporary areas, which are never waited for, are elsewhere.
        let is_of_store = ["layers", "images", "containers"]
            .iter()
            .any(|kind| path.ends_with(&format!("-{kind}/{kind}.lock")));
        if is_of_store && line.contains("l_type=F_UNLCK") {
            held.remove(&path);
        } else if is_of_store && line.contains("F_OFD_SETLK") {
            held.insert(path);
            taken += 1;
        } else if line.contains("\"content-") {
            touched += 1;
            seen.extend(held.iter().cloned());
        }
    }
    assert!(taken > 0, "no lock was seen");
    (touched, seen)
}

#[test]
fn root_peer_contents_come_and_go_without_locks() {
    if require_root()
        .and_then(|()| require_peer("strace"))
        .is_none()
    {
        return;
    }
    let shared = Shared::new();
    let tar = small_files(&shared, 5);
    let import = ["import-layer", "-i", "a", "-f", tar.to_str().unwrap()];
    assert_eq!(touched_under_locks(&shared, &import), (5, BTreeSet::new()));
    let delete = ["delete-layer", "a"];
    assert_eq!(touched_under_locks(&shared, &delete), (5, BTreeSet::new()));
}

/// Runs a command of ours with every call of some kinds delayed, and reads the store all the while.
/// Returns how long it took, and the median and the longest of the reads.
fn reads_beside(shared: &Shared, calls: &str, words: &[&str]) -> (Duration, Duration, Duration) {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e"]);
    command.arg(format!("trace={calls}")).arg("-e");
    command.arg(format!("inject={calls}:delay_enter=10000"));
    command
        .arg(CONTAINERS_STORAGE)
        .arg("-g")
        .arg(shared.ours.root());
    command.arg("-R").arg(shared.ours.runroot());
    command.args(["-s", "overlay"]).args(words);
    command.stdout(Stdio::null());
    let begin = Instant::now();
    let mut slow = command.spawn().unwrap();
    let mut reads = Vec::new();
    let status = loop {
        if let Some(status) = slow.try_wait().unwrap() {
            break status;
        }
        reads.push(read_once(shared));
    };
    let took = begin.elapsed();
    assert!(status.success(), "{words:?}: {status}");
    reads.sort();
    assert!(reads.len() > 2, "only {} reads", reads.len());
    (took, reads[reads.len() / 2], reads[reads.len() - 1])
}

fn read_once(shared: &Shared) -> Duration {
    let begin = Instant::now();
    shared.ours.run(["layers"]).assert_success();
    begin.elapsed()
}

#[test]
fn root_peer_reads_do_not_wait_for_a_slow_import_or_delete() {
    let tools = require_root().and_then(|()| require_peer("strace"));
    if tools.is_none() {
        return;
    }
    let shared = Shared::new();
    // With ten milliseconds for each of them, a second and a half and more.
    let tar = small_files(&shared, 150);
    let mut idle: Vec<Duration> = (0..9).map(|_| read_once(&shared)).collect();
    idle.sort();
    let idle = idle[idle.len() / 2];
    let import = ["import-layer", "-i", "a", "-f", tar.to_str().unwrap()];
    let delete = ["delete-layer", "a"];
    for (calls, words) in [("utimensat", &import[..]), ("unlinkat", &delete)] {
        let (took, median, longest) = reads_beside(&shared, calls, words);
        // A read that waited for a lock would take as long as what is slow. Ratios only: other
        // tests run beside this one.
        assert!(longest * 2 < took, "{words:?}: {longest:?} of {took:?}");
        assert!(median < idle * 10, "{words:?}: {median:?}, idle {idle:?}");
    }
}

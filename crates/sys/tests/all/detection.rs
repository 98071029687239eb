//! Detects what a path is on and which processes use it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use layerhold_sys::mount::{self, Depth, Detach};
use layerhold_sys::{
    Dir, FsMagic, Hold, OverlayApi, OverlayMount, fs_magic, mount_at, mount_of, mount_users,
    supports_d_type,
};
use layerhold_testkit::{
    Feature, FilesystemKind, TempDir, require_feature, require_filesystem, require_root, scratch,
};

#[test]
fn root_loop_d_type_on_each_filesystem() {
    for kind in [
        FilesystemKind::Ext4,
        FilesystemKind::Xfs,
        FilesystemKind::Btrfs,
        FilesystemKind::Tmpfs,
    ] {
        let Some(filesystem) = require_filesystem(kind, 8) else {
            return;
        };
        let dir = Dir::open_ambient(filesystem.path()).unwrap();
        assert!(supports_d_type(&dir).unwrap(), "{kind:?}");
    }
}

#[test]
fn root_the_mount_of_a_file_with_strange_names() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 4) else {
        return;
    };
    let root = Dir::open_ambient(filesystem.path()).unwrap();
    let source = root.ensure_dir("so\\ur\tce", 0o700).unwrap();
    let target = root.ensure_dir("tar get\n", 0o700).unwrap();
    mount::bind_mount(source.path(), target.path(), Depth::Single).unwrap();
    let found = mount_at(target.path()).unwrap().unwrap();
    assert_eq!(found.mount_point, target.path());
    assert_eq!(found.root, Path::new("/so\\ur\tce"));
    assert_eq!(found.fs_type, "tmpfs");
    let above = mount_of(&root).unwrap().unwrap();
    assert_eq!(above.device, found.device);
    assert_ne!(above.id, found.id);
    let inside = Dir::open_ambient(target.path()).unwrap();
    mount::unmount(target.path(), Detach::Lazy).unwrap();
    // Still open, but not in the tree.
    assert_eq!(mount_of(&inside).unwrap(), None);
}

struct Overlay {
    scratch: TempDir,
}

impl Overlay {
    fn new() -> Option<Self> {
        require_root()?;
        require_feature(Feature::Overlay)?;
        let scratch = scratch();
        let base = Dir::open_ambient(scratch.path()).unwrap();
        for name in ["target", "upper", "work", "lower"] {
            base.create_dir(name, 0o755).unwrap();
        }
        std::fs::copy("/bin/sleep", scratch.path().join("lower/our-sleep")).unwrap();
        let overlay = OverlayMount::new(&base)
            .lower("lower")
            .upper("upper", "work");
        overlay
            .mount(Path::new("target"), OverlayApi::detect())
            .unwrap();
        let target = scratch.path().join("target");
        mount::set_propagation(&target, mount::Propagation::Private, Depth::Single).unwrap();
        Some(Self { scratch })
    }

    fn target(&self) -> std::path::PathBuf {
        self.scratch.path().join("target")
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        layerhold_sys::best_effort(mount::unmount(&self.target(), Detach::Lazy));
    }
}

/// A child process that is killed on drop.
struct Ended(Child);

impl Ended {
    fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut started = Self(child);
        // Each of them prints one line when it is ready.
        use std::io::BufRead;
        let mut line = String::new();
        let stdout = started.0.stdout.take().unwrap();
        std::io::BufReader::new(stdout)
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        started
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn root_who_keeps_a_mount_busy() {
    let Some(overlay) = Overlay::new() else {
        return;
    };
    let target = overlay.target();
    assert_eq!(
        fs_magic(&Dir::open_ambient(&target).unwrap()).unwrap(),
        FsMagic::OVERLAY
    );
    assert_eq!(mount_users(&target).unwrap(), []);

    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg("sh").arg(&target);
        command
    };
    let inside = Ended::start(&mut shell("cd \"$1\" && echo ready && read _"));
    let opened = Ended::start(&mut shell(
        "exec 7<\"$1/our-sleep\" && echo ready && read _",
    ));
    let program = Ended::start(&mut shell("echo ready && exec \"$1/our-sleep\" 100"));
    let mut other = Command::new("unshare");
    other.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        "echo ready; read _",
    ]);
    let other = Ended::start(&mut other);

    let expected = |child: &Ended, hold: Hold| (child.0.id(), vec![hold]);
    let mut expected = vec![
        expected(&inside, Hold::CurrentDirectory),
        expected(&opened, Hold::OpenFile(7)),
        expected(&program, Hold::MappedFile(target.join("our-sleep"))),
        expected(&other, Hold::MountNamespace(target.clone())),
    ];
    expected.sort();
    let found = || -> Vec<_> {
        let users = mount_users(&target).unwrap();
        users
            .into_iter()
            .map(|user| (user.pid, user.holds))
            .collect()
    };
    // The third prints its line before it becomes the other program.
    let mut attempts = 0;
    while found() != expected && attempts < 100 {
        attempts += 1;
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(found(), expected);
    let users = mount_users(&target).unwrap();
    let user = users
        .iter()
        .find(|user| user.pid == program.0.id())
        .unwrap();
    assert_eq!(user.command, "our-sleep");
    drop((inside, opened, program, other));
    assert_eq!(mount_users(&target).unwrap(), []);
}

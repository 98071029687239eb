//! Options of drivers, and their order.

use crate::memory::conf;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let config = conf(text).unwrap();
    assert_eq!(config.driver_options, expected);
    assert_eq!(config.warnings, []);
}

#[test]
fn options_come_in_the_order_of_go() {
    let text = r#"
[storage.options.zfs]
size = "z"
mountopt = "zm"
fsname = "zn"
[storage.options.vfs]
sync = "none"
ignore_chown_errors = "false"
[storage.options.overlay]
sync = "filesystem"
use_composefs = "true"
force_mask = "private"
skip_mount_home = "true"
inodes = "7"
size = "o"
mountopt = "om"
mount_program = "/p"
ignore_chown_errors = "true"
[storage.options.btrfs]
size = "b"
min_space = "bm"
[storage.options]
mountopt = "m"
force_mask = 0o755
ignore_chown_errors = "c"
skip_mount_home = "h"
mount_program = "/q"
size = "s"
additionallayerstores = ["/l"]
additionalimagestores = ["/a", "/b"]
"#;
    // A table may come after the tables in it.
    check(
        text,
        &[
            "imagestore=/a",
            "imagestore=/b",
            "additionallayerstore=/l",
            "size=s",
            "mount_program=/q",
            "skip_mount_home=h",
            "ignore_chown_errors=c",
            "force_mask=755",
            "mountopt=m",
            "btrfs.min_space=bm",
            "btrfs.size=b",
            "overlay.ignore_chown_errors=true",
            "overlay.mount_program=/p",
            "overlay.mountopt=om",
            "overlay.size=o",
            "overlay.inodes=7",
            "overlay.skip_mount_home=true",
            "overlay.force_mask=private",
            "overlay.use_composefs=true",
            "overlay.sync=filesystem",
            "vfs.ignore_chown_errors=false",
            "vfs.sync=none",
            "zfs.fsname=zn",
            "zfs.mountopt=zm",
            "zfs.size=z",
        ],
    );
}

#[test]
fn empty_texts_are_no_options() {
    check(
        "[storage.options]\nsize = ''\nforce_mask = 0\n[storage.options.overlay]\nmountopt = ''\n",
        &[],
    );
}

#[test]
fn a_mask_is_a_number_written_in_octal() {
    check(
        "[storage.options]\nforce_mask = 0o700\n",
        &["force_mask=700"],
    );
    check("[storage.options]\nforce_mask = 448\n", &["force_mask=700"]);
    check(
        "[storage.options]\nforce_mask = 4_4_8\nmountopt = 'm'\n",
        &["force_mask=700", "mountopt=m"],
    );
}

#[test]
fn mount_options_are_of_the_driver_named() {
    let text = "[storage]\ndriver = 'overlay'\n[storage.options.zfs]\nmountopt = 'z'\n\
                [storage.options.overlay]\nmountopt = 'nodev,metacopy=on'\n";
    assert_eq!(
        conf(text).unwrap().mount_options(),
        ["nodev", "metacopy=on"]
    );
    let general = format!("{text}[storage.options]\nmountopt = 'g'\n");
    assert_eq!(conf(&general).unwrap().mount_options(), ["g"]);
}

//! Mounting, beside the Go tool.

use crate::twin::Twin;

#[test]
fn root_peer_mounts_are_counted_alike() {
    let Some(twin) = Twin::filled() else { return };
    for line in [
        "mounted kid",
        "mount kid",
        "mount kid base",
        "mounted kid",
        "mounted kid top nosuch",
        "unmount kid",
        "mounted kid",
        "unmount kid",
        "mounted kid",
        // Once too often is no error.
        "unmount kid",
        "umount base",
        "mount nosuch",
        "mount ctr",
        "mounted ctr",
        "umount -f ctr",
        "mounted ctr",
        "umount nosuch",
        "mount -j kid",
        "layers --tree",
        "umount kid",
        "mount img",
        "umount img",
    ] {
        twin.same(line);
    }
    let (go, ours) = twin.both(&["mount", "-j", "nosuch", "kid"], b"");
    assert_eq!((go.code, go.out), (ours.code, ours.out));
    twin.same("umount kid");
}

#[test]
fn root_peer_json_is_all_that_is_printed() {
    let Some(twin) = Twin::filled() else { return };
    twin.same("mount kid");
    let why = "the Go tool mixes lines for people into its JSON";
    let (text, json) = ("kid mounted\n", "[{\"id\":\"kid\",\"error\":\"\"}]\n");
    twin.differs(
        "mounted -j kid",
        why,
        (0, &format!("{text}{json}")),
        (0, json),
    );
    let text = "kid mountpoint unmounted\n";
    twin.differs(
        "umount -j kid",
        why,
        (0, &format!("{text}{json}")),
        (0, json),
    );
}

#[test]
fn root_peer_parent_owners_agree() {
    let Some(twin) = Twin::filled() else { return };
    twin.same("create-container --id mapped --uidmap 0:5000:100 --gidmap 0:6000:100 img");
    for line in [
        "layer-parent-owners kid",
        "layer-parent-owners -j kid top",
        "container-parent-owners ctr",
        "container-parent-owners -j ctr",
        "container-parent-owners mapped",
        "mount mapped",
        "container-parent-owners mapped",
        "container-parent-owners -j mapped",
        "umount mapped",
    ] {
        twin.same(line);
    }
    let done = twin.ours("layer-parent-owners nosuch");
    assert_eq!(
        (done.code, done.err.as_str()),
        (Some(1), "nosuch: layer not known\n")
    );
}

#[test]
fn root_images_are_mounted_without_their_maps() {
    use std::os::unix::fs::MetadataExt;
    let Some(twin) = Twin::new() else { return };
    let import = "import-layer --id low --uidmap 0:1000:10 --gidmap 0:2000:10 -f @/a.tar";
    assert_eq!(twin.ours(import).code, Some(0));
    assert_eq!(twin.ours("create-image --id mapped low").code, Some(0));
    let mounted = twin.ours("mount --read-only mapped");
    assert_eq!((mounted.code, mounted.err.as_str()), (Some(0), ""));
    let again = twin.ours("mount -r mapped");
    assert_eq!(again.out, mounted.out);
    let path = mounted
        .out
        .trim_end()
        .replace("<store>", twin.path("ours").to_str().unwrap());
    // The copy has an ID of its own, which the output hides.
    let copies = twin.path("ours/root/vfs/dir");
    let copy = std::fs::read_dir(&copies)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| !path.ends_with("low"))
        .unwrap();
    assert_eq!(path.contains("<id"), copy.exists());
    let file = std::fs::metadata(copy.join("a")).unwrap();
    assert_eq!((file.uid(), file.gid()), (0, 0));
    let own = std::fs::metadata(copies.join("low/a")).unwrap();
    assert_eq!((own.uid(), own.gid()), (1000, 2000));
    assert_eq!(twin.ours("umount mapped").code, Some(0));
    assert_eq!(twin.ours("umount mapped").code, Some(0));
    assert_eq!(twin.ours("mounted low").out, "");
}

#[test]
fn root_shutting_down_unmounts_only_when_told_to() {
    let Some(twin) = Twin::filled() else { return };
    twin.same("mount kid");
    let done = twin.ours("shutdown");
    assert_eq!(done.code, Some(1));
    assert!(
        done.err.contains("layer is in use by a container"),
        "{}",
        done.err
    );
    // 1.43 never ends here.
    assert_eq!(twin.ours("shutdown -f").code, Some(0));
    assert_eq!(twin.ours("mounted kid").out, "");
    assert_eq!(twin.ours("mount kid").code, Some(0));
}

#[test]
fn root_mount_options_reach_the_driver() {
    let Some(twin) = Twin::filled() else { return };
    // The Go tool ignores the flag.
    let done = twin.ours("mount -o bad kid");
    assert_eq!((done.code, done.out.as_str()), (Some(1), "\n"));
    assert!(
        done.err
            .contains("vfs driver does not support mount options"),
        "{}",
        done.err
    );
}

#[test]
fn root_peer_mounts_are_found_by_name_and_beginning() {
    let Some(twin) = Twin::new() else { return };
    twin.same("create-layer --id 0123456789abcdef --name basename");
    let path = twin.ours("mount 0123456789abcdef").out;
    assert!(path.ends_with("/vfs/dir/0123456789abcdef\n"), "{path}");
    // The Go tool asks its driver for a layer of the name that was typed.
    for key in ["basename", "0123"] {
        let (go, ours) = twin.both(&["mount", key], b"");
        assert_eq!((ours.code, &ours.out), (Some(0), &path), "{key}");
        assert_ne!(go.out, path, "{key}");
    }
    for key in ["0123", "basename"] {
        assert_eq!(
            twin.ours(&format!("mounted {key}")).out,
            format!("{key} mounted\n")
        );
        assert_eq!(twin.ours(&format!("unmount {key}")).out, "");
    }
    let last = twin.ours("unmount 0123456789abcdef").out;
    assert_eq!(last, "0123456789abcdef mountpoint unmounted\n");
    assert_eq!(twin.ours("mounted basename").out, "");
}

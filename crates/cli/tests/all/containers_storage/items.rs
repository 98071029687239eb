//! Creating, listing, examining, naming and deleting, beside the Go tool.

use crate::support::upper_tar;
use crate::twin::Twin;

#[test]
fn root_peer_layers_are_made_and_shown_alike() {
    let Some(twin) = Twin::new() else { return };
    twin.same("create-layer --id base -n basename -n second");
    twin.same("create-layer -i kid base");
    twin.same("create-layer --json --id j1 base");
    twin.same("create-layer");
    twin.same("create-layer -j --id=j2 --readonly --label lbl");
    twin.same("create-layer basename");
    twin.same("import-layer --id imp -f @/a.tar");
    twin.same("import-layer --id imp2 -r -j -f @/b.tar imp");
    twin.same_with("import-layer --id imp3 imp2", &upper_tar());
    twin.same("importlayer --id imp4 -f @/a.tar --uidmap 0:1000:10 --gidmap 0:2000:10");
    twin.same("createlayer --id m1 --uidmap 0:1000:10");
    twin.same("create-layer --id m5 --hostuidmap --hostgidmap m1");
    twin.same("create-layer --id m6 m1");
    for line in [
        "layers",
        "layers --tree",
        "layer base",
        "layer basename kid",
        "layer -j base imp2",
        "layer m1 imp4",
    ] {
        twin.same(line);
    }
}

#[test]
fn root_peer_layers_are_refused_alike() {
    let Some(twin) = Twin::filled() else { return };
    for line in [
        "create-layer --id base",
        "create-layer -n basename",
        "create-layer nosuch",
        "import-layer -f @/a.tar nosuch",
        "import-layer --id x -f @/nosuch",
        "import-layer --id x -f @/junk",
        "create-layer --id m2 --hostuidmap --uidmap 0:1:1",
        "create-layer --id m3 --uidmap bad",
        "create-layer --id m4 --subuidmap no-such-user",
    ] {
        twin.same(line);
    }
    twin.same("layers");
}

#[test]
fn root_peer_images_are_made_and_shown_alike() {
    let Some(twin) = Twin::filled() else { return };
    let zeros = format!("sha256:{}", "0".repeat(64));
    let ones = format!("sha256:{}", "1".repeat(64));
    twin.same("create-image --id two -n second -n other/name top");
    twin.same("create-image -j --id three -m text");
    twin.same(&format!("create-image -i four -d {zeros} base"));
    twin.same("create-image -i five -f @/data base");
    for line in [
        "images",
        "images -q",
        "images -j",
        "image img",
        "image image second",
        "image -j three four",
        "create-image --id six nosuch",
        "create-image --id img",
        "create-image -n image",
        "create-image -i six -d bad base",
    ] {
        twin.same(line);
    }
    for digest in [&zeros, &ones, "bad", "md5:00", "sha256:00"] {
        twin.same(&format!("images-by-digest {digest}"));
        twin.same(&format!("images-by-digest -j {digest}"));
        twin.same(&format!("images-by-digest -q {digest}"));
    }
}

#[test]
fn root_peer_containers_are_made_and_shown_alike() {
    let Some(twin) = Twin::filled() else { return };
    twin.differs(
        "create-container --id named -n name img",
        "1.43 forgets the end of the line after names; newer ones do not",
        (0, "named\n\tname"),
        (0, "named\n\tname\n"),
    );
    twin.same("create-container -j --id two -m text image");
    twin.same_words(&["create-container", "--id", "bare", ""], b"");
    twin.same("create-container --id mapped --uidmap 0:5000:100 --gidmap 0:5000:100 img");
    twin.same("create-container img");
    for line in [
        "containers",
        "containers -j",
        "container ctr",
        "container name bare",
        "container -j two mapped",
        "create-container nosuch",
        "create-container --id ctr img",
        "create-container -n name img",
        // A container with maps has left a copy of the top layer.
        "image -j img",
        "layers --tree",
    ] {
        twin.same(line);
    }
}

#[test]
fn root_peer_what_is_missing_among_several_is_said() {
    let Some(twin) = Twin::filled() else { return };
    for (command, known, kind) in [
        ("layer", "base", "layer"),
        ("image", "img", "image"),
        ("container", "ctr", "container"),
    ] {
        for flag in ["", "-j "] {
            let line = format!("{command} {flag}nosuch {known}");
            let words: Vec<&str> = line.split(' ').collect();
            let (go, ours) = twin.both(&words, b"");
            assert_eq!((go.code, &go.out), (ours.code, &ours.out), "{line}");
            // The Go tool exits with 1 and does not print what is missing.
            assert_eq!((go.code, go.err.as_str()), (Some(1), ""));
            assert_eq!(ours.err, format!("nosuch: {kind} not known\n"));
        }
    }
}

#[test]
fn root_peer_exists_agrees() {
    let Some(twin) = Twin::filled() else { return };
    for line in [
        "exists base img ctr",
        "exists basename image",
        "exists nosuch base",
        "exists bas",
        "exists -q base",
        "exists -q nosuch",
        "exists -l base",
        "exists -i img",
        "exists -c ctr",
        "exists -q -l img",
        "exists -j base nosuch",
        "exists -j -i img",
    ] {
        // The Go tool prints the lines in the order of a hash table.
        twin.same_lines(line);
    }
    twin.differs(
        "exists -l img",
        "the Go tool says that it is there, and exits with 1 because it is something else",
        (1, "img: true\n"),
        (1, "img: false\n"),
    );
    twin.differs(
        "exists -j -c img",
        "the same in JSON",
        (1, "{\"img\":true}\n"),
        (1, "{\"img\":false}\n"),
    );
    let done = twin.ours("exists ctr base nosuch base");
    assert_eq!(done.out, "ctr: true\nbase: true\nnosuch: false\n");
}

#[test]
fn root_peer_names_are_changed_alike() {
    let Some(twin) = Twin::filled() else { return };
    for item in ["base", "img", "ctr"] {
        twin.same(&format!("get-names {item}"));
        twin.same(&format!(
            "set-names -n one-{item} -n two-{item} -n one-{item} {item}"
        ));
        twin.same(&format!("get-names -j {item}"));
        twin.same(&format!("set-names -j {item}"));
        twin.same(&format!("get-names -j {item}"));
        twin.same(&format!("add-names -j -n only-{item} {item}"));
        twin.same(&format!("addnames -j -n only-{item} {item}"));
        twin.same(&format!("add-names {item}"));
        twin.differs(
            &format!("add-names -j -n more-{item} {item}"),
            "1.43 puts new names last; newer ones, and podman, put them first",
            (0, &format!("[\"only-{item}\",\"more-{item}\"]\n")),
            (0, &format!("[\"more-{item}\",\"only-{item}\"]\n")),
        );
        twin.same(&format!("setnames -n only-{item} {item}"));
    }
    for command in ["get-names", "add-names -n x", "set-names -n x"] {
        twin.same(&format!("{command} nosuch"));
    }
    // It is found by a name that it loses.
    twin.same("set-names -n found img");
    twin.same("set-names -j -n lost found");
    // A name that another item of the same kind has moves.
    twin.same("create-image --id other -n taken");
    twin.same("set-names -n taken img");
    twin.same("get-names other");
    twin.same("get-names img");
    assert_eq!(twin.ours("remove-names -j -n taken img").out, "null\n");
    assert_eq!(twin.ours("removenames -n x nosuch").code, Some(1));
}

#[test]
fn root_peer_metadata_agrees() {
    let Some(twin) = Twin::filled() else { return };
    for line in [
        "metadata base img ctr",
        "metadata -q img",
        "metadata -j img ctr",
        "metadata nosuch img",
        "metadata -j nosuch",
        "set-metadata -m new img",
        "set-metadata -f @/data ctr",
        "set-metadata -m base base",
        "metadata img ctr base",
        "metadata -j ctr",
        "set-metadata img",
        "set-metadata -m x nosuch",
        "set-metadata -f @/nosuch img",
    ] {
        twin.same(line);
    }
    twin.same_words(&["set-metadata", "-m", "", "img"], b"");
}

#[test]
fn root_peer_deleting_agrees() {
    let Some(twin) = Twin::filled() else { return };
    for line in [
        "delete-layer base",
        "delete-layer top",
        "delete-layer nosuch",
        "delete-layer img",
        "delete-image img",
        "delete-image nosuch",
        "delete-image base",
        "delete-container nosuch",
        "delete-container img",
        "delete nosuch",
        "delete -j nosuch",
    ] {
        twin.same(line);
    }
    let (go, ours) = twin.both(&["delete-layer", "-j", "base", "nosuch"], b"");
    assert_eq!(
        go.out,
        "{\"base\":\"used by layer top: layer has children\",\"nosuch\":\"identifier is not a layer\"}\n"
    );
    assert_eq!(
        ours.out,
        "{\"base\":\"layer base is used by layer top: layer has children\",\"nosuch\":\"identifier is not a layer\"}\n"
    );
    for line in [
        "delete-container -j ctr",
        "deleteimage --test img",
        "delete-image -j -t img",
        "images -q",
        "delete kid",
        "delete-image -j img",
        "images",
        "layers",
        "delete-layer base",
        "layers",
        "containers",
    ] {
        twin.same(line);
    }
}

#[test]
fn root_the_whole_store_is_wiped_and_collected() {
    let Some(twin) = Twin::filled() else { return };
    twin.same("status");
    twin.same("status -j");
    twin.same("wipe");
    twin.same("wipe -j");
    for line in [
        "layers",
        "layers --tree",
        "images -j",
        "containers",
        "containers -j",
    ] {
        twin.same(line);
    }
    twin.same("shutdown");
    twin.same("shutdown -j");
    twin.same("shutdown -f");
    twin.differs(
        "version -j",
        "Debian's build of the Go tool has no version in it",
        (0, "[]\n"),
        (
            0,
            &format!("[[\"Version\",\"{}\"]]\n", env!("CARGO_PKG_VERSION")),
        ),
    );
    assert_eq!(twin.ours("gc -j").out, "\"\"\n");
    assert_eq!(twin.ours("storage-layers -j").out, "[]\n");
    assert_eq!(twin.ours("create-layer --id x").code, Some(0));
    assert_eq!(twin.ours("storage-layers").out, "x\n");
    // Layers of the driver alone are no layers of the store, and garbage to it.
    assert_eq!(twin.ours("create-storage-layer -i y x").out, "y\n");
    assert_eq!(twin.ours("create-storage-layer -r -j -i z").out, "\"z\"\n");
    assert_eq!(twin.ours("create-storage-layer").code, Some(0));
    assert_eq!(twin.ours("storage-layers").out.lines().count(), 4);
    assert_eq!(twin.ours("layers -q").out, "x\n");
    assert_eq!(twin.ours("create-storage-layer -i y").code, Some(1));
    assert_eq!(twin.ours("create-storage-layer nosuch").code, Some(1));
    assert_eq!(twin.ours("gc").code, Some(0));
    assert_eq!(twin.ours("storage-layers").out, "x\n");
    assert_eq!(twin.ours("layers -q").out, "x\n");
}

#[test]
fn root_ids_that_are_paths_are_refused() {
    let Some(twin) = Twin::new() else { return };
    for id in ["../../x", "a b", "/x", ".."] {
        for command in ["create-layer", "create-image"] {
            let ours = twin.ours_words(&[command, "-i", id]);
            assert_eq!(
                (ours.code, ours.out.as_str()),
                (Some(1), ""),
                "{command} {id:?}"
            );
            assert_eq!(ours.err.lines().count(), 1, "{}", ours.err);
        }
    }
    assert!(!twin.path("ours/x").exists() && !twin.path("x").exists());
    assert_eq!(twin.ours("layers -j").out, "null\n");
}

#[test]
fn root_garbage_is_not_collected_beside_damaged_records() {
    let Some(twin) = Twin::new() else { return };
    assert_eq!(twin.ours("create-layer --id kept").code, Some(0));
    std::fs::write(twin.path("ours/root/vfs-layers/layers.json"), "").unwrap();
    let done = twin.ours("gc");
    assert_eq!(done.code, Some(1));
    assert!(
        done.err.contains("error loading storage metadata"),
        "{}",
        done.err
    );
    assert!(twin.path("ours/root/vfs/dir/kept").is_dir());
}

#[test]
fn root_failures_of_a_delete_come_in_order() {
    let Some(twin) = Twin::new() else { return };
    for command in ["delete", "delete-layer", "delete-image", "delete-container"] {
        let done = twin.ours(&format!("{command} z a m"));
        let about: Vec<&str> = done
            .err
            .lines()
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(
            (done.code, about),
            (Some(1), vec!["a", "m", "z"]),
            "{command}"
        );
    }
}

#[test]
fn root_lists_say_which_records_they_leave_out() {
    let Some(twin) = Twin::filled() else { return };
    for (kind, id, flags) in [
        ("layer", "kid", " -q"),
        ("image", "img", " -j"),
        ("container", "ctr", ""),
    ] {
        let command = format!("{kind}s{flags}");
        assert_eq!(twin.ours(&command).err, "", "{command}");
        let path = twin
            .path("ours/root")
            .join(format!("vfs-{kind}s/{kind}s.json"));
        let text = std::fs::read_to_string(&path).unwrap();
        let damaged = text.replace(&format!("\"id\":\"{id}\""), "\"id\":7");
        assert_ne!(text, damaged);
        std::fs::write(&path, damaged).unwrap();
        let done = twin.ours(&command);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(!done.out.contains(id), "{done:?}");
        let start = format!("left out: cannot read the {kind} record at byte ");
        assert!(done.err.starts_with(&start), "{}", done.err);
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    }
}

#[test]
fn root_peer_lists_of_nothing_are_what_go_makes_of_them() {
    let Some(twin) = Twin::new() else { return };
    let why = "the newest has a list there that was never made";
    twin.differs("layers -j", why, (0, "[]\n"), (0, "null\n"));
    for line in [
        "images -j",
        "containers -j",
        "images-by-digest -j sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "exists -j nosuch",
    ] {
        twin.same(line);
    }
    twin.same("create-layer --id lay");
    twin.same("create-image --id img lay");
    for line in [
        "list-layer-data -j lay",
        "list-image-data -j img",
        "get-names -j img",
        "set-names -j img",
        "changes -j lay",
        "layer-parent-owners -j lay",
    ] {
        twin.same(line);
    }
}

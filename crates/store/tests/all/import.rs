//! Tests importing and creating layers.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::channel;

use layerhold::layerhold_idmap::{IdMap, IdMappingOptions, IdMappings, IdRange, MapChoice};
use layerhold::layerhold_ids::{CompressedDigest, DiffId, Digest, LayerId};
use layerhold::{
    BigDataItem, Codec, Conflict, ErrorKind, LayerSpec, StageError, Store, SyncMode,
    layerhold_archive,
};
use layerhold_testkit::{ChildSpec, TarBuilder, TarEntry, child_role};
use sha2::Digest as _;

use crate::support::{Place, file_tar, id, import, leftovers, long, options, reader, small_tar};

fn digest(bytes: &[u8]) -> Digest {
    Digest::sha256(sha2::Sha256::digest(bytes).into())
}

fn packed(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let mut writer = layerhold_archive::compressor(codec, Vec::new()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn every_fact_of_the_stream_is_recorded() {
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        if !codec.is_built_in() {
            continue;
        }
        let place = Place::new();
        let tar = small_tar();
        let stream = if codec == Codec::Plain {
            tar.clone()
        } else {
            packed(codec, &tar)
        };
        let staged = import(&place.store, LayerSpec::new(), &stream);
        let digests = staged.digests().unwrap();
        assert_eq!(digests.diff_id, DiffId::new(digest(&tar)));
        assert_eq!(digests.compressed, CompressedDigest::new(digest(&stream)));
        assert_eq!(
            (digests.diff_size, digests.compressed_size),
            (tar.len() as u64, stream.len() as u64)
        );
        assert_eq!((digests.content_size, digests.compression), (4, codec));
        let view = place.store.snapshot().unwrap();
        let layer = view.layer(staged.id().as_str()).unwrap();
        assert_eq!(layer.diff_id().unwrap(), digests.diff_id);
        assert_eq!(layer.compressed_digest().unwrap(), digests.compressed);
        assert_eq!(
            (layer.diff_size(), layer.compressed_size()),
            (Some(tar.len() as u64), Some(stream.len() as u64))
        );
        assert_eq!(
            (layer.compression(), layer.uids(), layer.gids()),
            (Some(codec), &[0, 7][..], &[0, 8][..])
        );
        assert!(staged.id().is_canonical() && layer.flags().is_empty());
        let tree = place.graph("vfs/dir").join(staged.id().as_str());
        assert_eq!(
            std::fs::read_to_string(tree.join("etc/hostname")).unwrap(),
            "box\n"
        );
        assert!(
            place
                .graph(&format!("vfs-layers/{}.tar-split.gz", staged.id()))
                .exists()
        );
        assert_eq!(leftovers(&place), Vec::<String>::new());
    }
}

#[test]
fn nothing_is_visible_before_the_commit_or_without_it() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    tx.import_layer(LayerSpec::new().name("base"), reader(&small_tar()))
        .unwrap();
    assert!(!place.store.exists("base").unwrap());
    assert!(!place.graph("vfs-layers/layers.json").exists());
    drop(tx);
    assert_eq!(place.records("vfs-layers/layers.json"), "-");
    assert_eq!(leftovers(&place), Vec::<String>::new());
    assert_eq!(
        std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
        0
    );
}

#[test]
fn a_failing_reader_leaves_nothing_and_the_transaction_goes_on() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("the network is gone"));
            }
            self.0 -= 1;
            let tar = small_tar();
            let length = buffer.len().min(512);
            buffer[..length].copy_from_slice(&tar[..length]);
            Ok(length)
        }
    }
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let error = tx.import_layer(LayerSpec::new(), Failing(1)).unwrap_err();
    let StageError::Import(cause) = error else {
        panic!("{error}")
    };
    assert!(
        matches!(*cause, layerhold_archive::ImportError::Read(_)),
        "{cause:?}"
    );
    let error = tx
        .import_layer(LayerSpec::new(), reader(b"no tar at all"))
        .unwrap_err();
    assert!(matches!(error, StageError::Import(_)), "{error}");
    tx.import_layer(LayerSpec::new().name("good"), reader(&small_tar()))
        .unwrap();
    let committed = tx.commit().unwrap();
    assert_eq!(committed.layers.len(), 1);
    assert_eq!(place.store.snapshot().unwrap().layers().count(), 1);
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn parents_are_in_the_store_or_in_the_transaction() {
    let place = Place::new();
    let base = import(&place.store, LayerSpec::new(), &file_tar("a", b"1"));
    let mut tx = place.store.begin().unwrap();
    let child = tx
        .import_layer(LayerSpec::new().parent(&base), reader(&file_tar("b", b"2")))
        .unwrap();
    let removing = TarBuilder::new()
        .entry(TarEntry::file(".wh.a", ""))
        .entry(TarEntry::file("c", "3"))
        .finish();
    let grandchild = tx
        .import_layer(LayerSpec::new().parent(&child), reader(&removing))
        .unwrap();
    assert_eq!(tx.staged_layer(child.id()), Some(&child));
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    let chain: Vec<LayerId> = view
        .layer_chain(grandchild.id())
        .unwrap()
        .iter()
        .map(|layer| layer.id().clone())
        .collect();
    assert_eq!(
        chain,
        [
            grandchild.id().clone(),
            child.id().clone(),
            base.id().clone()
        ]
    );
    let mut names: Vec<_> =
        std::fs::read_dir(place.graph("vfs/dir").join(grandchild.id().as_str()))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
    names.sort();
    assert_eq!(names, ["b", "c"]);
}

#[test]
fn taken_ids_and_names_are_found_before_anything_is_read() {
    struct Unread;
    impl Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("nothing should be read")
        }
    }
    let place = Place::new();
    let base = import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let mut tx = place.store.begin().unwrap();
    let mut kind = |spec: LayerSpec| tx.import_layer(spec, Unread).unwrap_err().kind();
    assert_eq!(
        kind(LayerSpec::new().id(base.id().clone())),
        Some(ErrorKind::DuplicateId)
    );
    assert_eq!(
        kind(LayerSpec::new().name("base")),
        Some(ErrorKind::DuplicateName)
    );
    assert_eq!(
        kind(LayerSpec::new().parent(id::<LayerId>("nosuch"))),
        Some(ErrorKind::LayerUnknown)
    );
    tx.create_layer(LayerSpec::new().id(id("x")).name("new"))
        .unwrap();
    let mut kind = |spec: LayerSpec| tx.import_layer(spec, Unread).unwrap_err().kind();
    assert_eq!(
        kind(LayerSpec::new().id(id("x"))),
        Some(ErrorKind::DuplicateId)
    );
    assert_eq!(
        kind(LayerSpec::new().name("new")),
        Some(ErrorKind::DuplicateName)
    );
}

#[test]
fn a_present_layer_is_reused_without_reading() {
    let place = Place::new();
    let base = import(
        &place.store,
        LayerSpec::new().id(id(&long('a'))),
        &small_tar(),
    );
    let mut tx = place.store.begin().unwrap();
    let again = tx
        .import_layer(
            LayerSpec::new().id(base.id().clone()).reuse_present(),
            std::io::empty(),
        )
        .unwrap();
    assert!(again.is_reused());
    assert_eq!(
        again.digests().unwrap().diff_id,
        base.digests().unwrap().diff_id
    );
    let child = LayerSpec::new()
        .id(base.id().clone())
        .parent(&base)
        .reuse_present();
    let error = tx.import_layer(child, std::io::empty()).unwrap_err();
    assert!(
        matches!(error, StageError::Conflict(Conflict::OtherParent { .. })),
        "{error}"
    );
    assert!(tx.commit().unwrap().layers.is_empty());
}

#[test]
fn a_layer_that_appears_before_the_commit_is_reused_or_refused() {
    let place = Place::new();
    let spec = || LayerSpec::new().id(id(&long('a')));
    let (mut first, mut second, mut third) = (
        place.store.begin().unwrap(),
        place.again().begin().unwrap(),
        place.store.begin().unwrap(),
    );
    first.import_layer(spec(), reader(&small_tar())).unwrap();
    second
        .import_layer(spec().reuse_present(), reader(&small_tar()))
        .unwrap();
    third.import_layer(spec(), reader(&small_tar())).unwrap();
    assert_eq!(first.commit().unwrap().layers, [long('a').as_str()]);
    assert!(second.commit().unwrap().layers.is_empty());
    assert_eq!(
        third.commit().unwrap_err().kind(),
        Some(ErrorKind::DuplicateId)
    );
    assert_eq!(place.store.snapshot().unwrap().layers().count(), 1);
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn a_parent_deleted_before_the_commit_stops_it() {
    let place = Place::new();
    let base = import(&place.store, LayerSpec::new(), &small_tar());
    let mut tx = place.store.begin().unwrap();
    tx.import_layer(
        LayerSpec::new().parent(&base).name("child"),
        reader(&small_tar()),
    )
    .unwrap();
    place.store.delete_layer(base.id().as_str()).unwrap();
    let error = tx.commit().unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LayerUnknown));
    assert!(!place.store.exists("child").unwrap());
    assert_eq!(place.records("vfs-layers/layers.json"), "[]");
    assert_eq!(
        std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
        0
    );
}

#[test]
fn digests_that_are_vouched_for_are_taken_over() {
    let place = Place::new();
    let (compressed, diff) = (digest(b"c"), digest(b"d"));
    let spec = LayerSpec::new()
        .trusted_compressed(CompressedDigest::new(compressed.clone()), Some(77))
        .trusted_diff_id(DiffId::new(diff.clone()));
    let staged = import(&place.store, spec, &packed(Codec::Gzip, &small_tar()));
    let digests = staged.digests().unwrap();
    assert_eq!(
        (digests.compressed.digest(), digests.diff_id.digest()),
        (&compressed, &diff)
    );
    assert_eq!(
        (digests.compressed_size, digests.diff_size),
        (77, small_tar().len() as u64)
    );
}

#[test]
fn digests_without_a_stream_are_not_recorded() {
    let place = Place::new();
    let vouched = || {
        LayerSpec::new()
            .trusted_compressed(CompressedDigest::new(digest(b"c")), Some(77))
            .trusted_diff_id(DiffId::new(digest(b"d")))
    };
    let template = import(&place.store, LayerSpec::new(), &small_tar());
    let mut tx = place.store.begin().unwrap();
    tx.create_layer(vouched().name("empty")).unwrap();
    let copy = vouched().name("copy").template(template.id().clone());
    tx.create_layer(copy).unwrap();
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    let empty = view.layer("empty").unwrap();
    assert_eq!((empty.compressed_digest(), empty.diff_id()), (None, None));
    assert_eq!((empty.compressed_size(), empty.diff_size()), (None, None));
    // A copy has the tar of its original.
    let copy = view.layer("copy").unwrap();
    assert_eq!(copy.diff_id().unwrap().digest(), &digest(&small_tar()));
    assert_eq!(copy.diff_size(), Some(small_tar().len() as u64));
}

#[test]
fn created_layers_are_empty_or_equal_to_their_parent_or_template() {
    let place = Place::new();
    let base = import(
        &place.store,
        LayerSpec::new().metadata("m"),
        &file_tar("a", b"1"),
    );
    let mut tx = place.store.begin().unwrap();
    let empty = tx.create_layer(LayerSpec::new()).unwrap();
    let child = tx.create_layer(LayerSpec::new().parent(&base)).unwrap();
    let copy = tx
        .create_layer(LayerSpec::new().template(&base).name("copy"))
        .unwrap();
    tx.commit().unwrap();
    let files = |id: &LayerId| {
        std::fs::read_dir(place.graph("vfs/dir").join(id.as_str()))
            .unwrap()
            .count()
    };
    assert_eq!(
        (files(empty.id()), files(child.id()), files(copy.id())),
        (0, 1, 1)
    );
    let view = place.store.snapshot().unwrap();
    let copy = view.layer("copy").unwrap();
    assert_eq!(
        (copy.diff_id(), copy.metadata()),
        (view.layer(base.id().as_str()).unwrap().diff_id(), "m")
    );
    let mut diff = Vec::new();
    place
        .store
        .diff(None, "copy", layerhold::DiffCompression::AsImported)
        .unwrap()
        .read_to_end(&mut diff)
        .unwrap();
    assert!(diff == file_tar("a", b"1"));
    assert_eq!(view.layer(child.id().as_str()).unwrap().diff_id(), None);
}

#[test]
fn data_items_and_flags_come_with_the_layer() {
    let place = Place::new();
    let spec = LayerSpec::new()
        .name("base")
        .big_data(BigDataItem::new("Key", "value"))
        .flag("mine", 3)
        .volatile();
    import(&place.store, spec, &small_tar());
    let mut text = String::new();
    place
        .store
        .layer_data("base", "Key")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "value");
    assert_eq!(place.store.layer_data_names("base").unwrap(), ["Key"]);
    assert!(
        place
            .records("vfs-layers/volatile-layers.json")
            .contains(r#""flags":{"mine":3}"#)
    );
    assert_eq!(place.records("vfs-layers/layers.json"), "-");
}

#[test]
fn root_owners_are_shifted_by_the_maps_and_children_inherit_them() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let map = IdMap::new(vec![IdRange::new(0, 100_000, 1000)]);
    let maps = IdMappingOptions {
        uids: MapChoice::Explicit(map.clone()),
        gids: MapChoice::Explicit(map.clone()),
    };
    let base = import(&place.store, LayerSpec::new().id_maps(maps), &small_tar());
    let child = import(
        &place.store,
        LayerSpec::new().parent(&base),
        &file_tar("x", b""),
    );
    let owner = |layer: &LayerId, file: &str| {
        let stat =
            std::fs::metadata(place.graph("vfs/dir").join(layer.as_str()).join(file)).unwrap();
        (stat.uid(), stat.gid())
    };
    assert_eq!(owner(base.id(), "etc/hostname"), (100_007, 100_008));
    assert_eq!(owner(child.id(), "x"), (100_000, 100_000));
    let view = place.store.snapshot().unwrap();
    assert_eq!(
        view.layer(child.id().as_str()).unwrap().id_maps(),
        IdMappings::new(map.clone(), map)
    );
    let host = IdMappingOptions {
        uids: MapChoice::Host,
        gids: MapChoice::Host,
    };
    let plain = import(
        &place.store,
        LayerSpec::new().parent(&base).id_maps(host),
        &file_tar("y", b""),
    );
    assert_eq!(
        (owner(plain.id(), "etc/hostname"), owner(plain.id(), "y")),
        ((7, 8), (0, 0))
    );
}

#[test]
fn a_slow_import_blocks_no_other_work() {
    struct Slow {
        gate: std::sync::mpsc::Receiver<()>,
        tar: std::io::Cursor<Vec<u8>>,
    }
    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer.len().min(512);
            let read = self.tar.read(&mut buffer[..length])?;
            if self.tar.position() >= 1024 {
                let _opened = self.gate.recv();
            }
            Ok(read)
        }
    }
    let place = Place::new();
    let (open, gate) = channel();
    let store = place.store.clone();
    let thread = std::thread::spawn(move || {
        let mut tx = store.begin().unwrap();
        let tar = std::io::Cursor::new(small_tar());
        tx.import_layer(LayerSpec::new().name("slow"), Slow { gate, tar })
            .unwrap();
        tx.commit().unwrap();
    });
    // The import waits for its reader; other work goes on.
    let other = place.again();
    import(&other, LayerSpec::new().name("fast"), &small_tar());
    assert_eq!(other.snapshot().unwrap().layers().count(), 1);
    other.delete_layer("fast").unwrap();
    drop(open);
    thread.join().unwrap();
    assert!(other.exists("slow").unwrap());
}

#[test]
fn progress_is_told_in_order_and_to_the_end() {
    let place = Place::new();
    let tar = file_tar("big", &vec![1; 3 << 20]);
    let mut told = Vec::new();
    let mut tx = place.store.begin().unwrap();
    tx.import_layer_with(LayerSpec::new(), reader(&tar), &mut |bytes| {
        told.push(bytes)
    })
    .unwrap();
    assert!(told.is_sorted());
    assert_eq!(told.last(), Some(&(tar.len() as u64)));
}

#[test]
fn garbage_of_the_same_id_is_no_obstacle() {
    let place = Place::new();
    let name = long('a');
    std::fs::create_dir_all(place.graph("vfs/dir").join(&name).join("old")).unwrap();
    std::fs::create_dir_all(place.graph("vfs-layers").join(&name)).unwrap();
    std::fs::write(
        place.graph(&format!("vfs-layers/{name}.tar-split.gz")),
        "old",
    )
    .unwrap();
    import(&place.store, LayerSpec::new().id(id(&name)), &small_tar());
    assert!(!place.graph("vfs/dir").join(&name).join("old").exists());
    assert!(!place.graph("vfs-layers").join(&name).exists());
    let mut diff = Vec::new();
    place
        .store
        .diff(None, &name, layerhold::DiffCompression::AsImported)
        .unwrap()
        .read_to_end(&mut diff)
        .unwrap();
    assert!(diff == small_tar());
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn a_copy_of_a_layer_of_the_same_transaction_has_its_tar_too() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let base = tx
        .import_layer(LayerSpec::new(), reader(&small_tar()))
        .unwrap();
    tx.create_layer(LayerSpec::new().template(&base).name("copy"))
        .unwrap();
    tx.commit().unwrap();
    let mut diff = Vec::new();
    let mut stream = place
        .store
        .diff(None, "copy", layerhold::DiffCompression::AsImported)
        .unwrap();
    stream.read_to_end(&mut diff).unwrap();
    assert!(diff == small_tar());
}

#[test]
fn a_layer_of_the_same_id_with_other_contents_is_not_reused() {
    let place = Place::new();
    let spec = || LayerSpec::new().id(id(&long('a'))).reuse_present();
    let (mut first, mut second) = (place.store.begin().unwrap(), place.again().begin().unwrap());
    first.import_layer(spec(), reader(&small_tar())).unwrap();
    second
        .import_layer(spec(), reader(&file_tar("other", b"x")))
        .unwrap();
    first.commit().unwrap();
    let error = second.commit().unwrap_err();
    assert!(
        matches!(
            error,
            layerhold::CommitError::Conflict(Conflict::OtherContents { .. })
        ),
        "{error}"
    );
}

#[test]
fn a_name_given_twice_is_recorded_once() {
    let place = Place::new();
    let spec = LayerSpec::new().name("a").name("b").name("a");
    import(&place.store, spec, &small_tar());
    let view = place.store.snapshot().unwrap();
    assert_eq!(view.layer("a").unwrap().names(), ["a", "b"]);
    assert!(
        place
            .records("vfs-layers/layers.json")
            .contains(r#""names":["a","b"]"#)
    );
}

/// Imports a layer under `strace`.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let base = Path::new(role.argument(0));
    let options = match role.name() {
        "filesystem" => options(base).with_sync(SyncMode::Filesystem),
        "none" => options(base).with_sync(SyncMode::None),
        "image-store" => options(base).with_image_store(base.join("images")),
        other => panic!("unknown role {other}"),
    };
    let spec = LayerSpec::new().read_only();
    import(&Store::open(options).unwrap(), spec, &small_tar());
}

/// The system calls of a process that imports a layer: flushes, syncs of directories, and renames
/// of contents and record files.
fn calls(sync: &str) -> Vec<String> {
    let place = layerhold_testkit::scratch();
    let trace = place.path().join("trace");
    let wrapper = [
        "strace",
        "-f",
        "-y",
        "-qqq",
        "-o",
        trace.to_str().unwrap(),
        "-e",
    ];
    let filter = "trace=syncfs,fsync,rename,renameat,renameat2";
    let child = ChildSpec::new("import::child_entry", sync)
        .argument(place.path().join("store").to_str().unwrap())
        .through(wrapper.into_iter().chain([filter]));
    assert!(child.spawn().wait().success());
    let trace = std::fs::read_to_string(trace).unwrap();
    let call = |line: &str| {
        // `12 renameat2(5</…/vfs-layers>, ".tmp-layers.json123", 5</…/vfs-layers>, "layers.json",
        // 0) = 0`
        let (_, line) = line.split_once(' ')?;
        let (name, arguments) = line.trim().split_once('(')?;
        let dir = arguments.rsplit_once('>')?.0.rsplit_once('/')?.1;
        match name {
            "syncfs" => Some("syncfs".to_owned()),
            "fsync" => Some(format!("sync {dir}")),
            _ if arguments.contains("\"layers.json\"") => Some("records".to_owned()),
            _ => Some(format!("move to {dir}")),
        }
    };
    trace.lines().filter_map(call).collect()
}

#[test]
fn peer_strace_sees_contents_flushed_before_records() {
    let Some(()) = layerhold_testkit::require_peer("strace") else {
        return;
    };
    let incomplete = ["records", "sync vfs-layers"];
    let moved = ["move to vfs-layers", "move to dir"];
    let synced = ["sync dir", "sync vfs-layers"];
    // One flush for the whole commit; then the records as incomplete, the renames of contents, and
    // the records as complete. Each step is durable before the next.
    let durable = [&["syncfs"], &incomplete[..], &moved, &synced, &incomplete];
    assert_eq!(calls("filesystem"), durable.concat());
    let none = [&incomplete[..], &moved, &incomplete];
    assert_eq!(calls("none"), none.concat());
    // Both directories are synced, since each may be on another filesystem.
    let synced = ["sync dir", "sync dir", "sync vfs-layers", "sync vfs-layers"];
    let split = [&["syncfs"], &incomplete[..], &moved, &synced, &incomplete];
    assert_eq!(calls("image-store"), split.concat());
}

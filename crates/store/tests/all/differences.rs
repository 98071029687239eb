//! Tests differences between layers.

use std::io::Read;

use layerhold::{
    Codec, DiffCompression, DiffError, ErrorKind, Key, LayerSpec, MountRequest, layerhold_archive,
};
use layerhold_testkit::{TarBuilder, TarEntry};

use crate::support::{Place, file_tar, import, small_tar};

fn diff(place: &Place, from: Option<&str>, to: &str, compression: DiffCompression) -> Vec<u8> {
    let mut bytes = Vec::new();
    place
        .store
        .diff(from.map(Key::from), to, compression)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

const PLAIN: DiffCompression = DiffCompression::As(Codec::Plain);

/// Names in a tar, sorted.
fn names(tar: &[u8]) -> Vec<String> {
    let mut reader = layerhold_tar_format::Reader::new(tar);
    let mut names = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        names.push(String::from_utf8(entry.header().name.clone()).unwrap());
    }
    names.sort();
    names
}

#[test]
fn an_imported_layer_comes_out_without_its_parent() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let base = place.store.snapshot().unwrap().layer("base").unwrap();
    let tar = file_tar("upper", b"new");
    let spec = LayerSpec::new().name("upper").parent(base.id().clone());
    import(&place.store, spec, &tar);
    place.store.delete("base").unwrap();
    assert!(diff(&place, None, "upper", PLAIN) == tar);
    let error = place.store.changes(None, "upper").unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LayerUnknown));
}

#[test]
fn an_imported_layer_comes_out_bit_for_bit() {
    let place = Place::new();
    let mut tar = TarBuilder::new()
        .entry(TarEntry::dir("d"))
        .entry(TarEntry::file("d/file", vec![7; 100_000]))
        .entry(TarEntry::hard_link("d/link", "d/file"))
        .entry(TarEntry::file(".wh.gone", ""))
        .entry(TarEntry::file("empty", ""))
        .finish();
    // What follows the end is part of the layer too.
    tar.extend_from_slice(&[0; 3000]);
    import(&place.store, LayerSpec::new().name("base"), &tar);
    assert!(diff(&place, None, "base", PLAIN) == tar);
    for codec in [Codec::Gzip, Codec::Zstd] {
        let packed = diff(&place, None, "base", DiffCompression::As(codec));
        assert_eq!(Codec::sniff(&packed), codec);
        let mut unpacked = Vec::new();
        layerhold_archive::decompressor(codec, packed.as_slice())
            .unwrap()
            .read_to_end(&mut unpacked)
            .unwrap();
        assert!(unpacked == tar);
    }
    let error = place
        .store
        .diff(None, "base", DiffCompression::As(Codec::Xz))
        .unwrap_err();
    assert!(matches!(error, DiffError::Compress(_)));
}

#[test]
fn the_compression_is_that_of_the_import() {
    let place = Place::new();
    let mut writer = layerhold_archive::compressor(Codec::Zstd, Vec::new()).unwrap();
    std::io::Write::write_all(&mut writer, &small_tar()).unwrap();
    import(
        &place.store,
        LayerSpec::new().name("base"),
        &writer.finish().unwrap(),
    );
    assert_eq!(
        Codec::sniff(&diff(&place, None, "base", DiffCompression::AsImported)),
        Codec::Zstd
    );
}

#[test]
fn a_changed_file_does_not_come_out_unnoticed() {
    let place = Place::new();
    import(
        &place.store,
        LayerSpec::new().name("base"),
        &file_tar("f", b"before"),
    );
    let path = place.store.mount("base", &MountRequest::new()).unwrap();
    std::fs::write(path.join("f"), "after!").unwrap();
    let mut bytes = Vec::new();
    let error = place
        .store
        .diff(None, "base", PLAIN)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap_err();
    assert!(!error.to_string().is_empty());
}

#[test]
fn changes_of_a_written_layer() {
    let place = Place::new();
    let base = import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let mut tx = place.store.begin().unwrap();
    tx.create_layer(LayerSpec::new().name("child").parent(&base))
        .unwrap();
    tx.commit().unwrap();
    let path = place.store.mount("child", &MountRequest::new()).unwrap();
    std::fs::write(path.join("etc/new"), "12345").unwrap();
    std::fs::remove_file(path.join("etc/link")).unwrap();
    std::fs::write(path.join("etc/hostname"), "other\n").unwrap();
    let list = |from: Option<&str>| {
        place
            .store
            .changes(from.map(Key::from), "child")
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let expected = ["C /etc", "C /etc/hostname", "D /etc/link", "A /etc/new"];
    let mut sorted = expected;
    sorted.sort_by_key(|line| line[2..].to_owned());
    assert_eq!(list(None), sorted);
    assert_eq!(list(Some("base")), sorted);
    assert_eq!(place.store.diff_size(None, "child").unwrap(), 11);
    let tar = diff(&place, None, "child", DiffCompression::AsImported);
    assert_eq!(
        names(&tar),
        ["etc/", "etc/.wh.link", "etc/hostname", "etc/new"]
    );
    // The reverse is another difference.
    let back = place.store.changes(Some("child".into()), "base").unwrap();
    assert!(back.iter().any(|change| change.to_string() == "D /etc/new"));
}

#[test]
fn unknown_layers_have_no_difference() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    for (from, to) in [(None, "nosuch"), (Some("nosuch"), "base")] {
        assert_eq!(
            place
                .store
                .diff(from.map(Key::from), to, PLAIN)
                .unwrap_err()
                .kind(),
            Some(ErrorKind::LayerUnknown)
        );
        assert_eq!(
            place
                .store
                .changes(from.map(Key::from), to)
                .unwrap_err()
                .kind(),
            Some(ErrorKind::LayerUnknown)
        );
        assert_eq!(
            place
                .store
                .diff_size(from.map(Key::from), to)
                .unwrap_err()
                .kind(),
            Some(ErrorKind::LayerUnknown)
        );
    }
}

#[test]
fn a_difference_may_be_left_half_read_and_blocks_no_other_work() {
    let place = Place::new();
    import(
        &place.store,
        LayerSpec::new().name("base"),
        &file_tar("big", &vec![1; 8 << 20]),
    );
    for compression in [PLAIN, DiffCompression::As(Codec::Gzip)] {
        let mut stream = place.store.diff(None, "base", compression).unwrap();
        let mut first = [0; 100];
        stream.read_exact(&mut first).unwrap();
        // The stream holds no lock.
        place.again().set_metadata("base", "changed").unwrap();
        drop(stream);
    }
}

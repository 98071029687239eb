//! What errors answer when a caller asks of what kind they are.

use std::io::{self, Read};
use std::path::Path;

use layerhold::layerhold_lockfile::LockFile;
use layerhold::layerhold_sys::Cancel;
use layerhold::{
    ContainerSpec, Error, ErrorKind, ImageSpec, LayerSpec, Store, StoreOptions, SyncMode,
};
use layerhold_testkit::{TarBuilder, TempDir, scratch};

fn store(place: &TempDir, cancel: Cancel) -> Store {
    let options = StoreOptions::new(place.path().join("root"), place.path().join("run"))
        .with_driver("vfs")
        .with_driver_option("vfs.ignore_chown_errors=true")
        .with_sync(SyncMode::None)
        .with_cancel(cancel);
    Store::open(options).unwrap()
}

/// The answers in the order: kind, not found, conflict, out of space, cancelled.
fn answers(error: impl Into<Error>) -> (Option<ErrorKind>, [bool; 4]) {
    let error = error.into();
    let questions = [
        error.is_not_found(),
        error.is_conflict(),
        error.is_out_of_space(),
        error.is_cancelled(),
    ];
    (error.kind(), questions)
}

const NOT_FOUND: [bool; 4] = [true, false, false, false];
const CONFLICT: [bool; 4] = [false, true, false, false];
const OUT_OF_SPACE: [bool; 4] = [false, false, true, false];
const CANCELLED: [bool; 4] = [false, false, false, true];

#[test]
fn what_is_missing_is_not_found() {
    let place = scratch();
    let store = store(&place, Cancel::new());
    let mut tx = store.begin().unwrap();
    tx.create_image(ImageSpec::new().without_manifest().name("i"))
        .unwrap();
    tx.create_container(ContainerSpec::new().name("c")).unwrap();
    tx.commit().unwrap();
    let missing = store.image_data("i", "nosuch").unwrap_err();
    assert_eq!(answers(missing), (Some(ErrorKind::DataUnknown), NOT_FOUND));
    let missing = store.container_data("c", "nosuch").unwrap_err();
    assert_eq!(answers(missing), (Some(ErrorKind::DataUnknown), NOT_FOUND));
    let missing = store.container_file("c", Path::new("nosuch")).unwrap_err();
    assert_eq!(answers(missing), (Some(ErrorKind::FileUnknown), NOT_FOUND));
    let missing = store.image_data("nosuch", "x").unwrap_err();
    assert_eq!(answers(missing), (Some(ErrorKind::ImageUnknown), NOT_FOUND));
}

#[test]
fn a_name_that_is_taken_is_a_conflict() {
    let place = scratch();
    let store = store(&place, Cancel::new());
    let mut tx = store.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("c")).unwrap();
    tx.commit().unwrap();
    let mut tx = store.begin().unwrap();
    let taken = tx
        .create_container(ContainerSpec::new().name("c"))
        .unwrap_err();
    assert_eq!(answers(taken), (Some(ErrorKind::DuplicateName), CONFLICT));
}

/// A stream that fails as a full disk does.
struct Full;

impl Read for Full {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn a_full_disk_is_found_among_the_causes() {
    let place = scratch();
    let store = store(&place, Cancel::new());
    let mut tx = store.begin().unwrap();
    let full = tx.import_layer(LayerSpec::new(), Full).unwrap_err();
    assert_eq!(answers(full), (Some(ErrorKind::OutOfSpace), OUT_OF_SPACE));
}

#[test]
fn cancelled_work_is_called_that() {
    let place = scratch();
    let cancel = Cancel::new();
    let store = store(&place, cancel.clone());
    let archive = TarBuilder::new().file("f", 0o644, b"1").finish();
    let mut tx = store.begin().unwrap();
    tx.import_layer(LayerSpec::new(), &*archive).unwrap();
    let mut other = store.begin().unwrap();
    cancel.cancel();
    let import = other.import_layer(LayerSpec::new(), &*archive).unwrap_err();
    assert_eq!(answers(import), (Some(ErrorKind::Cancelled), CANCELLED));
    let commit = tx.commit().unwrap_err();
    assert_eq!(answers(commit), (Some(ErrorKind::Cancelled), CANCELLED));
}

#[test]
fn a_codec_that_is_not_built_in_is_not_supported() {
    let place = scratch();
    let store = store(&place, Cancel::new());
    let mut tx = store.begin().unwrap();
    let error = tx
        .import_layer(LayerSpec::new(), &b"\xfd7zXZ\0"[..])
        .unwrap_err();
    let expected = (!cfg!(feature = "xz")).then_some(ErrorKind::NotSupported);
    assert_eq!(error.kind(), expected);
}

#[test]
fn a_wait_for_a_lock_that_was_cancelled_is_called_that() {
    let place = scratch();
    let holder = store(&place, Cancel::new());
    let cancel = Cancel::new();
    let waiting = store(&place, cancel.clone());
    let lock = place.path().join("root/vfs-layers/layers.lock");
    let held = LockFile::new(lock).unwrap().write().unwrap();
    cancel.cancel();
    let error = waiting.snapshot().unwrap_err();
    assert_eq!(answers(error), (Some(ErrorKind::Cancelled), CANCELLED));
    drop((held, holder));
}

/// Lists error types, after a check that each answers all four questions.
macro_rules! answering {
    ($($error:ty),* $(,)?) => {{
        $(let _questions: [fn(&$error) -> bool; 4] = [
            <$error>::is_not_found,
            <$error>::is_conflict,
            <$error>::is_out_of_space,
            <$error>::is_cancelled,
        ];)*
        [$(stringify!($error)),*]
    }};
}

#[test]
fn every_public_error_answers_all_four_questions() {
    use layerhold::check::CheckError;
    use layerhold::repair::RepairError;
    use layerhold::*;

    let mut answering = answering![
        AccessError,
        AdditionalLayerError,
        CheckError,
        CollectError,
        CommitError,
        Conflict,
        DataError,
        DeleteError,
        DiffError,
        DirectoryError,
        Error,
        InvalidRecord,
        LabelError,
        LookupError,
        MountError,
        OpenError,
        RepairError,
        ShutdownError,
        StageError,
        TransactionError,
        UnknownHashMethod,
        UpdateError,
        UsageError,
        UserNsError,
    ]
    .to_vec();
    answering.sort_unstable();
    // These are parts of reports and no operation fails with them.
    let reported = ["AttributeChange", "Damage", "FileChange", "Ignored"];
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for source in ["store/src", "selinux/src"] {
        public_errors(&crates.join(source), &mut found);
    }
    found.retain(|name| !reported.contains(&name.as_str()));
    found.sort_unstable();
    assert_eq!(found, answering);
}

/// Lists the public types that derive `thiserror::Error` in the sources below a directory.
fn public_errors(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            public_errors(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for after in text.split("thiserror::Error)]\n").skip(1) {
            let mut lines = after.lines();
            let item = lines.find(|line| !line.starts_with(['#', ' ', '/', ')', '"']));
            let words: Vec<&str> = item.unwrap_or_default().split_whitespace().collect();
            if let ["pub", "enum" | "struct", name, ..] = words[..] {
                found.push(name.trim_end_matches(';').to_owned());
            }
        }
    }
}

//! Tests applying diffs to existing layers.

use std::io::{Cursor, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use layerhold::{DiffCompression, DiffError, ErrorKind, LayerSpec, MountRequest};

use crate::support::{Place, file_tar, import, leftovers, reader, small_tar};

#[test]
fn the_layer_gets_the_files_and_the_digests() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    tx.create_layer(LayerSpec::new().name("mine")).unwrap();
    tx.commit().unwrap();
    for tar in [small_tar(), file_tar("second", b"12345")] {
        let size = place.store.apply_diff("mine", reader(&tar)).unwrap();
        let view = place.store.snapshot().unwrap();
        let layer = view.layer("mine").unwrap();
        assert_eq!(layer.diff_size(), Some(tar.len() as u64));
        let mut diff = Vec::new();
        place
            .store
            .diff(None, "mine", DiffCompression::AsImported)
            .unwrap()
            .read_to_end(&mut diff)
            .unwrap();
        assert!(diff == tar);
        assert!(size == 4 || size == 5);
    }
    let view = place.store.snapshot().unwrap();
    let layer = view.layer("mine").unwrap();
    assert_eq!((layer.uids(), layer.gids()), (&[0][..], &[0][..]));
    let tree = place.graph("vfs/dir").join(layer.id().as_str());
    assert!(tree.join("etc/hostname").exists() && tree.join("second").exists());
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn junk_changes_no_record() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let before = place.records("vfs-layers/layers.json");
    let error = place
        .store
        .apply_diff("base", reader(&[b'x'; 2000]))
        .unwrap_err();
    assert!(matches!(error, DiffError::Apply { .. }), "{error}");
    assert_eq!(place.records("vfs-layers/layers.json"), before);
    assert_eq!(
        place
            .store
            .apply_diff("nosuch", reader(b""))
            .unwrap_err()
            .kind(),
        Some(ErrorKind::LayerUnknown)
    );
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn a_slow_diff_blocks_no_other_work() {
    /// Returns a header, and then waits.
    struct Slow {
        begun: Sender<()>,
        gate: Receiver<()>,
        tar: Cursor<Vec<u8>>,
    }
    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.tar.position() == 1024 {
                self.begun.send(()).unwrap();
                let _opened = self.gate.recv();
            }
            let length = buffer.len().min(512);
            self.tar.read(&mut buffer[..length])
        }
    }
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("mine"), &small_tar());
    let (begun, has_begun) = channel();
    let (open, gate) = channel();
    let store = place.store.clone();
    let tar = Cursor::new(file_tar("second", &[b'2'; 4000]));
    let thread = std::thread::spawn(move || store.apply_diff("mine", Slow { begun, gate, tar }));
    has_begun.recv().unwrap();
    // The diff waits for its reader; other work goes on.
    let other = place.again();
    import(&other, LayerSpec::new().name("fast"), &small_tar());
    other.mount("mine", &MountRequest::new()).unwrap();
    other.delete_layer("fast").unwrap();
    assert_eq!(other.snapshot().unwrap().layers().count(), 1);
    assert!(!thread.is_finished());
    drop(open);
    assert_eq!(thread.join().unwrap().unwrap(), 4000);
    let size = file_tar("second", &[b'2'; 4000]).len() as u64;
    assert_eq!(
        other.snapshot().unwrap().layer("mine").unwrap().diff_size(),
        Some(size)
    );
}

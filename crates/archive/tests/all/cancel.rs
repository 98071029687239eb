//! Work that is asked to stop.

use std::io::{self, Write};

use layerhold_archive::{
    Cancel, ChangesError, CompareOptions, MergedError, OverlayForm, PackError, PackOptions,
    changes_size, compare, merged, overlay_changes, pack, pack_changes,
};
use layerhold_sys::is_cancelled;

use crate::support::UnpackDir;

/// Asks to stop after some bytes.
struct AskAfter {
    left: usize,
    written: usize,
    cancel: Cancel,
}

impl AskAfter {
    fn bytes(left: usize, cancel: &Cancel) -> Self {
        Self {
            left,
            written: 0,
            cancel: cancel.clone(),
        }
    }
}

impl Write for &mut AskAfter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len();
        if self.written > self.left {
            self.cancel.cancel();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tree() -> UnpackDir {
    let place = UnpackDir::new();
    for name in ["a", "b", "c"] {
        std::fs::write(place.root.join(name), vec![1; 10_000_000]).unwrap();
    }
    place
}

#[test]
fn packing_stops_within_a_file_and_between_entries() {
    let place = tree();
    let all = compare(&place.dir, None, &CompareOptions::new()).unwrap();
    assert_eq!(all.len(), 3);
    let pack_some = |to: &mut AskAfter, options: &PackOptions| {
        pack_changes(&place.dir, &all, options, to).map(|_| ())
    };
    let pack_all =
        |to: &mut AskAfter, options: &PackOptions| pack(&place.dir, options, to).map(|_| ());
    type Pack<'a> = &'a dyn Fn(&mut AskAfter, &PackOptions) -> Result<(), PackError>;
    let ways: [Pack<'_>; 2] = [&pack_all, &pack_some];
    for (number, way) in ways.into_iter().enumerate() {
        let cancel = Cancel::new();
        let options = PackOptions::new().with_cancel(cancel.clone());
        let mut to = AskAfter::bytes(1_000_000, &cancel);
        let error = way(&mut to, &options).unwrap_err();
        assert!(
            matches!(error, PackError::Cancelled(_)),
            "{number}: {error:?}"
        );
        assert!(is_cancelled(&error) && error.is_cancelled());
        assert!(to.written < 2_000_000, "{number}: {}", to.written);
        // Asked before it begins, it packs no entry at all.
        let mut to = AskAfter::bytes(0, &cancel);
        assert!(way(&mut to, &options).unwrap_err().is_cancelled());
        assert_eq!(to.written, 0, "{number}");
    }
}

#[test]
fn comparing_stops() {
    let place = tree();
    let all = compare(&place.dir, None, &CompareOptions::new()).unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    let dirs = [place.dir.clone()];
    let options = CompareOptions::new().with_cancel(cancel.clone());
    let ended = [
        compare(&place.dir, None, &options).map(drop),
        overlay_changes(&place.dir, &[], OverlayForm::Fuse, &cancel).map(drop),
        changes_size(&place.dir, &all, &cancel).map(drop),
    ];
    for (number, result) in ended.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert!(
            matches!(error, ChangesError::Cancelled(_)),
            "{number}: {error:?}"
        );
        assert!(is_cancelled(&error) && error.is_cancelled());
    }
    let error = merged(&dirs, OverlayForm::Fuse, &cancel).unwrap_err();
    assert!(matches!(error, MergedError::Cancelled(_)), "{error:?}");
    assert!(is_cancelled(&error) && error.is_cancelled());
}

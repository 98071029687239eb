//! What the errors answer when they are asked what kind of failure it was.

use std::fs;
use std::io;
use std::path::Path;

use layerhold::{Store, StoreOptions};
use layerhold_archive::Codec;
use layerhold_oci::{Event, Quiet, SaveOptions, TargetKind, load, save, save_stream};
use layerhold_sys::Cancel;

use crate::support::{DockerArchive, Place, two_layers};

/// Takes nothing.
struct Full;

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn root_errors_tell_what_is_missing_in_the_way_or_full() {
    let place = Place::new();
    let path = place.path("archive.tar");
    let archive = DockerArchive::new().image(&["app:1"], &two_layers(), Codec::Plain);
    fs::write(&path, archive.finish()).unwrap();
    let error = place.load(&place.path("nosuch")).unwrap_err();
    assert_eq!((error.is_not_found(), error.is_conflict()), (true, false));
    let other = place.options().image("other:1");
    let error = load(&place.store, &path, &other, &Quiet).unwrap_err();
    assert!(error.is_not_found() && !error.is_out_of_space(), "{error}");
    place.load(&path).unwrap();

    let options = SaveOptions::new(TargetKind::OciLayout).scratch(place.base());
    let to = |image: &str, path: &Path| {
        let images = [image.to_owned()];
        save(&place.store, &images, path, &options, &Quiet).unwrap_err()
    };
    let error = to("nosuch", &place.path("layout"));
    assert_eq!((error.is_not_found(), error.is_conflict()), (true, false));
    for taken in [path.as_path(), place.base()] {
        let error = to("app:1", taken);
        assert_eq!((error.is_not_found(), error.is_conflict()), (false, true));
    }
    let images = ["app:1".to_owned()];
    let error = save_stream(&place.store, &images, &mut Full, &options, &Quiet).unwrap_err();
    assert!(error.is_out_of_space() && !error.is_not_found(), "{error}");
}

#[test]
fn root_errors_tell_that_a_load_was_cancelled() {
    let place = Place::new();
    let path = place.path("archive.tar");
    let archive = DockerArchive::new().image(&["app:1"], &two_layers(), Codec::Plain);
    fs::write(&path, archive.finish()).unwrap();
    let cancel = Cancel::new();
    let options = StoreOptions::new(place.path("other"), place.path("other-run"))
        .with_driver("vfs")
        .with_cancel(cancel.clone());
    let store = Store::open(options).unwrap();
    let cancelling = move |event: Event<'_>| {
        if matches!(event, Event::LayerStarted { .. }) {
            cancel.cancel();
        }
    };
    let error = load(&store, &path, &place.options(), &cancelling).unwrap_err();
    assert!(error.is_cancelled() && !error.is_not_found(), "{error}");
}

//! What the errors answer when they are asked what kind of failure it was.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use layerhold::{Store, StoreOptions};
use layerhold_archive::Codec;
use layerhold_oci::{
    Compression, Event, ImageBuilder, LoadError, Progress, Quiet, SaveOptions, TargetKind, load,
    load_stream, save, save_stream,
};
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

/// Runs an operation and breaks off at its first event of a kind; returns whether it ended so.
fn broken_off<E>(
    at: fn(&Event<'_>) -> bool,
    operation: impl FnOnce(&dyn Progress) -> Result<(), E>,
) -> Result<(), E> {
    let progress = |event: Event<'_>| match at(&event) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    operation(&progress)
}

#[test]
fn root_a_receiver_of_events_breaks_off_loading_saving_and_building() {
    let advanced = |event: &Event<'_>| matches!(event, Event::LayerAdvanced { .. });
    let finished = |event: &Event<'_>| matches!(event, Event::LayerFinished { .. });
    let committing = |event: &Event<'_>| matches!(event, Event::Committing);
    let place = Place::new();
    let path = place.path("archive.tar");
    let archive = DockerArchive::new().image(&["app:1"], &two_layers(), Codec::Plain);
    fs::write(&path, archive.finish()).unwrap();
    for at in [advanced, finished, committing] {
        let loading = |progress: &dyn Progress| {
            load(&place.store, &path, &place.options(), progress).map(drop)
        };
        let error = broken_off(at, loading).unwrap_err();
        assert!(error.is_cancelled() && !error.is_conflict(), "{error}");
        let building = |progress: &dyn Progress| {
            let builder = ImageBuilder::new().filled(|root| fs::write(root.join("x"), "1"));
            builder.build_with(&place.store, progress).map(drop)
        };
        let error = broken_off(at, building).unwrap_err();
        assert!(error.is_cancelled() && !error.is_not_found(), "{error}");
        place.assert_empty();
    }
    place.load(&path).unwrap();
    for kind in [
        TargetKind::OciLayout,
        TargetKind::OciArchive,
        TargetKind::DockerArchive,
    ] {
        for at in [advanced, finished] {
            let target = place.path("target");
            let options = SaveOptions::new(kind).compression(Compression::Gzip);
            let saving = |progress: &dyn Progress| {
                let options = options.scratch(place.base());
                save(&place.store, &["app:1"], &target, &options, progress).map(drop)
            };
            let error = broken_off(at, saving).unwrap_err();
            assert!(error.is_cancelled(), "{kind:?}: {error}");
            assert!(!target.exists(), "{kind:?}: the target is removed");
        }
    }
}

#[test]
fn root_reading_a_stream_is_cancelled() {
    let place = Place::new();
    let cancel = Cancel::new();
    cancel.cancel();
    let store = place.store.with_cancel(cancel);
    let endless = &mut io::repeat(0);
    let error = load_stream(&store, endless, &place.options(), &Quiet).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    let LoadError::Source(error) = error else {
        panic!("{error:?}");
    };
    assert!(error.is_cancelled() && !error.is_conflict() && !error.is_out_of_space());
}

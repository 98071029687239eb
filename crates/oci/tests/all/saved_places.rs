//! Where an archive is written: through links, to pipes, and to files without a name.

use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use layerhold_archive::Codec;
use layerhold_oci::{Event, ImageBuilder, Quiet, SaveError, SaveOptions, TargetKind, save};

use crate::save::save_all;
use crate::support::{Place, entries, simple_layout};

fn place() -> Place {
    let place = Place::new();
    let source = simple_layout(place.path("in"), Codec::Plain, "one:1");
    place.load(&source).unwrap();
    place
}

fn save_to(place: &Place, path: &Path) {
    let options = SaveOptions::new(TargetKind::DockerArchive);
    save_all(place, &["one:1"], path, options);
}

#[test]
fn root_a_link_stays_and_its_target_is_written() {
    let place = place();
    let whole = place.path("whole");
    save_to(&place, &whole);
    let whole = fs::read(whole).unwrap();
    fs::create_dir(place.path("dir")).unwrap();
    fs::write(place.path("dir/old"), "old").unwrap();
    for (link, to, file) in [
        ("there", "dir/old", "dir/old"),
        ("missing", "dir/new", "dir/new"),
        ("twice", "missing", "dir/new"),
    ] {
        let link = place.path(link);
        symlink(to, &link).unwrap();
        save_to(&place, &link);
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(to));
        assert!(fs::read(place.path(file)).unwrap() == whole, "{file}");
        fs::write(place.path(file), "old").unwrap();
    }
    // The parts of a target that cannot be made are the target's.
    symlink("nosuch/new", place.path("astray")).unwrap();
    let options = SaveOptions::new(TargetKind::DockerArchive);
    let names = ["one:1".to_owned()];
    let quiet = Quiet;
    let error = save(
        &place.store,
        &names,
        &place.path("astray"),
        &options,
        &quiet,
    );
    assert!(error.is_err());
    symlink("loop", place.path("loop")).unwrap();
    let error = save(&place.store, &names, &place.path("loop"), &options, &quiet);
    assert!(error.is_err());
    assert!(
        fs::symlink_metadata(place.path("loop"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn root_a_pipe_is_written_to() {
    let place = place();
    let whole = place.path("whole");
    save_to(&place, &whole);
    let pipe = place.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            fs::File::open(pipe)
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
            bytes
        })
    };
    save_to(&place, &pipe);
    assert!(reader.join().unwrap() == fs::read(whole).unwrap());
    use std::os::unix::fs::FileTypeExt;
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn root_an_open_file_is_written_to_with_and_without_a_name() {
    for has_name in [true, false] {
        check_open_file(has_name);
    }
}

fn check_open_file(has_name: bool) {
    let place = place();
    let whole = place.path("whole");
    save_to(&place, &whole);
    let path = place.path("gone");
    fs::write(&path, vec![b'x'; 1_000_000]).unwrap();
    let mut file = fs::File::open(&path).unwrap();
    if !has_name {
        fs::remove_file(&path).unwrap();
    }
    save_to(
        &place,
        Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())),
    );
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert!(bytes == fs::read(whole).unwrap());
    assert!(!fs::exists(place.path("gone (deleted)")).unwrap());
}

#[test]
fn root_a_layout_is_as_it_was_when_saving_into_it_fails() {
    let place = Place::new();
    let target = place.path("layout");
    let options = SaveOptions::new(TargetKind::OciLayout).scratch(place.base());
    let first = ImageBuilder::new().filled(|root| fs::write(root.join("a"), "1"));
    let first = first.name("first").build(&place.store).unwrap();
    save(&place.store, &["first"], &target, &options, &Quiet).unwrap();
    let files = || {
        let blobs = entries(&target.join("blobs/sha256"));
        (blobs, fs::read(target.join("index.json")).unwrap())
    };
    let before = files();
    let second = ImageBuilder::from_image("first").filled(|root| fs::write(root.join("b"), "2"));
    let second = second.name("second").build(&place.store).unwrap();
    assert_eq!(second.layers[0], first.layers[0]);
    let stop = |event: Event<'_>| match event {
        Event::LayerFinished { index: 1 } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let error = save(&place.store, &["second"], &target, &options, &stop).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(files(), before);
    // A save that was killed leaves blobs; the next one goes on.
    let killed = place.path("killed");
    fs::create_dir_all(killed.join("blobs/sha256")).unwrap();
    fs::write(killed.join("blobs/sha256/.tmp-1"), "half").unwrap();
    save(&place.store, &["second"], &killed, &options, &Quiet).unwrap();
    // What is something else stays.
    let other = place.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("x"), "1").unwrap();
    let error = save(&place.store, &["second"], &other, &options, &Quiet).unwrap_err();
    assert!(matches!(error, SaveError::NotALayout { .. }), "{error:?}");
    assert_eq!(entries(&other), ["x"]);
}

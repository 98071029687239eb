//! Rebuilding from a directory.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::symlink;

use crate::archives::{files, record};
use layerhold_tar_split::layerhold_sys::Dir;
use layerhold_tar_split::{ContentSource, Rebuild, RebuildError, Skeleton, rebuild};
use layerhold_testkit::scratch;

#[test]
fn an_archive_comes_back_from_a_tree() {
    let archive = files(&[
        (b"a", &[1; 600]),
        (b"d/b", &[2; 70_000]),
        (b"./d/./c", b"c"),
    ]);
    let (lines, _) = record(&archive);
    let place = scratch();
    std::fs::create_dir(place.path().join("d")).unwrap();
    std::fs::write(place.path().join("a"), [1; 600]).unwrap();
    std::fs::write(place.path().join("d/b"), [2; 70_000]).unwrap();
    std::fs::write(place.path().join("d/c"), b"c").unwrap();
    let tree = Dir::open_ambient(place.path()).unwrap();
    let mut rebuilt = Vec::new();
    let mut reader = Rebuild::new(Skeleton::from_lines(lines.as_bytes()), tree.clone());
    reader.read_to_end(&mut rebuilt).unwrap();
    assert!(rebuilt == archive);
    std::fs::remove_file(place.path().join("d/b")).unwrap();
    let skeleton = Skeleton::from_lines(lines.as_bytes());
    let error = rebuild(skeleton, &mut tree.clone(), &mut Vec::new()).unwrap_err();
    assert!(error.is_not_found());
    assert!(matches!(error, RebuildError::Open { name, .. } if name == b"d/b"));
}

#[test]
fn no_name_leads_out_of_the_directory() {
    let place = scratch();
    let (outside, inside) = (place.path().join("secret"), place.path().join("tree"));
    std::fs::write(&outside, "secret").unwrap();
    std::fs::create_dir_all(inside.join("d")).unwrap();
    std::fs::write(inside.join("d/f"), "inside").unwrap();
    std::fs::create_dir(inside.join("pipes")).unwrap();
    symlink("/d", inside.join("absolute")).unwrap();
    symlink("../../../../d", inside.join("up")).unwrap();
    symlink(place.path(), inside.join("out")).unwrap();
    symlink(&outside, inside.join("link")).unwrap();
    symlink("d/f", inside.join("last")).unwrap();
    let mut tree = Dir::open_ambient(&inside).unwrap();
    let mut read = |name: &str| {
        let mut text = String::new();
        let mut file = tree.open(name.as_bytes()).map_err(|error| error.kind())?;
        file.read_to_string(&mut text).unwrap();
        Ok(text)
    };
    let found = Ok("inside".to_owned());
    for name in ["d/f", "/d/f", "../d/f", "absolute/f", "up/f", "x/../../d/f"] {
        assert_eq!(read(name), found, "{name}");
    }
    for name in ["secret", "../secret", "out/secret", "up/../secret"] {
        assert_eq!(read(name), Err(ErrorKind::NotFound), "{name}");
    }
    for name in ["link", "last", "d", "", ".", ".."] {
        assert_eq!(read(name), Err(ErrorKind::InvalidInput), "{name}");
    }
}

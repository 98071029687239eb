//! Lost short names and lists are found again.

use std::fs;

use layerhold_driver::{Driver, LayerAccess, LayerError, MountOptions, Repairable};
use layerhold_testkit::TarBuilder;

use crate::support::{Place, id, names, read, write};

/// The layers `a`, `b` on it, `c` on that, and `x` on `a`, each with a file of its name.
fn place() -> Option<Place> {
    let place = Place::new()?;
    for (name, parent) in [
        ("a", None),
        ("b", Some("a")),
        ("c", Some("b")),
        ("x", Some("a")),
    ] {
        place.layer(
            name,
            parent,
            &TarBuilder::new().file(name, 0o644, name).finish(),
        );
    }
    Some(place)
}

/// Everything the driver notes about the layers.
fn notes(place: &Place) -> Vec<String> {
    let mut notes = Vec::new();
    for name in ["a", "b", "c", "x"] {
        for file in ["link", "lower"] {
            let path = place.home(name).join(file);
            notes.push(format!("{name} {file} {:?}", fs::read_to_string(path).ok()));
        }
    }
    let links = place.home("l");
    for link in if links.exists() {
        names(&links)
    } else {
        Vec::new()
    } {
        let target = fs::read_link(place.home("l").join(&link)).unwrap();
        notes.push(format!("{link} {}", target.display()));
    }
    notes
}

#[track_caller]
fn check_mounts(place: &Place) {
    for (name, shown) in [("a", "a"), ("b", "a b"), ("c", "a b c"), ("x", "a x")] {
        place.mounted(name, |path| assert_eq!(names(path).join(" "), shown));
    }
}

/// Damages the notes, mounts everything, and expects the notes to be as before.
#[track_caller]
fn check(damage: impl FnOnce(&Place)) {
    let Some(place) = place() else { return };
    let before = notes(&place);
    damage(&place);
    assert_ne!(notes(&place), before, "nothing was damaged");
    check_mounts(&place);
    // A child has to be told the parents' names, even those that mounting did not need.
    for name in ["a", "b", "c", "x"] {
        drop(place.stage(Some(name), LayerAccess::ReadWrite));
    }
    assert_eq!(notes(&place), before);
}

#[test]
fn root_all_symbolic_links_lost() {
    check(|place| {
        for link in names(place.home("l")) {
            fs::remove_file(place.home("l").join(link)).unwrap();
        }
    });
}

#[test]
fn root_the_directory_of_links_lost() {
    check(|place| fs::remove_dir_all(place.home("l")).unwrap());
}

#[test]
fn root_all_link_files_lost() {
    check(|place| {
        for name in ["a", "b", "c", "x"] {
            fs::remove_file(place.home(name).join("link")).unwrap();
        }
    });
}

#[test]
fn root_files_emptied_by_a_power_cut() {
    check(|place| {
        for file in ["a/link", "b/link", "b/lower", "c/link"] {
            write(place.home(file), "");
        }
        write(place.home("x/link"), "\0\0\0\0\0\0\0\0");
    });
}

#[test]
fn root_both_places_of_a_name_lost() {
    // The names of `a` and `b` are in the lists of `c`, and only they can be meant.
    check(|place| {
        for name in ["a", "b"] {
            let link = read(place.home(name).join("link"));
            fs::remove_file(place.home("l").join(link)).unwrap();
            fs::remove_file(place.home(name).join("link")).unwrap();
        }
    });
}

#[test]
fn root_links_that_lead_elsewhere() {
    check(|place| {
        let link = read(place.home("b/link"));
        let path = place.home("l").join(link);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("../gone/diff", &path).unwrap();
    });
}

#[test]
fn root_a_list_that_nobody_knows_is_reported() {
    let Some(place) = place() else { return };
    let right = read(place.home("c/lower"));
    write(place.home("c/lower"), "");
    let error = place
        .driver
        .mount(&id("c"), &MountOptions::new())
        .unwrap_err();
    assert!(
        matches!(&error, LayerError::LowerLost { id } if id.as_str() == "c"),
        "{error:?}"
    );
    // The record of the store says what the parent is.
    let damage = place
        .driver
        .maintenance()
        .damage(&id("c"), Some(&id("b")))
        .unwrap();
    assert_eq!(damage.len(), 1);
    assert_eq!(
        (damage[0].path.clone(), damage[0].repairable),
        (place.home("c/lower"), Repairable::Yes)
    );
    place
        .driver
        .maintenance()
        .repair(&id("c"), Some(&id("b")))
        .unwrap();
    assert_eq!(read(place.home("c/lower")), right);
    assert!(
        place
            .driver
            .maintenance()
            .damage(&id("c"), Some(&id("b")))
            .unwrap()
            .is_empty()
    );
    check_mounts(&place);
}

#[test]
fn root_a_missing_list_is_told_from_a_base_layer() {
    let Some(place) = place() else { return };
    fs::remove_file(place.home("c/lower")).unwrap();
    let error = place
        .driver
        .mount(&id("c"), &MountOptions::new())
        .unwrap_err();
    assert!(matches!(error, LayerError::LowerLost { .. }), "{error:?}");
}

#[test]
fn root_a_name_that_nobody_knows_is_given_anew() {
    let Some(place) = place() else { return };
    // Nothing is on `c` or `x`, and nothing else tells their names.
    for name in ["c", "x"] {
        let link = read(place.home(name).join("link"));
        fs::remove_file(place.home("l").join(link)).unwrap();
        fs::remove_file(place.home(name).join("link")).unwrap();
    }
    check_mounts(&place);
    for (name, parent) in [("c", "b"), ("x", "a")] {
        assert_eq!(
            place
                .driver
                .maintenance()
                .damage(&id(name), Some(&id(parent)))
                .unwrap()
                .len(),
            1
        );
        place
            .driver
            .maintenance()
            .repair(&id(name), Some(&id(parent)))
            .unwrap();
        assert!(
            place
                .driver
                .maintenance()
                .damage(&id(name), Some(&id(parent)))
                .unwrap()
                .is_empty()
        );
        place.writable(&format!("on-{name}"), Some(name));
        place.mounted(&format!("on-{name}"), |path| {
            assert!(path.join(name).exists())
        });
    }
}

#[test]
fn root_links_to_nothing_are_removed() {
    let Some(place) = place() else { return };
    assert!(place.driver.maintenance().home_damage().unwrap().is_empty());
    let stray = place.home("l/STRAY");
    std::os::unix::fs::symlink("../gone/diff", &stray).unwrap();
    let damage = place.driver.maintenance().home_damage().unwrap();
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].path, stray);
    place.driver.maintenance().repair_home(&damage[0]).unwrap();
    assert!(fs::symlink_metadata(&stray).is_err());
    // Damage that is repaired already changes nothing.
    std::os::unix::fs::symlink("../a/diff", &stray).unwrap();
    place.driver.maintenance().repair_home(&damage[0]).unwrap();
    assert!(fs::symlink_metadata(&stray).is_ok());
}

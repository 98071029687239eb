//! Names in OCI layouts, and choosing images by them.

use layerhold_archive::Codec;
use layerhold_oci::{LoadError, Quiet, SourceError, load};

use crate::support::{Layout, Place, annotated, digest, named, tar};

const CONTAINERD: &str = "io.containerd.image.name";

#[test]
fn root_annotations_name_images_as_podman_reads_them() {
    for (reference, containerd, name) in [
        (Some("1.0"), None, Some("localhost/1.0:latest")),
        (Some("app"), None, Some("localhost/app:latest")),
        (Some("team/app:2"), None, Some("localhost/team/app:2")),
        (Some("example.com/app:2"), None, Some("example.com/app:2")),
        (
            Some("docker.io/app"),
            None,
            Some("docker.io/library/app:latest"),
        ),
        (
            Some("2"),
            Some("docker.io/library/app:2"),
            Some("docker.io/library/app:2"),
        ),
        (
            None,
            Some("docker.io/library/app:2"),
            Some("docker.io/library/app:2"),
        ),
        (None, None, None),
        (Some(""), None, None),
    ] {
        let place = Place::new();
        let layout = Layout::new(place.path("layout"));
        let mut image = layout.image(&[tar("a", "b")], Codec::Plain);
        if let Some(reference) = reference {
            image = named(image, reference);
        }
        if let Some(containerd) = containerd {
            image = annotated(image, CONTAINERD, containerd);
        }
        let loaded = place.load(&layout.finish(&[image])).unwrap();
        assert_eq!(
            loaded[0].names,
            Vec::from_iter(name),
            "{reference:?}, {containerd:?}"
        );
    }
}

#[test]
fn root_an_image_is_chosen_by_name_or_digest() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let one = layout.image(&[tar("a", "one")], Codec::Plain);
    let two = layout.image(&[tar("a", "two")], Codec::Plain);
    let wanted = digest(&two).to_owned();
    let two = annotated(named(two, "2"), CONTAINERD, "example.com/app:2");
    let source = layout.finish(&[named(one, "example.com/app:1"), two]);
    for text in ["2", "example.com/app:2", &wanted] {
        let options = place.options().image(text);
        let loaded = load(&place.store, &source, &options, &Quiet).unwrap();
        assert_eq!(loaded.len(), 1, "{text}");
        assert_eq!(loaded[0].digest.as_ref().unwrap().as_str(), wanted);
        assert_eq!(loaded[0].names, ["example.com/app:2"]);
    }
    let options = place.options().image("3");
    let error = load(&place.store, &source, &options, &Quiet).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot find an image called \"3\": the source has example.com/app:1, example.com/app:2"
    );
    assert!(matches!(
        error,
        LoadError::Source(SourceError::NoSuchImage { .. })
    ));
}

#[test]
fn root_names_that_are_none_are_refused() {
    for name in ["UPPER", "a b", "../../etc/passwd", "a:b:c", "-"] {
        let place = Place::new();
        let layout = Layout::new(place.path("layout"));
        let image = named(layout.image(&[tar("a", "b")], Codec::Plain), name);
        let error = place.load(&layout.finish(&[image])).unwrap_err();
        assert!(
            matches!(&error, LoadError::Name(error) if error.text == name),
            "{name}: {error:?}"
        );
        place.assert_empty();
    }
}

//! Directories with signed images, whose signatures are checked for their form.

use std::fs;

use layerhold_archive::Codec;
use layerhold_oci::{Quiet, SourceError, load};
use layerhold_testkit::{GoStore, Skopeo};

use crate::image_directories::{
    Directory, as_it_is, expected, manifest_in, refused, save_to, signed,
};
use crate::peer_load::Twin;
use crate::support::{Place, entries, image_data, records, timeless_layers};

#[test]
fn root_signatures_come_back() {
    let place = signed(Codec::Plain);
    let out = place.path("out");
    save_to(&place, &out, as_it_is).unwrap();
    let again = Place::new();
    let options = again.options().names(["app:1"]);
    load(&again.store, &out, &options, &Quiet).unwrap();
    let before = place.path("root");
    let after = again.path("root");
    assert_eq!(timeless_layers(&after), timeless_layers(&before));
    assert!(image_data(&after) == image_data(&before), "data items");
    // And out once more.
    save_to(&again, &again.path("out"), as_it_is).unwrap();
    assert_eq!(entries(&again.path("out")), entries(&out));

    let third = Place::new();
    let options = third.options().names(["app:1"]).remove_signatures();
    load(&third.store, &out, &options, &Quiet).unwrap();
    save_to(&third, &third.path("out"), as_it_is).unwrap();
    let manifest = manifest_in(&third.path("out"));
    assert_eq!(entries(&third.path("out")), expected(&manifest, 0));

    let gap = |made: &Directory| made.file("signature-2", b"no signature, and not looked at");
    let fourth = Place::new();
    let directory = Directory::new(&fourth);
    directory.file("manifest.json", &directory.image("amd64"));
    gap(&directory);
    fourth.load(&directory.0).unwrap();
    refused(
        |made| made.file("signature-1", b"no signature"),
        |error| matches!(error, SourceError::Signature { path, .. } if path.ends_with("signature-1")),
    );
    refused(
        |made| made.file("signature-1", &vec![0x90; (4 << 20) + 1]),
        |error| matches!(error, SourceError::TooLarge { .. }),
    );
    refused(
        |made| (1..=129).for_each(|number| made.file(&format!("signature-{number}"), b"\x90")),
        |error| matches!(error, SourceError::TooManySignatures { limit: 128, .. }),
    );
}

/// Skopeo reads what we save and we what it copies, with the same records.
#[test]
fn root_peer_skopeo_copies_signed_images_as_we_do() {
    let Some(twin) = Twin::new("skopeo") else {
        return;
    };
    let place = signed(Codec::Plain);
    let out = place.path("out");
    save_to(&place, &out, as_it_is).unwrap();
    let skopeo = Skopeo::beside(&twin.go);
    let source = format!("dir:{}", out.display());
    let target = skopeo.reference("localhost/app:1");
    skopeo
        .run(["copy", "-q", &source, &target])
        .assert_success();
    let options = twin.place.options().names(["localhost/app:1"]);
    load(&twin.place.store, &out, &options, &Quiet).unwrap();
    twin.assert_same();

    // Out of either store with skopeo, and out of ours with us.
    let ours = Skopeo::beside(&GoStore::new(
        &twin.place.path("root"),
        &twin.place.path("runroot"),
        "vfs",
    ));
    let copied = place.path("copied");
    let target = format!("dir:{}", copied.display());
    ours.run(["copy", "-q", &ours.reference("localhost/app:1"), &target])
        .assert_success();
    assert_eq!(entries(&copied), entries(&out));
    for name in entries(&out) {
        let (ours, theirs) = (fs::read(out.join(&name)), fs::read(copied.join(&name)));
        assert!(ours.unwrap() == theirs.unwrap(), "{name}");
    }
    let again = Place::new();
    let options = again.options().names(["localhost/app:1"]);
    load(&again.store, &copied, &options, &Quiet).unwrap();
    let (first, second) = (twin.place.path("root"), again.path("root"));
    assert_eq!(records(&first, "images"), records(&second, "images"));
    assert!(image_data(&first) == image_data(&second), "data items");
}

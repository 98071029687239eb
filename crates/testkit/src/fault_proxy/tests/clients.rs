//! What a whole client makes of it: skopeo copes with these.

use std::process::Command;

use super::*;
use crate::ran::{Ran, run};
use crate::registry::{PASSWORD, USER};
use crate::require_peer;

fn skopeo(words: &[&str]) -> Ran {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--quiet", "--preserve-digests"]);
    run(command.args(words))
}

fn pull(proxy: &FaultProxy, more: &[&str]) -> Ran {
    let place = scratch();
    let from = format!("docker://{}/app:t", proxy.address());
    let to = format!("dir:{}", place.path().join("copy").display());
    skopeo(&[&["--src-tls-verify=false", &from, &to], more].concat())
}

fn push(proxy: &FaultProxy, image: &MadeImage, more: &[&str]) -> Ran {
    let from = format!("oci:{}:latest", image.directory().display());
    let to = format!("docker://{}/pushed:t", proxy.address());
    skopeo(&[&["--dest-tls-verify=false", &from, &to], more].concat())
}

#[test]
fn peer_skopeo_pulls_through_the_proxy() {
    let (Some(()), Some(behind)) = (require_peer("skopeo"), Behind::start()) else {
        return;
    };
    let login = format!("--src-creds={USER}:{PASSWORD}");
    for (personality, more) in [
        (Personality::Tokens(Tokens::lasting(50)), vec![]),
        (
            Personality::Tokens(Tokens::lasting(50).with_login()),
            vec![login.as_str()],
        ),
        (Personality::BlobsElsewhere(307), vec![]),
        (Personality::NoContentLength(Ending::Chunked), vec![]),
        (Personality::NoContentLength(Ending::Close), vec![]),
        (Personality::NoDigestHeader, vec![]),
        (Personality::LargeHeader(10_000), vec![]),
    ] {
        let shown = format!("{personality:?}");
        let proxy = behind.proxy([personality.into()]);
        let ran = pull(&proxy, &more);
        assert!(ran.succeeded(), "{shown}: {ran:?}");
        assert!(proxy.bytes_sent() > 200_000, "{shown}");
    }
}

#[test]
fn peer_skopeo_fails_where_it_must() {
    let (Some(()), Some(behind)) = (require_peer("skopeo"), Behind::start()) else {
        return;
    };
    for personality in [
        Personality::Tokens(Tokens::lasting(50).with_login()),
        Personality::WrongByte(5),
        Personality::RedirectLoop,
        Personality::LargeManifest(5 << 20),
        Personality::EndlessBody(200),
        Personality::ServerError(503),
    ] {
        let shown = format!("{personality:?}");
        let proxy = behind.proxy([personality.into()]);
        assert!(!pull(&proxy, &[]).succeeded(), "{shown}");
    }
}

#[test]
fn peer_skopeo_pushes_through_the_proxy() {
    let (Some(()), Some(behind)) = (require_peer("skopeo"), Behind::start()) else {
        return;
    };
    let locations = [
        Location::Relative,
        Location::Absolute,
        Location::NoQuery,
        Location::LongerQuery,
        Location::OtherOrigin,
    ];
    let forms = locations.map(Personality::UploadLocation);
    let others = [
        Personality::UploadsKept,
        Personality::MonolithicUploadsRefused,
        Personality::Tokens(Tokens::lasting(50)),
    ];
    for (seed, personality) in (1..).zip(forms.into_iter().chain(others)) {
        let (place, shown) = (scratch(), format!("{personality:?}"));
        let layer = Layer::file(100_000);
        let made = Image::new().layer(layer).seed(seed).make(place.path());
        let proxy = behind.proxy([personality.into()]);
        let ran = push(&proxy, &made, &[]);
        assert!(ran.succeeded(), "{shown}: {ran:?}");
        let digest = behind.registry.tagged("pushed", "t");
        assert_eq!(digest.as_ref(), Some(&made.descriptor().digest), "{shown}");
        assert!(proxy.bytes_received() > 50_000, "{shown}");
    }
}

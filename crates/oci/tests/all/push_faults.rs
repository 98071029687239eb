//! Pushing to registries that misbehave.

use layerhold_oci::layerhold_registry::Task;
use layerhold_oci::{PushError, PushOptions, Quiet, push};
use layerhold_testkit::fault_proxy::{
    Cuts, FaultProxy, Kind, Location, Personality, RetryAfter, Rule, Tokens,
};

use crate::faulty::{Scene, assert_no_credentials, kind_of, login, push_to, registries};
use crate::support::{Place, chain};

fn rules<const N: usize>(personalities: [Personality; N]) -> Vec<Rule> {
    personalities.into_iter().map(Rule::from).collect()
}

/// A registry with an image, and a store that has the same one.
fn scene() -> Option<(Scene, Place)> {
    let scene = Scene::new()?;
    let place = scene.place_with_image();
    Some((scene, place))
}

/// The bytes of blobs that were sent.
fn uploaded(proxy: &FaultProxy) -> u64 {
    let all = proxy.requests().into_iter();
    all.chain(proxy.requests_elsewhere())
        .filter(|record| record.kind == Kind::Upload)
        .map(|record| record.received)
        .sum()
}

/// Pushes through a proxy with these rules to a registry of its own, and checks what is there and
/// that so many bytes too much were sent at most.
#[track_caller]
fn right(place: &Place, rules: Vec<Rule>, too_much: u64) {
    let shown = format!("{rules:?}");
    let scene = Scene::new().unwrap();
    let proxy = scene.proxy(rules);
    // The registry has the blobs in another repository only, so all of them are sent.
    let pushed = push_to(place, &registries(), &proxy);
    let pushed = pushed.unwrap_or_else(|error| panic!("{shown}: {}", chain(&error)));
    scene.assert_pushed(place, &pushed);
    assert_eq!((pushed.sent, pushed.reused), (3, 0), "{shown}");
    let (sent, size) = (uploaded(&proxy), scene.blobs_of("pushed", "1"));
    assert!(
        size <= sent && sent <= size + too_much,
        "{shown}: {sent} of {size} bytes"
    );
    assert_no_credentials(&proxy.requests_elsewhere());
}

/// Pushes through a proxy with these rules, and checks why it fails, and that no tag is there.
#[track_caller]
fn fails(scene: &Scene, place: &Place, rules: Vec<Rule>, why: &str) -> PushError {
    let shown = format!("{rules:?}");
    let proxy = scene.proxy(rules);
    let error = push_to(place, &registries(), &proxy).unwrap_err();
    assert_eq!(kind_of(error.problem()), why, "{shown}: {}", chain(&error));
    assert!(!error.is_cancelled(), "{shown}: {error:?}");
    assert_eq!(scene.registry.tags("pushed"), Vec::<String>::new());
    assert_eq!(scene.registry.manifests("pushed"), Vec::<String>::new());
    error
}

#[test]
fn root_peer_docker_registry_a_push_suits_every_kind_of_upload() {
    let Some((_, place)) = scene() else { return };
    for personality in [
        Personality::UploadsKept,
        Personality::ChunkedUploadsRefused,
        Personality::MonolithicUploadsRefused,
        Personality::HeadRefused,
        Personality::NoDigestHeader,
        Personality::LargeHeader(50_000),
        Personality::NoUploadRange,
        Personality::RangesIgnored,
        Personality::UploadLocation(Location::Relative),
        Personality::UploadLocation(Location::Absolute),
        Personality::UploadLocation(Location::NoQuery),
        Personality::UploadLocation(Location::LongerQuery),
        Personality::UploadLocation(Location::OtherOrigin),
    ] {
        // What was refused once is sent in another manner; a part of it may have gone by then.
        let too_much = match personality {
            Personality::ChunkedUploadsRefused => 700_000,
            _ => 0,
        };
        right(&place, rules([personality]), too_much);
    }
}

#[test]
fn root_peer_docker_registry_uploads_go_on_after_cuts() {
    let Some((_, place)) = scene() else { return };
    let cuts = |at: &[u64]| Personality::CutUploads(Cuts::At(at.to_vec()));
    for (location, at) in [
        (Location::Relative, [0, 1, 100_000]),
        (Location::Absolute, [5, 70_000, 250_000]),
        (Location::OtherOrigin, [5, 70_000, 250_000]),
    ] {
        let rules = rules([
            Personality::UploadsKept,
            Personality::UploadLocation(location),
            cuts(&at),
        ]);
        // A server says the same of one byte and of none.
        right(&place, rules, 1);
    }
    let every = rules([
        Personality::UploadsKept,
        Personality::CutUploads(Cuts::Every(40_000)),
    ]);
    right(&place, every, 0);
    // Debian's registry forgets what came before a cut.
    right(&place, rules([cuts(&[10, 100_000, 250_000])]), 350_010);
    let whole = rules([Personality::ChunkedUploadsRefused, cuts(&[100_000])]);
    right(&place, whole, 1_000_000);
}

#[test]
fn root_peer_docker_registry_cuts_without_end_leave_no_tag() {
    let Some((scene, place)) = scene() else {
        return;
    };
    let rules = rules([Personality::CutUploads(Cuts::Every(1))]);
    let error = fails(&scene, &place, rules, "Cut");
    let PushError::Registry(error) = error else {
        panic!("{error:?}");
    };
    assert!(matches!(error.task(), Task::WriteBlob(_)), "{error:?}");
}

#[test]
fn root_peer_docker_registry_registries_that_refuse_a_push_for_a_while_are_asked_again() {
    let Some((_, place)) = scene() else { return };
    for retry_after in [
        RetryAfter::Seconds(0),
        RetryAfter::Date(1),
        RetryAfter::Missing,
    ] {
        let rule = Personality::TooManyRequests(retry_after).first(3);
        right(&place, vec![rule], 0);
    }
    for (kind, too_much) in [
        (Kind::Base, 0),
        (Kind::Blob, 0),
        (Kind::Manifest, 0),
        (Kind::Upload, 700_000),
    ] {
        let rule = Personality::ServerError(503).on(kind).first(3);
        right(&place, vec![rule], too_much);
    }
}

#[test]
fn root_peer_docker_registry_registries_that_refuse_a_push_for_ever_are_told() {
    let Some((scene, place)) = scene() else {
        return;
    };
    for (rule, why) in [
        (Personality::EndlessHeaders.into(), "Protocol"),
        (Personality::LargeHeader(200_000).into(), "Protocol"),
        (
            Personality::WrongDigestHeader.on(Kind::Upload),
            "WrongDigest",
        ),
        (Personality::RedirectLoop.into(), "Redirect"),
        (
            Personality::TooManyRequests(RetryAfter::Seconds(3600)).into(),
            "TooManyRequests 429",
        ),
    ] {
        fails(&scene, &place, vec![rule], why);
    }
    // Once the manifest is refused, the blobs are there.
    for kind in [Kind::Upload, Kind::Manifest] {
        for (status, why) in [
            (400, "Refused 400"),
            (401, "LoginRequired 401"),
            (403, "Denied 403"),
            (404, "NameUnknown 404"),
            (429, "TooManyRequests 429"),
            (500, "Refused 500"),
            (501, "Refused 501"),
            (503, "Refused 503"),
        ] {
            let rule = Personality::ServerError(status).on(kind);
            fails(&scene, &place, vec![rule], why);
        }
    }
}

#[test]
fn root_peer_docker_registry_tokens_for_a_push_are_renewed_and_stay_where_they_belong() {
    let Some((_, place)) = scene() else { return };
    for tokens in [
        Tokens::lasting(999),
        Tokens::lasting(999).as_access_token(),
        Tokens::lasting(999).with_login(),
    ] {
        let scene = Scene::new().unwrap();
        let rules = rules([
            Personality::Tokens(tokens),
            Personality::UploadLocation(Location::OtherOrigin),
            Personality::UploadsKept,
            Personality::CutUploads(Cuts::Every(150_000)),
        ]);
        let proxy = scene.proxy(rules);
        let pushed = push_to(&place, &registries().with_login(login()), &proxy).unwrap();
        scene.assert_pushed(&place, &pushed);
        let elsewhere = proxy.requests_elsewhere();
        assert!(elsewhere.len() >= 4, "{elsewhere:#?}");
        assert_no_credentials(&elsewhere);
    }
    // Each token is good for a few requests only, one after the other.
    for uses in [1, 2, 3] {
        let scene = Scene::new().unwrap();
        let proxy = scene.proxy(rules([Personality::Tokens(Tokens::lasting(uses))]));
        let name = format!("{}/pushed:1", proxy.address());
        let options = PushOptions::default().scratch(place.base()).connections(1);
        let pushed = push(
            &place.store,
            &registries(),
            "app:1",
            &name,
            &options,
            &Quiet,
        )
        .unwrap();
        scene.assert_pushed(&place, &pushed);
    }
}

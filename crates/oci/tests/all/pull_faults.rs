//! Pulling from registries that misbehave.

use layerhold_oci::layerhold_registry::Login;
use layerhold_oci::{LoadError, PullError, PullOptions, Quiet, Registries, SourceError, pull};
use layerhold_testkit::fault_proxy::{
    Cuts, Ending, Kind, Link, Location, Personality, RangeFault, RetryAfter, Rule, Tokens,
};
use layerhold_testkit::image::Compression;

use crate::faulty::{
    LARGE, Scene, assert_no_credentials, contents_sent, impatient, kind_of, login, pull_from,
    pull_named, registries, three_layers,
};
use crate::support::{Place, chain};

fn cuts(every: u64) -> Rule {
    Personality::CutDownloads(Cuts::Every(every)).into()
}

fn rules<const N: usize>(personalities: [Personality; N]) -> Vec<Rule> {
    personalities.into_iter().map(Rule::from).collect()
}

/// How a registry is reached that has these rules.
fn for_rules(rules: &str) -> Registries {
    match rules.contains("Stall") {
        true => impatient(),
        false => registries(),
    }
}

/// Pulls through a proxy with these rules, and checks the image and that so many bytes too much
/// came at most.
#[track_caller]
fn right(scene: &Scene, rules: Vec<Rule>, too_much: u64) {
    let shown = format!("{rules:?}");
    let (place, proxy) = (Place::new(), scene.proxy(rules));
    let pulled = pull_from(&place, &for_rules(&shown), &proxy);
    let pulled = pulled.unwrap_or_else(|error| panic!("{shown}: {}", chain(&error)));
    scene.assert_pulled(&place, &pulled);
    let (sent, size) = (contents_sent(&proxy), scene.size());
    assert!(
        size <= sent && sent <= size + too_much,
        "{shown}: {sent} of {size} bytes"
    );
    assert_no_credentials(&proxy.requests_elsewhere());
}

/// Where a pull fails.
#[derive(Debug, PartialEq)]
enum At {
    Manifest,
    Config,
    Layer(usize),
}

fn place_of(error: &PullError) -> Option<At> {
    match error {
        PullError::Registry(_) => Some(At::Manifest),
        PullError::Load(LoadError::Source(SourceError::Registry(_))) => Some(At::Config),
        PullError::Fetch { index, .. } => Some(At::Layer(*index)),
        _ => None,
    }
}

/// Pulls through a proxy with these rules, and checks where and why it fails. Only one layer is on
/// its way at a time: bytes are counted over all connections, so with several of them a cut or a
/// fault could reach any layer.
#[track_caller]
fn fails(scene: &Scene, rules: Vec<Rule>, at: At, why: &str) {
    let shown = format!("{rules:?}");
    let (place, proxy) = (Place::new(), scene.proxy(rules));
    let name = format!("{}/app:1", proxy.address());
    let options = PullOptions::default().scratch(place.base()).connections(1);
    let registries = for_rules(&shown);
    let error = pull(&place.store, &registries, &name, &options, &Quiet).unwrap_err();
    let told = chain(&error);
    assert_eq!(place_of(&error), Some(at), "{shown}: {error:?}");
    assert_eq!(kind_of(error.problem()), why, "{shown}: {told}");
    assert!(!error.is_cancelled(), "{shown}: {error:?}");
    place.assert_empty();
}

#[test]
fn root_peer_docker_registry_what_does_not_concern_a_pull_does_not_disturb_it() {
    let Some(scene) = Scene::new() else { return };
    for personality in [
        Personality::SeveralRangesRefused(501),
        Personality::SeveralRangesRefused(416),
        Personality::SeveralRangesIgnored,
        Personality::RangesIgnored,
        Personality::NoContentLength(Ending::Chunked),
        Personality::NoContentLength(Ending::Close),
        Personality::UploadsKept,
        Personality::ChunkedUploadsRefused,
        Personality::MonolithicUploadsRefused,
        Personality::CutUploads(Cuts::Every(1)),
        Personality::HeadRefused,
        Personality::NoDigestHeader,
        Personality::Pages(1, Link::Loop),
        Personality::LargeHeader(50_000),
        Personality::UploadLocation(Location::OtherOrigin),
        Personality::NoUploadRange,
    ] {
        right(&scene, rules([personality]), 0);
    }
}

#[test]
fn root_peer_docker_registry_registries_that_refuse_for_a_while_are_asked_again() {
    let Some(scene) = Scene::new() else { return };
    for retry_after in [
        RetryAfter::Seconds(0),
        RetryAfter::Seconds(1),
        RetryAfter::Date(1),
        RetryAfter::Missing,
    ] {
        let rule = Personality::TooManyRequests(retry_after).first(3);
        right(&scene, vec![rule], 0);
    }
    for status in [408, 500, 502, 503, 504] {
        right(&scene, vec![Personality::ServerError(status).first(3)], 0);
        for kind in [Kind::Base, Kind::Manifest, Kind::Blob] {
            let rule = Personality::ServerError(status).on(kind).first(3);
            right(&scene, vec![rule], 0);
        }
    }
}

#[test]
fn root_peer_docker_registry_registries_that_refuse_for_ever_are_told() {
    let Some(scene) = Scene::new() else { return };
    let too_many = |after| rules([Personality::TooManyRequests(after)]);
    let why = "TooManyRequests 429";
    fails(&scene, too_many(RetryAfter::Missing), At::Manifest, why);
    fails(
        &scene,
        too_many(RetryAfter::Seconds(3600)),
        At::Manifest,
        why,
    );
    fails(&scene, too_many(RetryAfter::Date(3600)), At::Manifest, why);
    for (status, why) in [
        (400, "Refused 400"),
        (401, "LoginRequired 401"),
        (403, "Denied 403"),
        (404, "ManifestUnknown 404"),
        (500, "Refused 500"),
        (501, "Refused 501"),
        (503, "Refused 503"),
    ] {
        let on = |kind| vec![Personality::ServerError(status).on(kind)];
        fails(&scene, on(Kind::Manifest), At::Manifest, why);
        let why = why.replace("Manifest", "Blob");
        fails(&scene, on(Kind::Blob), At::Config, &why);
    }
}

#[test]
fn root_peer_docker_registry_downloads_go_on_after_cuts() {
    let Some(scene) = Scene::new() else { return };
    for every in [25_000, 299_999] {
        right(&scene, vec![cuts(every)], 0);
        for personality in [
            Personality::NoContentLength(Ending::Chunked),
            Personality::NoContentLength(Ending::Close),
            Personality::WrongContentRange(RangeFault::UnknownTotal),
            Personality::BlobsElsewhere(307),
            Personality::NoDigestHeader,
        ] {
            right(&scene, vec![personality.into(), cuts(every)], 0);
        }
    }
    let on_manifests = Personality::CutDownloads(Cuts::At(vec![0, 100, 101])).on(Kind::Manifest);
    right(&scene, vec![on_manifests], 201);
    // The whole comes again each time.
    let at = Cuts::At(vec![100_000, 200_000, 350_000]);
    let ignored = rules([Personality::RangesIgnored, Personality::CutDownloads(at)]);
    right(&scene, ignored, 500_000);
    // No request ever brings all of the large layer.
    let ignored = vec![Personality::RangesIgnored.into(), cuts(200_000)];
    fails(&scene, ignored, At::Layer(LARGE), "Cut");
}

#[test]
fn root_peer_docker_registry_wrong_parts_are_refused() {
    let Some(scene) = Scene::new() else { return };
    for (fault, why) in [
        (RangeFault::Missing, "BadAnswer"),
        (RangeFault::Start, "BadAnswer"),
        (RangeFault::Total, "WrongSize"),
    ] {
        let cut = Personality::CutDownloads(Cuts::Every(150_000)).into();
        let rules = vec![Personality::WrongContentRange(fault).into(), cut];
        fails(&scene, rules, At::Layer(LARGE), why);
    }
}

#[test]
fn root_peer_docker_registry_wrong_bytes_name_the_layer() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let Some(scene) = Scene::with(&three_layers().compression(compression)) else {
            return;
        };
        let layer = &scene.made.layers()[LARGE].descriptor;
        for at in [100_000, 200_000, layer.size - 1] {
            let (place, proxy) = (
                Place::new(),
                scene.proxy(rules([Personality::WrongByte(at)])),
            );
            let error = pull_from(&place, &registries(), &proxy).unwrap_err();
            let (index, digest) = match &error {
                // What the compression or the tar notices is found before the digest is known.
                PullError::Load(LoadError::Layer { index, digest, .. }) => (index, digest),
                PullError::Load(LoadError::LayerDigest {
                    index, expected, ..
                }) => (index, expected),
                error => panic!("{compression:?} {at}: {}", chain(error)),
            };
            assert_eq!((*index, digest.as_str()), (LARGE, layer.digest.as_str()));
            place.assert_empty();
        }
        // The first bytes of the configuration are wrong too.
        let rules = rules([Personality::WrongByte(0)]);
        fails(&scene, rules, At::Config, "WrongDigest");
    }
}

#[test]
fn root_peer_docker_registry_digests_that_registries_say_have_to_be_right() {
    let Some(scene) = Scene::new() else { return };
    let wrong = || rules([Personality::WrongDigestHeader]);
    fails(&scene, wrong(), At::Manifest, "BadAnswer");
    let (place, proxy) = (Place::new(), scene.proxy(wrong()));
    let digest = &scene.made.descriptor().digest;
    let name = format!("{}/app@{digest}", proxy.address());
    let error = pull_named(&place, &registries(), &name).unwrap_err();
    assert_eq!(kind_of(error.problem()), "WrongDigest", "{error:?}");
    place.assert_empty();
}

#[test]
fn root_peer_docker_registry_answers_without_end_or_sense_are_refused() {
    let Some(scene) = Scene::new() else { return };
    for (rule, at, why) in [
        (
            Personality::LargeManifest((4 << 20) + 1).into(),
            At::Manifest,
            "TooLarge",
        ),
        (
            Personality::EndlessBody(200).into(),
            At::Manifest,
            "TooLarge",
        ),
        (
            Personality::EndlessBody(404).into(),
            At::Manifest,
            "ManifestUnknown 404",
        ),
        (
            Personality::EndlessBody(500).into(),
            At::Manifest,
            "Refused 500",
        ),
        (
            Personality::EndlessBody(200).on(Kind::Blob),
            At::Config,
            "WrongSize",
        ),
        (
            Personality::LargeHeader(200_000).into(),
            At::Manifest,
            "Protocol",
        ),
        (
            Personality::LargeHeader(200_000).on(Kind::Blob),
            At::Config,
            "Protocol",
        ),
        (Personality::EndlessHeaders.into(), At::Manifest, "Protocol"),
        (
            Personality::EndlessHeaders.on(Kind::Blob),
            At::Config,
            "Protocol",
        ),
        (Personality::RedirectLoop.into(), At::Config, "Redirect"),
        (
            Personality::RedirectLoop.on(Kind::Manifest),
            At::Manifest,
            "Redirect",
        ),
    ] {
        fails(&scene, vec![rule], at, why);
    }
    // This much is allowed, and no manifest.
    let spaces = rules([Personality::LargeManifest(4 << 20)]);
    let (place, proxy) = (Place::new(), scene.proxy(spaces));
    let error = pull_from(&place, &registries(), &proxy).unwrap_err();
    assert!(
        matches!(
            error,
            PullError::Load(LoadError::Source(SourceError::Manifest { .. }))
        ),
        "{error:?}"
    );
    place.assert_empty();
}

#[test]
fn root_peer_docker_registry_silence_ends() {
    let Some(scene) = Scene::new() else { return };
    right(&scene, vec![Personality::Stall(0).first(2)], 0);
    right(&scene, rules([Personality::Stall(200_000)]), 0);
    fails(&scene, rules([Personality::Stall(0)]), At::Config, "Idle");
    // Each request for the rest brings a byte less than that, and then nothing more.
    let rules = vec![
        Personality::RangesIgnored.into(),
        Personality::Stall(200_000).into(),
    ];
    fails(&scene, rules, At::Layer(LARGE), "Idle");
}

#[test]
fn root_peer_docker_registry_tokens_are_renewed_and_stay_where_they_belong() {
    let Some(scene) = Scene::new() else { return };
    for tokens in [
        Tokens::lasting(1),
        Tokens::lasting(2),
        Tokens::lasting(usize::MAX),
        Tokens::lasting(2).as_access_token(),
        Tokens::lasting(2).padded_to(20_000),
        Tokens::lasting(2).with_login(),
    ] {
        for status in [301, 302, 303, 307, 308] {
            if status != 307 && tokens != Tokens::lasting(2) {
                continue;
            }
            let rules = rules([
                Personality::Tokens(tokens.clone()),
                Personality::BlobsElsewhere(status),
                Personality::CutDownloads(Cuts::Every(100_000)),
            ]);
            let (place, proxy) = (Place::new(), scene.proxy(rules));
            let registries = registries().with_login(login());
            let name = format!("{}/app:1", proxy.address());
            // Several requests at the same time would use up a token together.
            let options = PullOptions::default().scratch(place.base()).connections(1);
            let pulled = pull(&place.store, &registries, &name, &options, &Quiet).unwrap();
            scene.assert_pulled(&place, &pulled);
            assert_eq!(contents_sent(&proxy), scene.size());
            let elsewhere = proxy.requests_elsewhere();
            assert!(elsewhere.len() >= 4, "{elsewhere:#?}");
            assert_no_credentials(&elsewhere);
            // Here only the token is shown, and the password only there.
            for request in proxy.requests() {
                let shown = request.header("Authorization").unwrap_or("Bearer ");
                assert!(shown.starts_with("Bearer "), "{request:#?}");
            }
        }
    }
}

#[test]
fn root_peer_docker_registry_tokens_that_cannot_be_had_are_told() {
    let Some(scene) = Scene::new() else { return };
    let with_login = || rules([Personality::Tokens(Tokens::lasting(9).with_login())]);
    fails(&scene, with_login(), At::Manifest, "LoginRequired 401");
    let huge = rules([Personality::Tokens(Tokens::lasting(9).padded_to(2 << 20))]);
    fails(&scene, huge, At::Manifest, "TooLarge");
    let none = rules([Personality::Tokens(Tokens::lasting(0))]);
    fails(&scene, none, At::Manifest, "LoginRequired 401");
    let (place, proxy) = (Place::new(), scene.proxy(with_login()));
    let wrong = Login::password("tester", "hunter2");
    let error = pull_from(&place, &registries().with_login(wrong), &proxy).unwrap_err();
    assert_eq!(
        kind_of(error.problem()),
        "WrongCredentials 401",
        "{error:?}"
    );
    let told = format!("{error:?} {}", chain(&error));
    assert!(!told.contains("hunter2"), "{told}");
    place.assert_empty();
}

#[test]
fn root_peer_docker_registry_all_at_once_is_no_more_than_its_parts() {
    let Some(scene) = Scene::new() else { return };
    let all = vec![
        Personality::TooManyRequests(RetryAfter::Seconds(0)).first(2),
        Personality::ServerError(503).first(2),
        Personality::Tokens(Tokens::lasting(999)).into(),
        Personality::BlobsElsewhere(302).into(),
        Personality::NoDigestHeader.into(),
        Personality::NoContentLength(Ending::Chunked).into(),
        Personality::WrongContentRange(RangeFault::UnknownTotal).into(),
        Personality::HeadRefused.into(),
        Personality::LargeHeader(10_000).into(),
        cuts(30_000),
    ];
    right(&scene, all, 0);
    let all = vec![
        Personality::Tokens(Tokens::lasting(999)).into(),
        Personality::RangesIgnored.into(),
        Personality::NoContentLength(Ending::Close).into(),
        Personality::Stall(250_000).first(3),
        Personality::CutDownloads(Cuts::At(vec![10, 20_000, 200_000])).into(),
    ];
    right(&scene, all, 600_000);
}

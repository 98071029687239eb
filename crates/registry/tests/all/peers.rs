//! Debian's `docker-registry`, and one that misbehaves as real registries do.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use layerhold_registry::{
    BlobSource, Client, Endpoint, Login, Problem, Repository, Security, TagOrDigest,
};
use layerhold_testkit::fault_proxy::{
    Cuts, Ending, FaultProxy, Kind, Link, Location, Personality, RangeFault, RetryAfter, Rule,
    Tokens,
};
use layerhold_testkit::image::{Image, Layer, MadeImage};
use layerhold_testkit::registry::{PASSWORD, Registry, USER};
use layerhold_testkit::{require_docker_registry, scratch};

use crate::support::{contents, options, problem, sha256};

const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry with one image, for all tests that change nothing there.
struct Fixture {
    registry: Registry,
    image: MadeImage,
}

fn fixture() -> Option<&'static Fixture> {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    require_docker_registry()?;
    Some(FIXTURE.get_or_init(|| {
        let registry = Registry::start();
        let place = scratch().keep();
        let layers = Image::new().layer(Layer::file(3_000_000).entropy(100));
        let image = layers.layer(Layer::file(0)).make(&place);
        for tag in ["a", "b", "c", "d", "e"] {
            registry.add(&image, "team/app", tag);
        }
        Fixture { registry, image }
    }))
}

fn open(address: &str, security: Security, login: Option<Login>) -> Repository {
    let endpoint = Endpoint::new(address).with_security(security);
    let registry = Client::new(options()).registry(endpoint, login).unwrap();
    registry.repository("team/app").unwrap()
}

fn tag(text: &str) -> TagOrDigest {
    TagOrDigest::tag(text).unwrap()
}

/// Reads the manifest, all blobs and the tags of the fixture, and checks them.
fn read_all(fixture: &Fixture, repository: &Repository) -> Result<(), Problem> {
    let failed = |error: layerhold_registry::RegistryError| error.into_problem();
    let manifest = repository.manifest(&tag("a"), &[TYPE]).map_err(failed)?;
    assert_eq!(manifest.digest.as_str(), fixture.image.descriptor().digest);
    assert_eq!(manifest.media_type, TYPE);
    let found = repository
        .find_manifest(&tag("a"), &[TYPE])
        .map_err(failed)?
        .unwrap();
    assert_eq!(
        (found.digest, found.size),
        (manifest.digest, manifest.bytes.len() as u64)
    );
    for digest in fixture.image.blobs() {
        let expected = fixture.registry.blob(digest);
        let digest = digest.parse().unwrap();
        let size = expected.len() as u64;
        let blob = repository.blob(&digest, Some(size)).map_err(failed)?;
        assert_eq!(blob.read_all(size).map_err(failed)?, expected);
        assert_eq!(repository.find_blob(&digest).map_err(failed)?, Some(size));
    }
    let tags: Result<BTreeSet<String>, _> = repository.tags().collect();
    let expected = ["a", "b", "c", "d", "e"].map(str::to_owned);
    assert_eq!(tags.map_err(failed)?, expected.into());
    Ok(())
}

/// Reads all through a proxy with one personality.
fn read_through(rules: Vec<Rule>) -> Option<(FaultProxy, Result<(), Problem>)> {
    let fixture = fixture()?;
    let setup = FaultProxy::before(&fixture.registry.address());
    let proxy = rules
        .into_iter()
        .fold(setup, |setup, rule| setup.with(rule))
        .start();
    let repository = open(&proxy.address(), Security::insecure(), None);
    let read = read_all(fixture, &repository);
    Some((proxy, read))
}

#[test]
fn peer_docker_registry_pulls_survive_personalities() {
    let personalities = [
        Rule::from(Personality::RangesIgnored),
        Personality::WrongContentRange(RangeFault::UnknownTotal).into(),
        Personality::TooManyRequests(RetryAfter::Seconds(0)).first(2),
        Personality::TooManyRequests(RetryAfter::Date(0)).first(2),
        Personality::TooManyRequests(RetryAfter::Missing).first(2),
        Personality::ServerError(503).first(2),
        Personality::Tokens(Tokens::lasting(2)).into(),
        Personality::BlobsElsewhere(307).into(),
        Personality::BlobsElsewhere(302).into(),
        Personality::NoContentLength(Ending::Chunked).into(),
        Personality::NoContentLength(Ending::Close).into(),
        Personality::HeadRefused.into(),
        Personality::NoDigestHeader.into(),
        Personality::Pages(2, Link::Relative).into(),
        Personality::Pages(2, Link::Absolute).into(),
    ];
    for rule in personalities {
        let shown = format!("{rule:?}");
        for cuts in [false, true] {
            // Without ranges, each cut costs all that was there before.
            let places = match shown.contains("RangesIgnored") {
                true => Cuts::At(vec![1_000_000]),
                false => Cuts::Every(1_000_000),
            };
            let cut = Rule::from(Personality::CutDownloads(places));
            let rules = [Some(rule.clone()), cuts.then_some(cut)];
            let Some((proxy, read)) = read_through(rules.into_iter().flatten().collect()) else {
                return;
            };
            assert!(read.is_ok(), "{shown} {cuts} {read:?}");
            assert_eq!(proxy.cuts() > 0, cuts, "{shown}");
            let elsewhere = proxy.requests_elsewhere();
            assert!(
                elsewhere
                    .iter()
                    .all(|record| record.header("Authorization").is_none())
            );
        }
    }
}

#[test]
fn peer_docker_registry_pulls_fail_clearly() {
    type Expected = fn(&Problem) -> bool;
    let cut = || Rule::from(Personality::CutDownloads(Cuts::Every(1_000_000)));
    let bad: Expected = |problem| matches!(problem, Problem::BadAnswer { .. });
    let redirect: Expected = |problem| matches!(problem, Problem::Redirect { .. });
    let protocol: Expected = |problem| matches!(problem, Problem::Protocol { .. });
    let cases: [(Vec<Rule>, Expected); 11] = [
        (
            vec![
                Personality::WrongContentRange(RangeFault::Missing).into(),
                cut(),
            ],
            bad,
        ),
        (
            vec![
                Personality::WrongContentRange(RangeFault::Start).into(),
                cut(),
            ],
            bad,
        ),
        (
            vec![
                Personality::WrongContentRange(RangeFault::Total).into(),
                cut(),
            ],
            |problem| matches!(problem, Problem::WrongSize { .. }),
        ),
        (vec![Personality::RedirectLoop.into()], redirect),
        (
            vec![Personality::Pages(2, Link::OtherOrigin).into()],
            redirect,
        ),
        (vec![Personality::Pages(2, Link::Loop).into()], bad),
        (vec![Personality::WrongByte(1000).into()], |problem| {
            matches!(problem, Problem::WrongDigest { .. })
        }),
        (
            vec![Personality::LargeManifest(5_000_000).into()],
            |problem| matches!(problem, Problem::TooLarge { .. }),
        ),
        (vec![Personality::EndlessBody(404).into()], |problem| {
            matches!(problem, Problem::ManifestUnknown(_))
        }),
        (vec![Personality::LargeHeader(100_000).into()], protocol),
        (vec![Personality::EndlessHeaders.into()], protocol),
    ];
    for (rules, is_expected) in cases {
        let shown = format!("{rules:?}");
        let Some((_, read)) = read_through(rules) else {
            return;
        };
        let found = read.unwrap_err();
        assert!(is_expected(&found), "{shown}: {found:?}");
    }
}

#[test]
fn peer_docker_registry_cuts_cost_no_bytes() {
    let Some(fixture) = fixture() else {
        return;
    };
    let layer = fixture.image.blobs().into_iter();
    let layer = layer
        .max_by_key(|digest| fixture.registry.blob(digest).len())
        .unwrap();
    let size = fixture.registry.blob(layer).len() as u64;
    let cuts = Cuts::Random {
        seed: 7,
        count: 20,
        within: size,
    };
    let setup = FaultProxy::before(&fixture.registry.address());
    let proxy = setup.with(Personality::CutDownloads(cuts)).start();
    let repository = open(&proxy.address(), Security::insecure(), None);
    let blob = repository
        .blob(&layer.parse().unwrap(), Some(size))
        .unwrap();
    assert_eq!(blob.read_all(size).unwrap(), fixture.registry.blob(layer));
    assert_eq!(proxy.cuts(), 20);
    let sent = proxy.bytes_sent();
    assert!(sent * 100 <= size * 102, "{sent} of {size}");
}

/// Pushes a blob and a manifest through a proxy, and checks what the registry has.
fn push_through(rules: Vec<Rule>) -> Option<(FaultProxy, Result<(), Problem>)> {
    require_docker_registry()?;
    let registry = Registry::start();
    let setup = FaultProxy::before(&registry.address());
    let proxy = rules
        .into_iter()
        .fold(setup, |setup, rule| setup.with(rule))
        .start();
    let repository = open(&proxy.address(), Security::insecure(), None);
    let pushed = push(&registry, &repository);
    Some((proxy, pushed))
}

fn push(registry: &Registry, repository: &Repository) -> Result<(), Problem> {
    let failed = |error: layerhold_registry::RegistryError| error.into_problem();
    let bodies = [contents(5_000_000), b"{}".to_vec()];
    let mut descriptors = Vec::new();
    for body in &bodies {
        let digest = sha256(body);
        let mut sent = 0;
        let uploaded =
            repository.upload(&digest, body as &dyn BlobSource, &mut |count| sent = count);
        uploaded.map_err(failed)?;
        assert_eq!(sent, body.len() as u64);
        assert_eq!(registry.blob(digest.as_str()), *body);
        let size = body.len();
        descriptors.push(format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{size}}}"#
        ));
    }
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{TYPE}","config":{},"layers":[{}]}}"#,
        descriptors[1], descriptors[0]
    );
    let manifest = manifest.replacen("image.layer.v1.tar", "image.config.v1+json", 1);
    repository
        .put_manifest(&tag("1"), TYPE, manifest.as_bytes())
        .map_err(failed)?;
    let digest = sha256(manifest.as_bytes());
    assert_eq!(
        registry.tagged("team/app", "1").as_deref(),
        Some(digest.as_str())
    );
    Ok(())
}

#[test]
fn peer_docker_registry_pushes_survive_personalities() {
    let kept = || Rule::from(Personality::UploadsKept);
    let cuts = || Rule::from(Personality::CutUploads(Cuts::Every(2_000_000)));
    let one = |personality| vec![Rule::from(personality)];
    let cases = [
        Vec::new(),
        vec![Personality::TooManyRequests(RetryAfter::Seconds(0)).first(2)],
        vec![Personality::ServerError(500).first(2)],
        one(Personality::Tokens(Tokens::lasting(2))),
        one(Personality::ChunkedUploadsRefused),
        one(Personality::MonolithicUploadsRefused),
        one(Personality::HeadRefused),
        one(Personality::NoDigestHeader),
        one(Personality::NoUploadRange),
        one(Personality::UploadLocation(Location::Relative)),
        one(Personality::UploadLocation(Location::Absolute)),
        one(Personality::UploadLocation(Location::NoQuery)),
        one(Personality::UploadLocation(Location::LongerQuery)),
        one(Personality::UploadLocation(Location::OtherOrigin)),
        vec![kept(), cuts()],
        vec![Rule::from(Personality::CutUploads(Cuts::At(vec![
            1_000_000,
        ])))],
    ];
    for rules in cases {
        let shown = format!("{rules:?}");
        let Some((proxy, pushed)) = push_through(rules) else {
            return;
        };
        assert!(pushed.is_ok(), "{shown} {pushed:?}");
        let elsewhere = proxy.requests_elsewhere();
        assert!(
            elsewhere
                .iter()
                .all(|record| record.header("Authorization").is_none())
        );
    }
}

#[test]
fn peer_docker_registry_cut_uploads_cost_no_bytes() {
    let kept = Rule::from(Personality::UploadsKept);
    let cuts = Personality::CutUploads(Cuts::Random {
        seed: 7,
        count: 20,
        within: 5_000_000,
    });
    let Some((proxy, pushed)) = push_through(vec![kept, cuts.into()]) else {
        return;
    };
    pushed.unwrap();
    assert_eq!(proxy.cuts(), 20);
    let received = proxy.bytes_received();
    assert!(received * 100 <= 5_000_000 * 102, "{received}");
}

#[test]
fn peer_docker_registry_passwords_over_tls() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let registry = Registry::setup().with_tls().with_password().start();
    let authority = std::fs::read(registry.certificates().join("ca.crt")).unwrap();
    let trusting = || Security::verified().with_authorities(authority.clone());
    let login = |password| Some(Login::password(USER, password));
    for address in [registry.address(), registry.named_address()] {
        push(&registry, &open(&address, trusting(), login(PASSWORD))).unwrap();
        push(
            &registry,
            &open(&address, Security::insecure(), login(PASSWORD)),
        )
        .unwrap();
        let found = problem(open(&address, trusting(), login("wrong")).manifest(&tag("1"), &[]));
        assert!(
            matches!(found, Problem::WrongCredentials { .. }),
            "{found:?}"
        );
        let found = problem(open(&address, trusting(), None).manifest(&tag("1"), &[]));
        assert!(matches!(found, Problem::LoginRequired { .. }), "{found:?}");
        let found = problem(open(&address, Security::verified(), None).manifest(&tag("1"), &[]));
        assert!(matches!(found, Problem::Tls { .. }), "{found:?}");
    }
}

#[test]
fn peer_docker_registry_without_tls_is_told_apart() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let registry = Registry::start();
    let repository = open(&registry.address(), Security::verified(), None);
    let found = problem(repository.manifest(&tag("1"), &[]));
    assert!(matches!(found, Problem::NotTls { .. }), "{found:?}");
}

#[test]
fn peer_docker_registry_client_certificates() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let registry = Registry::setup().with_client_certificates().start();
    let file = |name: &str| std::fs::read(registry.certificates().join(name)).unwrap();
    let security = Security::verified()
        .with_authorities(file("ca.crt"))
        .with_client_certificate(file("client.cert"), file("client.key"));
    push(&registry, &open(&registry.address(), security, None)).unwrap();
}

#[test]
fn peer_docker_registry_mounts_blobs() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let registry = Registry::start();
    let repository = open(&registry.address(), Security::insecure(), None);
    push(&registry, &repository).unwrap();
    let endpoint = Endpoint::new(&registry.address()).with_security(Security::insecure());
    let other = Client::new(options()).registry(endpoint, None).unwrap();
    let other = other.repository("other/app").unwrap();
    let digest = sha256(b"{}");
    assert_eq!(other.find_blob(&digest).unwrap(), None);
    assert!(other.mount_blob(&digest, "team/app").unwrap());
    assert_eq!(other.find_blob(&digest).unwrap(), Some(2));
    assert!(!other.mount_blob(&sha256(b"none"), "team/app").unwrap());
    assert!(other.referrers(&digest).unwrap().is_empty());
    let found = problem(other.manifest(&tag("1"), &[]));
    assert!(found.is_not_found(), "{found:?}");
}

/// Requests of a kind, through a proxy.
#[test]
fn peer_docker_registry_uploads_are_filled_in_one_request() {
    let Some((proxy, pushed)) = push_through(Vec::new()) else {
        return;
    };
    pushed.unwrap();
    let requests = proxy
        .requests()
        .into_iter()
        .filter(|record| record.kind == Kind::Upload);
    let methods: Vec<String> = requests.map(|record| record.method).collect();
    assert_eq!(methods, ["POST", "PATCH", "PUT", "POST", "PATCH", "PUT"]);
}

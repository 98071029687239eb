//! Pulls and pushes that are cancelled, and pulls of the same image at the same time.

use std::time::{Duration, Instant};

use layerhold_oci::layerhold_registry::Retries;
use layerhold_oci::layerhold_registry::layerhold_sys::Cancel;
use layerhold_oci::{PullOptions, PushOptions, Quiet, pull, push};
use layerhold_testkit::fault_proxy::{FaultProxy, Kind, Personality, RetryAfter};
use layerhold_testkit::{GoStore, Podman, require_peer};

use crate::faulty::{LARGE, Scene, client, pull_from, registries};
use crate::support::{Place, open};

/// Much longer than a cancelled operation takes, and shorter than any wait that it is to end.
const SOON: Duration = Duration::from_secs(60);

/// Cancels once the proxy has got a request of this kind, and waits for the end of the work.
fn cancel_at<T: Send>(
    proxy: &FaultProxy,
    is_reached: impl Fn(&FaultProxy) -> bool,
    work: impl FnOnce(&Cancel) -> T + Send,
) -> T {
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let working = scope.spawn(|| work(&cancel));
        while !is_reached(proxy) && !working.is_finished() {
            std::thread::yield_now();
        }
        let begin = Instant::now();
        cancel.cancel();
        let done = working.join().unwrap();
        assert!(begin.elapsed() < SOON);
        done
    })
}

#[test]
fn root_peer_docker_registry_a_cancelled_pull_ends_and_leaves_nothing() {
    let Some(scene) = Scene::new() else { return };
    let size = scene.made.layers()[LARGE].descriptor.size;
    let patient = client().idle_timeout(Duration::from_secs(600));
    let registries = registries().with_client(patient);
    for after in [0, 1, 100_000, size - 1] {
        let proxy = scene.proxy([Personality::Stall(after).into()]);
        let place = Place::new();
        let name = format!("{}/app:1", proxy.address());
        let options = PullOptions::default().scratch(place.base());
        let is_stalled = |proxy: &FaultProxy| {
            let blobs = proxy.requests().into_iter();
            blobs
                .filter(|record| record.kind == Kind::Blob && record.sent == after)
                .any(|record| record.status == 200)
        };
        let error = cancel_at(&proxy, is_stalled, |cancel| {
            let store = place.store.with_cancel(cancel.clone());
            pull(&store, &registries, &name, &options, &Quiet).unwrap_err()
        });
        assert!(error.is_cancelled(), "{after}: {error:?}");
        place.assert_empty();
    }
}

#[test]
fn root_peer_docker_registry_a_cancelled_push_ends_and_leaves_no_tag() {
    let Some(scene) = Scene::new() else { return };
    let place = scene.place_with_image();
    for kind in [Kind::Base, Kind::Blob, Kind::Upload, Kind::Manifest] {
        // The client is told to come again after minutes.
        let after = RetryAfter::Seconds(600);
        let proxy = scene.proxy([Personality::TooManyRequests(after).on(kind)]);
        let name = format!("{}/pushed:1", proxy.address());
        let options = PushOptions::default().scratch(place.base());
        let pauses =
            Retries::default().with_pauses(Duration::from_secs(600), Duration::from_secs(600));
        let registries = registries().with_client(client().retries(pauses));
        let is_refused =
            |proxy: &FaultProxy| proxy.requests().iter().any(|record| record.status == 429);
        let error = cancel_at(&proxy, is_refused, |cancel| {
            let store = place.store.with_cancel(cancel.clone());
            push(&store, &registries, "app:1", &name, &options, &Quiet).unwrap_err()
        });
        assert!(error.is_cancelled(), "{kind:?}: {error:?}");
        assert_eq!(scene.registry.tags("pushed"), Vec::<String>::new());
        assert_eq!(scene.registry.manifests("pushed"), Vec::<String>::new());
    }
}

#[test]
fn root_peer_docker_registry_two_pulls_into_one_store_bring_one_image() {
    let Some(scene) = Scene::new() else { return };
    for _ in 0..5 {
        let (place, proxy) = (Place::new(), scene.proxy([]));
        let other = open(&place.path("root"), &place.path("runroot"));
        let name = format!("{}/app:1", proxy.address());
        let options = PullOptions::default().scratch(place.base());
        let (ours, theirs) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| pull(&other, &registries(), &name, &options, &Quiet));
            let ours = pull_from(&place, &registries(), &proxy);
            (ours.unwrap(), theirs.join().unwrap().unwrap())
        });
        assert_eq!(ours.id, theirs.id);
        for pulled in [&ours, &theirs] {
            assert_eq!(pulled.imported + pulled.reused, 3);
        }
        assert_eq!(place.only_image().names(), [name]);
        assert_eq!(place.store.snapshot().unwrap().layers().count(), 3);
    }
}

#[test]
fn root_peer_docker_registry_podman_may_pull_the_same_image_at_the_same_time() {
    let (Some(scene), Some(())) = (Scene::new(), require_peer("podman")) else {
        return;
    };
    for _ in 0..3 {
        let place = Place::new();
        let go = GoStore::below(&place.path("go"), "vfs");
        let store = open(go.root(), go.runroot());
        let podman = Podman::beside(&go);
        let name = format!("{}/app:1", scene.registry.address());
        let options = PullOptions::default().scratch(place.base());
        let pulled = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| podman.run(["pull", "-q", "--tls-verify=false", &name]));
            let ours = pull(&store, &registries(), &name, &options, &Quiet);
            theirs.join().unwrap().assert_success();
            ours.unwrap()
        });
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.images().count(), 1);
        assert_eq!(snapshot.layers().count(), 3);
        assert_eq!(
            snapshot.images().next().unwrap().names(),
            std::slice::from_ref(&name)
        );
        let listed = podman.run(["images", "-q", "--no-trunc"]);
        assert_eq!(listed.text().trim(), format!("sha256:{}", pulled.id));
    }
}

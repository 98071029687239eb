//! Many cuts of one pull, and of one push.
//!
//! `cargo xtask cuts` runs them with a gigabyte.

use layerhold_testkit::fault_proxy::{Cuts, FaultProxy, Kind, Personality};
use layerhold_testkit::image::{Image, Layer};

use crate::faulty::{Scene, contents_sent, pull_from, push_to, registries};
use crate::support::Place;

/// What is cut.
struct Trial {
    /// The bytes of the image.
    size: u64,
    cuts: usize,
    seed: u64,
}

const SMALL: Trial = Trial {
    size: 24 << 20,
    cuts: 12,
    seed: 1,
};
const LARGE: Trial = Trial {
    size: 1 << 30,
    cuts: 50,
    seed: 1,
};

impl Trial {
    /// One large layer and two others.
    fn scene(&self) -> Option<Scene> {
        let quarter = Layer::file(self.size / 4).entropy(100);
        let image = Image::new()
            .layer(quarter.clone())
            .layer(Layer::file(self.size / 2).entropy(100))
            .layer(quarter);
        Scene::with(&image)
    }

    fn places(&self) -> Cuts {
        Cuts::Random {
            seed: self.seed,
            count: self.cuts,
            within: self.size,
        }
    }

    /// Checks the number of bytes that passed, and that all cuts were made.
    #[track_caller]
    fn check(&self, what: &str, proxy: &FaultProxy, passed: u64, size: u64) {
        let ratio = passed as f64 / size as f64;
        #[expect(
            clippy::print_stdout,
            reason = "the numbers are what a person runs this for"
        )]
        {
            println!(
                "{what}: {} cuts, {passed} of {size} bytes, {ratio:.5}",
                proxy.cuts()
            );
        }
        assert_eq!(proxy.cuts(), self.cuts as u64);
        assert!(passed >= size, "{what}: {passed} of {size} bytes");
        assert!(
            passed * 100 <= size * 102,
            "{what}: {passed} of {size} bytes"
        );
    }

    fn pull(&self) {
        let Some(scene) = self.scene() else { return };
        let proxy = scene.proxy([Personality::CutDownloads(self.places()).into()]);
        let place = Place::new();
        let pulled = pull_from(&place, &registries(), &proxy).unwrap();
        scene.assert_pulled(&place, &pulled);
        self.check("pull", &proxy, contents_sent(&proxy), scene.size());
    }

    fn push(&self) {
        let Some(scene) = self.scene() else { return };
        let place = scene.place_with_image();
        let rules = [
            Personality::UploadsKept,
            Personality::CutUploads(self.places()),
        ];
        let proxy = scene.proxy(rules.map(Into::into));
        let pushed = push_to(&place, &registries(), &proxy).unwrap();
        scene.assert_pushed(&place, &pushed);
        let uploads = proxy.requests().into_iter();
        let uploads = uploads.filter(|record| record.kind == Kind::Upload);
        let sent = uploads.map(|record| record.received).sum();
        self.check("push", &proxy, sent, scene.blobs_of("pushed", "1"));
    }
}

#[test]
fn root_peer_docker_registry_a_pull_with_many_cuts_fetches_nothing_twice() {
    SMALL.pull();
}

#[test]
fn root_peer_docker_registry_a_push_with_many_cuts_sends_nothing_twice() {
    SMALL.push();
}

#[test]
#[ignore = "takes minutes; `cargo xtask cuts` runs it"]
fn root_peer_docker_registry_a_pull_of_a_gigabyte_with_many_cuts() {
    LARGE.pull();
}

#[test]
#[ignore = "takes minutes; `cargo xtask cuts` runs it"]
fn root_peer_docker_registry_a_push_of_a_gigabyte_with_many_cuts() {
    LARGE.push();
}

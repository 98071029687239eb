//! Uploads of blobs and manifests.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use layerhold_registry::layerhold_ids::Digest;
use layerhold_registry::{BlobSource, Login, Problem, RedirectError, RegistryError, TagOrDigest};

use crate::server::{Reply, Seen, Server};
use crate::support::{contents, open_server, options, problem, registry_with, repository, sha256};

const SIZE: usize = 300_000;
const UPLOADS: &str = "/v2/team/app/blobs/uploads/";

/// What a registry keeps, as docker's does.
#[derive(Default)]
struct Kept {
    uploads: HashMap<String, Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
    count: usize,
}

impl Kept {
    fn answer(&mut self, seen: &Seen) -> Reply {
        let (method, target) = seen.line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match (method, path.strip_prefix(UPLOADS)) {
            ("POST", Some("")) => self.begin(),
            (_, Some(id)) if !self.uploads.contains_key(id) => {
                Reply::new(404).body(r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#)
            }
            ("GET", Some(id)) => self.state(204, id),
            ("PATCH", Some(id)) => self.fill(seen, id),
            ("PUT", Some(id)) => self.close(seen, id, query),
            ("HEAD", None) => self.find(path),
            _ => panic!("{}", seen.line),
        }
    }

    fn begin(&mut self) -> Reply {
        self.count += 1;
        let id = self.count.to_string();
        self.uploads.insert(id.clone(), Vec::new());
        self.state(202, &id)
    }

    fn state(&self, status: u16, id: &str) -> Reply {
        let last = self.uploads[id].len().saturating_sub(1);
        Reply::new(status)
            .header("Location", &format!("{UPLOADS}{id}?state={last}"))
            .header("Range", &format!("0-{last}"))
    }

    fn fill(&mut self, seen: &Seen, id: &str) -> Reply {
        let upload = self.uploads.get_mut(id).unwrap();
        let start = seen
            .header("content-range")
            .map_or(0, |range| range.split('-').next().unwrap().parse().unwrap());
        if start != upload.len() {
            return Reply::new(416);
        }
        upload.extend_from_slice(&seen.body);
        self.state(202, id)
    }

    fn close(&mut self, seen: &Seen, id: &str, query: &str) -> Reply {
        let upload = self.uploads.get_mut(id).unwrap();
        upload.extend_from_slice(&seen.body);
        if seen.is_cut {
            return Reply::none();
        }
        let digest = query.split("digest=").nth(1).unwrap().replace("%3A", ":");
        if sha256(upload).as_str() != digest {
            return Reply::new(400).body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
        }
        let blob = self.uploads.remove(id).unwrap();
        self.blobs.insert(digest.clone(), blob);
        Reply::new(201).header("Docker-Content-Digest", &digest)
    }

    fn find(&self, path: &str) -> Reply {
        match self.blobs.get(path.rsplit('/').next().unwrap()) {
            Some(blob) => Reply::new(200).header("Content-Length", &blob.len().to_string()),
            None => Reply::new(404),
        }
    }
}

/// A registry, and what it keeps.
struct Registry {
    server: Server,
    kept: Arc<Mutex<Kept>>,
}

impl Registry {
    /// One that answers some requests as `refuse` says.
    fn refusing(refuse: impl FnMut(&Seen) -> Option<Reply> + Send + 'static) -> Self {
        Self::cutting(refuse, |_| None)
    }

    /// One that also cuts connections in the bodies of requests.
    fn cutting(
        mut refuse: impl FnMut(&Seen) -> Option<Reply> + Send + 'static,
        limit: impl Fn(&Seen) -> Option<usize> + Send + Sync + 'static,
    ) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shared = Arc::clone(&kept);
        let handler = move |seen: &Seen| match seen.is("GET /v2/") {
            true => Reply::new(200),
            false => {
                let refused = refuse(seen);
                refused.unwrap_or_else(|| shared.lock().unwrap().answer(seen))
            }
        };
        let server = Server::start_with_limit(handler, limit);
        Self { server, kept }
    }

    fn upload(&self, body: &[u8]) -> Result<Vec<u64>, RegistryError> {
        let mut progress = Vec::new();
        let source = body.to_vec();
        repository(&self.server).upload(&sha256(body), &source, &mut |sent| progress.push(sent))?;
        Ok(progress)
    }

    fn check(&self, body: &[u8]) {
        let kept = self.kept.lock().unwrap();
        assert!(
            kept.blobs
                .get(sha256(body).as_str())
                .is_some_and(|blob| blob == body)
        );
    }

    /// The methods of the requests, with the ranges of contents.
    fn requests(&self) -> Vec<String> {
        let seen = self
            .server
            .seen()
            .into_iter()
            .filter(|seen| !seen.is("GET /v2/"));
        let shown = seen.map(|seen| {
            let method = seen.line.split(' ').next().unwrap().to_owned();
            let range = seen.header("content-range");
            match (range, seen.header("content-length")) {
                (Some(range), _) => format!("{method} {range}"),
                (None, Some(length)) if length != "0" => format!("{method} {length}"),
                _ => method,
            }
        });
        shown.collect()
    }
}

fn closing(digest: &Digest) -> String {
    format!("digest={}", digest.as_str().replace(':', "%3A"))
}

#[test]
fn in_one_piece() {
    let registry = Registry::refusing(|_| None);
    let body = contents(SIZE);
    let progress = registry.upload(&body).unwrap();
    registry.check(&body);
    assert!(progress.is_sorted());
    assert_eq!(progress.last(), Some(&(SIZE as u64)));
    assert_eq!(registry.requests(), ["POST", "PATCH 300000", "PUT"]);
    let seen = registry.server.seen();
    assert_eq!(
        seen[2].header("content-type"),
        Some("application/octet-stream")
    );
    let expected = format!("PUT {UPLOADS}1?state=299999&{}", closing(&sha256(&body)));
    assert_eq!(seen[3].line, expected);
}

#[test]
fn nothing() {
    let registry = Registry::refusing(|_| None);
    registry.upload(b"").unwrap();
    registry.check(b"");
    assert_eq!(registry.requests(), ["POST", "PUT"]);
}

#[test]
fn after_a_cut_the_rest_is_sent() {
    let registry = Registry::cutting(
        |_| None,
        |seen| match seen.header("content-range") {
            None => (seen.line.starts_with("PATCH")).then_some(100_000),
            Some(range) => range.starts_with("100000-").then_some(50_000),
        },
    );
    let body = contents(SIZE);
    let progress = registry.upload(&body).unwrap();
    registry.check(&body);
    let expected = [
        "POST",
        "PATCH 300000",
        "GET",
        "PATCH 100000-299999",
        "GET",
        "PATCH 150000-299999",
        "PUT",
    ];
    assert_eq!(registry.requests(), expected);
    assert!(
        progress.contains(&100_000) && progress.contains(&150_000),
        "{progress:?}"
    );
}

#[test]
fn a_lost_upload_is_begun_again() {
    let mut count = 0;
    let registry = Registry::cutting(
        move |seen| {
            count += usize::from(seen.line.starts_with("GET"));
            let is_lost = seen.line.starts_with("GET") && count == 1;
            is_lost.then(|| Reply::new(404))
        },
        |seen| (seen.line.starts_with(&format!("PATCH {UPLOADS}1"))).then_some(100_000),
    );
    let body = contents(SIZE);
    registry.upload(&body).unwrap();
    registry.check(&body);
    assert_eq!(
        registry.requests(),
        ["POST", "PATCH 300000", "GET", "POST", "PATCH 300000", "PUT"]
    );
}

#[test]
fn without_progress_the_attempts_end() {
    let registry = Registry::cutting(
        |_| None,
        |seen| (seen.line.starts_with("PATCH")).then_some(0),
    );
    let found = problem(registry.upload(&contents(SIZE)));
    assert!(matches!(found, Problem::Cut { .. }), "{found:?}");
    let patches = registry
        .requests()
        .into_iter()
        .filter(|line| line.starts_with("PATCH"));
    assert_eq!(patches.count(), 3);
}

#[test]
fn many_cuts() {
    let registry = Registry::cutting(
        |_| None,
        |seen| {
            let length: usize = seen.header("content-length")?.parse().unwrap();
            (length > 100_000).then_some(50_000)
        },
    );
    let body = contents(4 * SIZE);
    registry.upload(&body).unwrap();
    registry.check(&body);
}

#[test]
fn what_is_not_taken_in_one_piece_is_sent_in_chunks() {
    const MIB: usize = 1 << 20;
    let registry = Registry::refusing(|seen| {
        let is_stream = seen.line.starts_with("PATCH") && seen.header("content-range").is_none();
        let is_large = seen.body.len() > 4 * MIB;
        (is_stream || is_large).then(|| Reply::new(413))
    });
    let body = contents(9 * MIB);
    registry.upload(&body).unwrap();
    registry.check(&body);
    let expected = [
        "POST",
        "PATCH 9437184",
        "POST",
        "PATCH 0-9437183",
        "POST",
        "PATCH 0-4194303",
        "PATCH 4194304-8388607",
        "PATCH 8388608-9437183",
        "PUT",
    ];
    assert_eq!(registry.requests(), expected);
}

#[test]
fn what_is_not_taken_in_chunks_is_sent_at_the_end() {
    for status in [400, 405, 501] {
        let registry = Registry::refusing(move |seen| {
            seen.line.starts_with("PATCH").then(|| Reply::new(status))
        });
        let body = contents(SIZE);
        registry.upload(&body).unwrap();
        registry.check(&body);
        let expected = [
            "POST",
            "PATCH 300000",
            "POST",
            "PATCH 0-299999",
            "POST",
            "PUT 300000",
        ];
        assert_eq!(registry.requests(), expected, "{status}");
    }
}

#[test]
fn what_a_registry_takes_is_remembered() {
    let registry =
        Registry::refusing(|seen| seen.line.starts_with("PATCH").then(|| Reply::new(405)));
    let repository = repository(&registry.server);
    for size in [SIZE, SIZE + 1] {
        let body = contents(size);
        repository
            .upload(&sha256(&body), &body, &mut |_| ())
            .unwrap();
    }
    assert_eq!(registry.requests()[6..], ["POST", "PUT 300001"]);
}

#[test]
fn a_refused_upload() {
    let registry = Registry::refusing(|seen| match seen.line.starts_with("PATCH") {
        true => Some(Reply::new(405)),
        false => (!seen.body.is_empty()).then(|| Reply::new(415)),
    });
    let found = problem(registry.upload(&contents(SIZE)));
    assert_eq!(found.answer().unwrap().status, 415);
    let registry = Registry::refusing(|_| Some(Reply::new(403)));
    let found = problem(registry.upload(&contents(SIZE)));
    assert!(matches!(found, Problem::Denied { .. }), "{found:?}");
    let registry = Registry::refusing(|_| Some(Reply::new(404)));
    let found = problem(registry.upload(&contents(SIZE)));
    assert!(matches!(found, Problem::NameUnknown { .. }), "{found:?}");
}

#[test]
fn a_refusal_that_comes_before_the_end_is_read() {
    let registry = Server::start_raw(|seen| match seen.line.split(' ').next().unwrap() {
        "GET" => Reply::new(200),
        "POST" => Reply::new(202).header("Location", &format!("{UPLOADS}1")),
        _ => Reply::new(403).body(r#"{"errors":[{"code":"DENIED","message":"quota"}]}"#),
    });
    let body = contents(50_000_000);
    let uploaded = repository(&registry).upload(&sha256(&body), &body, &mut |_| ());
    let found = problem(uploaded);
    assert_eq!(found.answer().unwrap().status, 403, "{found:?}");
    assert!(found.answer().unwrap().has_code("DENIED"), "{found:?}");
}

#[test]
fn wrong_contents_are_not_sent_twice() {
    let registry = Registry::refusing(|_| None);
    let repository = repository(&registry.server);
    let uploaded = repository.upload(&sha256(b"other"), &contents(SIZE), &mut |_| ());
    let found = problem(uploaded);
    assert!(
        found.answer().unwrap().has_code("DIGEST_INVALID"),
        "{found:?}"
    );
    assert_eq!(registry.requests(), ["POST", "PATCH 300000", "PUT"]);
}

#[test]
fn a_lost_answer_at_the_end() {
    for is_kept in [true, false] {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shared = Arc::clone(&kept);
        let mut is_lost = false;
        let server = open_server(move |seen| {
            if seen.line.starts_with("PUT") && !is_lost {
                is_lost = true;
                if is_kept {
                    shared.lock().unwrap().answer(seen);
                }
                return Reply::none();
            }
            shared.lock().unwrap().answer(seen)
        });
        let registry = Registry { server, kept };
        let body = contents(SIZE);
        registry.upload(&body).unwrap();
        registry.check(&body);
        let requests = registry.requests();
        let expected: &[&str] = match is_kept {
            true => &["POST", "PATCH 300000", "PUT", "HEAD"],
            false => &["POST", "PATCH 300000", "PUT", "HEAD", "GET", "PUT"],
        };
        assert_eq!(requests, expected);
    }
}

#[test]
fn a_source_that_cannot_be_read() {
    struct Broken(io::ErrorKind);
    impl BlobSource for Broken {
        fn size(&self) -> u64 {
            SIZE as u64
        }

        fn open_at(&self, _: u64) -> io::Result<Box<dyn Read + Send + '_>> {
            match self.0 {
                // It ends too early.
                io::ErrorKind::UnexpectedEof => Ok(Box::new(&b"short"[..])),
                kind => Err(kind.into()),
            }
        }
    }
    for kind in [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::PermissionDenied,
    ] {
        let registry = Registry::refusing(|_| None);
        let source = Broken(kind);
        let uploaded = repository(&registry.server).upload(&sha256(b""), &source, &mut |_| ());
        let Problem::Source(error) = problem(uploaded) else {
            panic!("the source is broken");
        };
        assert_eq!(error.kind(), kind);
    }
}

#[test]
fn a_token_that_ends_in_the_middle_is_renewed() {
    let mut tokens = 0;
    let mut kept = Kept::default();
    let server = Server::start(move |seen| {
        if seen.line.contains(" /token") {
            tokens += 1;
            return Reply::new(200).body(format!(r#"{{"token":"t{tokens}"}}"#));
        }
        let is_filling = seen.line.starts_with("PATCH");
        let host = seen.header("host").unwrap();
        match seen.header("authorization") {
            Some("Bearer t1") if !is_filling => kept.answer(seen),
            Some("Bearer t2") => kept.answer(seen),
            _ => {
                let challenge = format!(r#"Bearer realm="http://{host}/token""#);
                Reply::new(401).header("WWW-Authenticate", &challenge)
            }
        }
    });
    let login = Some(Login::password("ann", "pw"));
    let repository = registry_with(&server, options(), login)
        .repository("team/app")
        .unwrap();
    let body = contents(SIZE);
    repository
        .upload(&sha256(&body), &body, &mut |_| ())
        .unwrap();
    assert!(server.lines()[0].ends_with("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"));
}

#[test]
fn uploads_that_go_on_elsewhere_show_no_credentials() {
    let other = Server::start(|seen| match seen.line.as_str() {
        "PATCH /data" => Reply::new(202),
        line if line.starts_with("PUT /data?digest=") => Reply::new(201),
        line => panic!("{line}"),
    });
    let target = format!("http://{}/data", other.name());
    let server = Server::start(move |seen| match seen.header("authorization") {
        None => Reply::new(401).header("WWW-Authenticate", "Basic"),
        Some(_) => Reply::new(202).header("Location", &target),
    });
    let login = Some(Login::password("ann", "pw"));
    let repository = registry_with(&server, options(), login)
        .repository("team/app")
        .unwrap();
    let body = contents(SIZE);
    repository
        .upload(&sha256(&body), &body, &mut |_| ())
        .unwrap();
    let seen = other.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization").is_none())
    );
    assert_eq!(seen[0].body, body);
}

#[test]
fn redirects_of_contents_are_not_followed() {
    let server = open_server(|seen| match seen.line.starts_with("POST") {
        true => Reply::new(202).header("Location", "/x"),
        false => Reply::new(307).header("Location", "/y"),
    });
    let uploaded = repository(&server).upload(&sha256(b"a"), &b"a".to_vec(), &mut |_| ());
    let found = problem(uploaded);
    let is_right = matches!(
        &found,
        Problem::Redirect {
            source: RedirectError::OtherHost(_),
            ..
        }
    );
    assert!(is_right, "{found:?}");
}

#[test]
fn manifests() {
    const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
    let digest = sha256(b"{}");
    let said = digest.to_string();
    let server = open_server(move |seen| {
        assert_eq!(seen.header("content-type"), Some(TYPE));
        assert_eq!(seen.body, b"{}");
        Reply::new(201).header("Docker-Content-Digest", &said)
    });
    let repository = repository(&server);
    let tag = TagOrDigest::tag("1").unwrap();
    repository.put_manifest(&tag, TYPE, b"{}").unwrap();
    repository
        .put_manifest(&(&digest).into(), TYPE, b"{}")
        .unwrap();
    let other = repository.put_manifest(&sha256(b"").into(), TYPE, b"{}");
    assert!(matches!(problem(other), Problem::WrongDigest { .. }));
    let expected = [
        "PUT /v2/team/app/manifests/1".to_owned(),
        format!("PUT /v2/team/app/manifests/{digest}"),
    ];
    assert_eq!(server.lines(), expected);
    let server =
        open_server(|_| Reply::new(201).header("Docker-Content-Digest", sha256(b"").as_str()));
    let written = crate::support::repository(&server).put_manifest(&tag, TYPE, b"{}");
    assert!(matches!(problem(written), Problem::BadAnswer { .. }));
}

#[test]
fn referrers() {
    let digest = sha256(b"{}");
    for has_interface in [true, false] {
        let server = open_server(move |seen| match seen.line.split('/').nth(4).unwrap() {
            "referrers" if !has_interface => Reply::new(404),
            "referrers" if seen.line.ends_with("?n=2") => Reply::new(200).body("[2]"),
            "referrers" => Reply::new(200)
                .header("Link", "<?n=2>; rel=next")
                .body("[1]"),
            "manifests" => Reply::new(200).body("[3]"),
            _ => panic!("{}", seen.line),
        });
        let pages = repository(&server).referrers(&digest).unwrap();
        let expected: &[&[u8]] = if has_interface {
            &[b"[1]", b"[2]"]
        } else {
            &[b"[3]"]
        };
        assert_eq!(pages, expected);
        let last = server.lines().pop().unwrap();
        match has_interface {
            true => assert!(
                last.ends_with(&format!("/referrers/{digest}?n=2")),
                "{last}"
            ),
            false => assert!(last.ends_with(&format!("/manifests/sha256-{}", digest.hex()))),
        }
    }
    let server = open_server(|_| Reply::new(404));
    assert!(repository(&server).referrers(&digest).unwrap().is_empty());
}

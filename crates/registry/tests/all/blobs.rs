//! Blobs: cut connections, odd answers, sizes and digests.

use std::io::Read;

use layerhold_registry::{Client, Problem};

use crate::server::{Reply, Seen, Server};
use crate::support::{
    contents, open_server, options, part, problem, range_start, read, repository, sha256,
};

const SIZE: usize = 300_000;

/// Reads a blob of [`SIZE`] bytes from a server, and checks it.
fn check_whole(server: &Server, size: Option<u64>) {
    let body = contents(SIZE);
    let blob = repository(server).blob(&sha256(&body), size).unwrap();
    assert_eq!(read(blob).unwrap(), body);
}

/// The offsets that the server was asked for.
fn offsets(server: &Server) -> Vec<usize> {
    let seen = server.seen().into_iter();
    let blobs = seen.filter(|seen| seen.line.contains("/blobs/"));
    blobs.map(|seen| range_start(&seen).unwrap_or(0)).collect()
}

#[test]
fn one_request_reads_a_blob() {
    let body = contents(SIZE);
    let server = open_server(move |_| Reply::new(200).body(&*body));
    check_whole(&server, Some(SIZE as u64));
    let digest = sha256(&contents(SIZE));
    assert_eq!(server.lines(), [format!("GET /v2/team/app/blobs/{digest}")]);
    let seen = server.seen().pop().unwrap();
    assert_eq!(seen.header("range"), None);
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("user-agent"), Some("layerhold/0.1.0"));
    assert_eq!(
        seen.header("docker-distribution-api-version"),
        Some("registry/2.0")
    );
}

#[test]
fn a_length_is_not_needed() {
    for size in [None, Some(SIZE as u64)] {
        let body = contents(SIZE);
        let server = open_server(move |_| Reply::new(200).body(&*body).without_length());
        check_whole(&server, size);
        let body = contents(SIZE);
        let server = open_server(move |_| Reply::new(200).body(&*body).chunked());
        check_whole(&server, size);
        assert_eq!(offsets(&server), [0]);
    }
}

#[test]
fn the_size_is_known_once_the_server_tells_it() {
    let body = contents(10);
    let server = open_server(move |_| Reply::new(200).body(&*body));
    let blob = repository(&server).blob(&sha256(b""), None).unwrap();
    assert_eq!(blob.size(), Some(10));
}

#[test]
fn reading_goes_on_after_cuts() {
    let body = contents(SIZE);
    let server = open_server(move |seen| match range_start(seen) {
        None => Reply::new(200).body(&*body).cut_after(100_000),
        Some(100_000) => part(&body, 100_000).cut_after(100_000),
        Some(start) => part(&body, start),
    });
    for size in [Some(SIZE as u64), None] {
        check_whole(&server, size);
    }
    assert_eq!(offsets(&server), [0, 100_000, 200_000, 0, 100_000, 200_000]);
}

#[test]
fn an_answer_that_ends_early_without_a_length_is_a_cut() {
    let body = contents(SIZE);
    let server = open_server(move |seen| match range_start(seen) {
        None => Reply::new(200).body(&body[..1000]).without_length(),
        Some(start) => part(&body, start),
    });
    check_whole(&server, Some(SIZE as u64));
    assert_eq!(offsets(&server), [0, 1000]);
}

#[test]
fn the_whole_instead_of_a_part_is_skipped_to_the_offset() {
    let body = contents(SIZE);
    let mut count = 0;
    let server = open_server(move |_| {
        count += 1;
        let whole = Reply::new(200).body(&*body);
        match count {
            1 => whole.cut_after(100_000),
            // Less than what is there already.
            2 => whole.cut_after(50_000),
            3 => whole.cut_after(200_000),
            _ => whole.chunked(),
        }
    });
    check_whole(&server, Some(SIZE as u64));
    assert_eq!(offsets(&server), [0, 100_000, 100_000, 200_000]);
}

#[test]
fn a_server_that_refuses_ranges_is_asked_for_the_whole() {
    for status in [400, 416, 501] {
        let body = contents(SIZE);
        let mut count = 0;
        let server = open_server(move |seen| {
            count += 1;
            match (count, range_start(seen)) {
                (1, None) => Reply::new(200).body(&*body).cut_after(100_000),
                (_, None) => Reply::new(200).body(&*body),
                (_, Some(_)) => Reply::new(status),
            }
        });
        check_whole(&server, Some(SIZE as u64));
        assert_eq!(offsets(&server), [0, 100_000, 0], "{status}");
    }
}

#[test]
fn progress_renews_the_attempts() {
    let body = contents(SIZE * 4);
    let whole = body.clone();
    let server = open_server(move |seen| match range_start(seen) {
        None => Reply::new(200).body(&*body).cut_after(70_000),
        Some(start) => part(&body, start).cut_after(70_000.min(body.len() - start)),
    });
    let blob = repository(&server).blob(&sha256(&whole), None).unwrap();
    assert_eq!(read(blob).unwrap(), whole);
    assert_eq!(offsets(&server).len(), 18);
}

#[test]
fn without_progress_the_attempts_end() {
    let body = contents(SIZE);
    let server = open_server(move |seen| match range_start(seen) {
        None => Reply::new(200).body(&*body).cut_after(100_000),
        Some(start) => part(&body, start).cut_after(0),
    });
    let blob = repository(&server).blob(&sha256(b""), None).unwrap();
    let found = problem(read(blob));
    assert!(matches!(found, Problem::Cut { .. }), "{found:?}");
    assert_eq!(offsets(&server), [0, 100_000, 100_000]);
}

#[test]
fn parts_that_are_not_what_was_asked_for_are_refused() {
    type Case = (fn(&[u8]) -> Reply, &'static str);
    let cases: [Case; 5] = [
        (|body| part(body, 99_999), "another part than was asked for"),
        (
            |body| Reply::new(206).body(&body[100_000..]),
            "a part without a valid Content-Range",
        ),
        (
            |body| {
                let range = "bytes 100000-299999/300001";
                Reply::new(206)
                    .header("Content-Range", range)
                    .body(&body[100_000..])
            },
            "",
        ),
        (
            |body| {
                let range = "bytes 100000-299998/300000";
                Reply::new(206)
                    .header("Content-Range", range)
                    .body(&body[100_000..])
            },
            "a length that contradicts Content-Range",
        ),
        (|_| Reply::new(204), "an answer without contents"),
    ];
    for (reply, expected) in cases {
        let body = contents(SIZE);
        let server = open_server(move |seen| match range_start(seen) {
            None => Reply::new(200).body(&*body).cut_after(100_000),
            Some(_) => reply(&body),
        });
        let blob = repository(&server).blob(&sha256(b""), None).unwrap();
        match problem(read(blob)) {
            Problem::BadAnswer { what, .. } => assert_eq!(what, expected),
            Problem::WrongSize {
                expected: 300_000,
                actual: 300_001,
            } => assert_eq!(expected, ""),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn a_part_instead_of_the_whole_is_refused() {
    let body = contents(SIZE);
    let server = open_server(move |_| part(&body, 0));
    let opened = repository(&server).blob(&sha256(b""), None);
    assert!(matches!(problem(opened), Problem::BadAnswer { .. }));
}

#[test]
fn another_size_is_an_error() {
    let reply = |how: fn(Reply) -> Reply| {
        let body = contents(SIZE);
        open_server(move |_| how(Reply::new(200).body(&*body)))
    };
    let size = SIZE as u64;
    let server = reply(|reply| reply);
    for expected in [size - 1, size + 1, 0] {
        let opened = repository(&server).blob(&sha256(b""), Some(expected));
        let Problem::WrongSize {
            expected: e,
            actual,
        } = problem(opened)
        else {
            panic!("the size is wrong");
        };
        assert_eq!((e, actual), (expected, size));
    }
    for how in [Reply::chunked, Reply::without_length] {
        let server = reply(how);
        let blob = repository(&server)
            .blob(&sha256(b""), Some(size - 1))
            .unwrap();
        let Problem::WrongSize { expected, actual } = problem(read(blob)) else {
            panic!("the size is wrong");
        };
        assert_eq!((expected, actual), (size - 1, size));
    }
}

#[test]
fn empty_blobs() {
    for how in [|reply| reply, Reply::chunked, Reply::without_length] as [fn(Reply) -> Reply; 3] {
        let server = open_server(move |_| how(Reply::new(200)));
        let blob = repository(&server).blob(&sha256(b""), Some(0)).unwrap();
        assert_eq!(read(blob).unwrap(), b"");
    }
}

#[test]
fn the_digest_is_checked_at_the_end() {
    let body = contents(1000);
    let server = open_server(move |_| Reply::new(200).body(&*body));
    let open = |digest| repository(&server).blob(&digest, Some(1000)).unwrap();
    assert_eq!(
        open(sha256(&contents(1000))).read_all(1000).unwrap(),
        contents(1000)
    );
    let Problem::WrongDigest { expected, actual } = problem(open(sha256(b"")).read_all(1000))
    else {
        panic!("the digest is wrong");
    };
    assert_eq!((expected, actual), (sha256(b""), sha256(&contents(1000))));
    let found = problem(open(sha256(&contents(1000))).read_all(999));
    assert!(
        matches!(found, Problem::TooLarge { limit: 999, .. }),
        "{found:?}"
    );

    let mut right = open(sha256(&contents(1000))).verified();
    let mut wrong = open(sha256(b"")).verified();
    let mut buffer = [0; 2000];
    for expected in [1000, 0, 0] {
        let mut count = 0;
        while count < expected {
            count += right.read(&mut buffer[count..]).unwrap();
        }
        assert_eq!(count, expected);
    }
    assert!(wrong.read(&mut []).is_ok());
    assert!(wrong.read_to_end(&mut Vec::new()).is_err());
    assert!(wrong.read(&mut buffer).is_err());
}

#[test]
fn connections_are_used_again() {
    let body = contents(SIZE);
    let server = open_server(move |_| Reply::new(200).body(&*body));
    let repository = repository(&server);
    for _ in 0..5 {
        read(repository.blob(&sha256(b""), Some(SIZE as u64)).unwrap()).unwrap();
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    // The first one tried TLS.
    assert_eq!(connections, [1; 6]);
}

#[test]
fn many_threads_read_at_once() {
    let body = contents(SIZE);
    let server = open_server(move |_| Reply::new(200).body(&*body));
    let repository = repository(&server);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let blob = repository.blob(&sha256(&contents(SIZE)), None).unwrap();
                assert_eq!(blob.read_all(SIZE as u64).unwrap().len(), SIZE);
            });
        }
    });
    let questions = server
        .seen()
        .iter()
        .filter(|seen| seen.is("GET /v2/"))
        .count();
    assert_eq!(questions, 1);
}

#[test]
fn blobs_exist_or_not() {
    let server = open_server(|seen| {
        let blob = |text: &str| seen.line.ends_with(sha256(text.as_bytes()).as_str());
        let is_head = seen.line.starts_with("HEAD");
        let is_part = seen.header("range") == Some("bytes=0-0");
        match () {
            () if blob("plain") => Reply::new(200).body("12345"),
            () if blob("refused") => Reply::new(403),
            () if is_head && blob("without HEAD") => Reply::new(405),
            () if is_part && blob("without HEAD") => Reply::new(206)
                .header("Content-Range", "bytes 0-0/6")
                .body("1"),
            () if is_part && blob("without ranges") => Reply::new(416),
            () if blob("without ranges") => Reply::new(200).body("1234567").without_length(),
            () if blob("without lengths") => Reply::new(200).body("12345678").chunked(),
            () => Reply::new(404),
        }
    });
    let repository = repository(&server);
    for (name, expected) in [
        ("plain", Some(5)),
        ("without HEAD", Some(6)),
        ("without ranges", Some(7)),
        ("without lengths", Some(8)),
        ("missing", None),
    ] {
        let found = repository.find_blob(&sha256(name.as_bytes())).unwrap();
        assert_eq!(found, expected, "{name}");
    }
    let found = problem(repository.find_blob(&sha256(b"refused")));
    assert!(matches!(found, Problem::Denied { .. }), "{found:?}");
}

#[test]
fn blobs_of_other_repositories_are_mounted() {
    let server = open_server(|seen: &Seen| {
        assert_eq!(seen.header("content-length"), Some("0"));
        match seen.line.contains("from=other%2Fone") {
            true => Reply::new(201).header("Location", "/v2/team/app/blobs/x"),
            false => Reply::new(202).header("Location", "/v2/team/app/blobs/uploads/1"),
        }
    });
    let repository = repository(&server);
    let digest = sha256(b"");
    assert!(repository.mount_blob(&digest, "other/one").unwrap());
    assert!(!repository.mount_blob(&digest, "other/two").unwrap());
    let path = "POST /v2/team/app/blobs/uploads/?mount=sha256%3A";
    assert!(server.lines()[0].starts_with(path), "{:?}", server.lines());
}

#[test]
fn foreign_blobs_are_read_without_credentials() {
    let body = contents(SIZE);
    let server = Server::start(move |seen| match range_start(seen) {
        None => Reply::new(200).body(&*body).cut_after(100_000),
        Some(start) => part(&body, start),
    });
    let client = Client::new(options());
    let url = format!("http://{}/layer?x=y", server.name());
    let blob = client.foreign_blob(&url, &sha256(b""), None).unwrap();
    assert_eq!(read(blob).unwrap(), contents(SIZE));
    assert_eq!(server.lines(), ["GET /layer?x=y", "GET /layer?x=y"]);
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.header("authorization").is_none())
    );
    for url in ["ftp://a/b", "/b", "http://u:p@a/"] {
        let found = problem(client.foreign_blob(url, &sha256(b""), None));
        assert!(matches!(found, Problem::Redirect { .. }), "{found:?}");
    }
}

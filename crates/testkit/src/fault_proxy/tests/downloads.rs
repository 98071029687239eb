use std::io::{Read, Write};

use super::*;

fn ranged(proxy: &FaultProxy, behind: &Behind, range: &str) -> Reply {
    let range = format!("Range: bytes={range}");
    send(proxy, "GET", &behind.blob(), &[&range], b"")
}

#[test]
fn peer_registry_several_ranges_are_refused() {
    for status in [501, 416, 400] {
        let Some((behind, proxy)) = start([Personality::SeveralRangesRefused(status)]) else {
            return;
        };
        assert_eq!(ranged(&proxy, &behind, "0-1,5-6").status, status);
        assert_eq!(ranged(&proxy, &behind, "0-1").status, 206);
        assert_eq!(ask(&proxy, "GET", &behind.blob()).status, 200);
    }
}

#[test]
fn peer_registry_ranges_are_ignored() {
    for (personality, one) in [
        (Personality::SeveralRangesIgnored, 206),
        (Personality::RangesIgnored, 200),
    ] {
        let Some((behind, proxy)) = start([personality]) else {
            return;
        };
        let reply = ranged(&proxy, &behind, "0-1,5-6");
        assert_eq!((reply.status, reply.body), (200, behind.blob_bytes()));
        assert_eq!(ranged(&proxy, &behind, "0-1").status, one);
    }
}

#[test]
fn peer_registry_content_ranges_are_wrong() {
    let Some(behind) = Behind::start() else {
        return;
    };
    let total = behind.blob_bytes().len();
    for (fault, value) in [
        (RangeFault::Missing, None),
        (RangeFault::Start, Some(format!("bytes 6-9/{total}"))),
        (RangeFault::Total, Some(format!("bytes 5-9/{}", total + 1))),
        (RangeFault::UnknownTotal, Some("bytes 5-9/*".to_owned())),
    ] {
        let proxy = behind.proxy([Personality::WrongContentRange(fault).into()]);
        let reply = ranged(&proxy, &behind, "5-9");
        assert_eq!(reply.header("Content-Range"), value.as_deref());
        assert_eq!(reply.body, behind.blob_bytes()[5..10]);
    }
}

#[test]
fn peer_registry_one_byte_is_wrong() {
    let Some((behind, proxy)) = start([Personality::WrongByte(150_000)]) else {
        return;
    };
    let reply = ask(&proxy, "GET", &behind.blob());
    let right = behind.blob_bytes();
    assert_eq!(reply.body.len(), right.len());
    let wrong: Vec<usize> = (0..right.len())
        .filter(|at| reply.body[*at] != right[*at])
        .collect();
    assert_eq!(wrong, [150_000]);
    assert_eq!(ask(&proxy, "GET", MANIFEST).body, behind.manifest_bytes());
}

#[test]
fn peer_registry_downloads_are_cut_and_go_on() {
    let cuts = Cuts::Random {
        seed: 5,
        count: 9,
        within: 200_000,
    };
    let Some((behind, proxy)) = start([Personality::CutDownloads(cuts)]) else {
        return;
    };
    let (right, mut got) = (behind.blob_bytes(), Vec::new());
    let mut requests = 0;
    while got.len() < right.len() {
        let reply = ranged(&proxy, &behind, &format!("{}-", got.len()));
        got.extend(reply.body);
        requests += 1;
    }
    assert!(got == right);
    assert_eq!((requests, proxy.cuts()), (10, 9));
    assert_eq!(proxy.bytes_sent(), right.len() as u64);
    assert_eq!(
        proxy.requests().iter().filter(|record| record.cut).count(),
        9
    );
}

#[test]
fn peer_registry_downloads_are_cut_at_given_places() {
    let Some((behind, proxy)) = start([Personality::CutDownloads(Cuts::At(vec![7, 1000]))]) else {
        return;
    };
    let lengths = [(); 3].map(|()| ask(&proxy, "GET", &behind.blob()).body.len());
    assert_eq!(lengths, [7, 993, behind.blob_bytes().len()]);
}

#[test]
fn peer_registry_lengths_are_missing() {
    let Some(behind) = Behind::start() else {
        return;
    };
    for ending in [Ending::Chunked, Ending::Close] {
        let proxy = behind.proxy([Personality::NoContentLength(ending).into()]);
        for (path, right) in [
            (behind.blob(), behind.blob_bytes()),
            (MANIFEST.to_owned(), behind.manifest_bytes()),
        ] {
            let reply = ask(&proxy, "GET", &path);
            assert_eq!(reply.header("Content-Length"), None);
            let body = match ending {
                Ending::Chunked => reply.unchunked(),
                Ending::Close => (reply.body, true),
            };
            assert!(body == (right, true));
            assert_eq!(ask(&proxy, "HEAD", &path).header("Content-Length"), None);
        }
    }
}

#[test]
fn peer_registry_blobs_are_elsewhere() {
    let Some((behind, proxy)) = start([Personality::BlobsElsewhere(307)]) else {
        return;
    };
    let secret = "Authorization: Basic c2VjcmV0";
    let reply = send(&proxy, "GET", &behind.blob(), &[secret], b"");
    let target = format!("{}?signature=testkit", behind.blob());
    let location = format!("http://{}{target}", proxy.address_elsewhere());
    assert_eq!(
        (reply.status, reply.header("Location")),
        (307, Some(&location[..]))
    );
    assert_eq!(ask(&proxy, "GET", MANIFEST).status, 200);

    let there = proxy.address_elsewhere();
    let reply = client::send_to(&there, "GET", &target, &["X-Seen: yes"], b"");
    assert_eq!(reply.body, behind.blob_bytes());
    let seen = proxy.requests_elsewhere();
    assert_eq!((seen.len(), seen[0].line()), (1, format!("GET {target}")));
    assert_eq!(seen[0].header("X-Seen"), Some("yes"));
    assert_eq!(seen[0].header("Authorization"), None);
    let manifest = behind.manifest_bytes().len();
    assert_eq!(proxy.bytes_sent(), (reply.body.len() + manifest) as u64);
}

#[test]
fn peer_registry_redirects_go_in_circles() {
    let Some((behind, proxy)) = start([Personality::RedirectLoop]) else {
        return;
    };
    let reply = ask(&proxy, "GET", &behind.blob());
    assert_eq!(
        (reply.status, reply.header("Location")),
        (307, Some(&behind.blob()[..]))
    );
}

#[test]
fn peer_registry_other_hosts_misbehave_too() {
    let Some((behind, proxy)) = start([
        Personality::BlobsElsewhere(302),
        Personality::CutDownloads(Cuts::At(vec![10])),
    ]) else {
        return;
    };
    let there = proxy.address_elsewhere();
    let body = || {
        client::send_to(&there, "GET", &behind.blob(), &[], b"")
            .body
            .len()
    };
    assert_eq!((body(), body()), (10, behind.blob_bytes().len()));
}

#[test]
fn peer_registry_digests_are_missing_or_wrong() {
    let Some(behind) = Behind::start() else {
        return;
    };
    let digest = &behind.made.descriptor().digest;
    let wrong = format!("sha256:{}", "0".repeat(64));
    for (rules, value) in [
        (vec![], Some(digest.as_str())),
        (vec![Personality::NoDigestHeader], None),
        (vec![Personality::WrongDigestHeader], Some(wrong.as_str())),
    ] {
        let proxy = behind.proxy(rules.into_iter().map(Into::into));
        for method in ["GET", "HEAD"] {
            let reply = ask(&proxy, method, MANIFEST);
            assert_eq!(reply.header("Docker-Content-Digest"), value);
        }
    }
}

#[test]
fn peer_registry_head_is_refused() {
    let Some((_behind, proxy)) = start([Personality::HeadRefused]) else {
        return;
    };
    let reply = ask(&proxy, "HEAD", MANIFEST);
    assert_eq!((reply.status, reply.body.len()), (405, 0));
    assert_eq!(ask(&proxy, "GET", MANIFEST).status, 200);
}

#[test]
fn peer_registry_a_body_stalls() {
    let Some((behind, proxy)) = start([Personality::Stall(5000).first(1)]) else {
        return;
    };
    let mut connection = client::connect(&proxy);
    let head = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", behind.blob());
    connection.write_all(head.as_bytes()).unwrap();
    let length = format!("Content-Length: {}", behind.blob_bytes().len());
    let head = client::read_head(&mut connection);
    assert!(String::from_utf8(head).unwrap().contains(&length));
    connection.read_exact(&mut [0; 5000]).unwrap();
    assert_eq!(proxy.requests()[0].sent, 5000);
    connection.set_nonblocking(true).unwrap();
    let nothing = connection.read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(ask(&proxy, "GET", &behind.blob()).body, behind.blob_bytes());
}

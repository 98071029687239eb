use super::*;

const UPLOADS: &str = "/v2/new/blobs/uploads/";
/// Ten bytes and their digest.
const BYTES: &[u8] = b"0123456789";
const DIGEST: &str = "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

/// Host, path and query of the location in a reply.
fn location(proxy: &FaultProxy, reply: &Reply) -> (String, String) {
    let value = reply.header("Location").expect("an upload has a location");
    match value.strip_prefix("http://") {
        Some(rest) => {
            let at = rest.find('/').unwrap();
            (rest[..at].to_owned(), rest[at..].to_owned())
        }
        None => (proxy.address(), value.to_owned()),
    }
}

fn with_digest(target: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}digest={DIGEST}")
}

/// Uploads the bytes in two parts; the status of each step.
fn upload_in_parts(proxy: &FaultProxy) -> Vec<u16> {
    let mut reply = ask(proxy, "POST", UPLOADS);
    let mut statuses = vec![reply.status];
    for (range, part) in [("0-3", &BYTES[..4]), ("4-9", &BYTES[4..])] {
        let (host, target) = location(proxy, &reply);
        let range = format!("Content-Range: {range}");
        let octets = "Content-Type: application/octet-stream";
        let next = client::send_to(&host, "PATCH", &target, &[&range, octets], part);
        statuses.push(next.status);
        if next.status != 202 {
            return statuses;
        }
        reply = next;
    }
    let (host, target) = location(proxy, &reply);
    let end = client::send_to(&host, "PUT", &with_digest(&target), &[], b"");
    statuses.push(end.status);
    statuses
}

/// Uploads the bytes in one PUT; its status.
fn upload_at_once(proxy: &FaultProxy) -> u16 {
    let (host, target) = location(proxy, &ask(proxy, "POST", UPLOADS));
    let octets = "Content-Type: application/octet-stream";
    client::send_to(&host, "PUT", &with_digest(&target), &[octets], BYTES).status
}

#[test]
fn peer_registry_uploads_pass() {
    let Some((behind, proxy)) = start(NO_RULES) else {
        return;
    };
    assert_eq!(upload_in_parts(&proxy), [202, 202, 202, 201]);
    assert_eq!(behind.registry.layers("new"), [DIGEST]);
    assert_eq!(behind.registry.blob(DIGEST), BYTES);
    assert_eq!(upload_at_once(&proxy), 201);
    assert_eq!((proxy.bytes_received(), proxy.cuts()), (20, 0));
}

#[test]
fn peer_registry_parts_are_refused() {
    let Some((_behind, proxy)) = start([Personality::ChunkedUploadsRefused]) else {
        return;
    };
    assert_eq!(upload_in_parts(&proxy), [202, 405]);
    assert_eq!(upload_at_once(&proxy), 201);
}

#[test]
fn peer_registry_whole_blobs_are_refused() {
    let Some((behind, proxy)) = start([Personality::MonolithicUploadsRefused]) else {
        return;
    };
    assert_eq!(upload_at_once(&proxy), 400);
    let by_post = send(&proxy, "POST", &with_digest(UPLOADS), &[], BYTES);
    assert_eq!(by_post.status, 202);
    assert_eq!(behind.registry.layers("new"), Vec::<String>::new());
    assert_eq!(upload_in_parts(&proxy), [202, 202, 202, 201]);
}

#[test]
fn peer_registry_locations_have_every_form() {
    let Some(behind) = Behind::start() else {
        return;
    };
    let form = |form: Location| {
        let proxy = behind.proxy([Personality::UploadLocation(form).into()]);
        let location = ask(&proxy, "POST", UPLOADS);
        let location = location.header("Location").unwrap().to_owned();
        assert_eq!(upload_in_parts(&proxy), [202, 202, 202, 201], "{form:?}");
        assert_eq!(upload_at_once(&proxy), 201, "{form:?}");
        (location, proxy)
    };
    let (location, _) = form(Location::Relative);
    assert!(location.starts_with("/v2/new/blobs/uploads/") && location.contains("?_state="));
    let (location, proxy) = form(Location::Absolute);
    assert!(location.starts_with(&format!("http://{}/v2/", proxy.address())));
    let (location, _) = form(Location::NoQuery);
    assert!(location.starts_with("/v2/new/blobs/uploads/") && !location.contains('?'));
    let (location, _) = form(Location::LongerQuery);
    assert!(location.ends_with("&more=a%2Fb%3D%3Fc"), "{location}");
    let (location, proxy) = form(Location::OtherOrigin);
    assert!(location.starts_with(&format!("http://{}/v2/", proxy.address_elsewhere())));
    assert_eq!(
        (proxy.requests().len(), proxy.requests_elsewhere().len()),
        (3, 4)
    );
}

#[test]
fn peer_registry_upload_ranges_are_missing() {
    let Some(behind) = Behind::start() else {
        return;
    };
    for (rules, range) in [
        (vec![], Some("0-9")),
        (vec![Personality::NoUploadRange.into()], None),
    ] {
        let proxy = behind.proxy(rules);
        let (host, target) = location(&proxy, &ask(&proxy, "POST", UPLOADS));
        let reply = client::send_to(&host, "PATCH", &target, &[], BYTES);
        assert_eq!(reply.header("Range"), range);
        let (host, target) = location(&proxy, &reply);
        let reply = client::send_to(&host, "GET", &target, &[], b"");
        assert_eq!((reply.status, reply.header("Range")), (204, range));
    }
}

#[test]
fn peer_registry_uploads_are_cut() {
    let Some((behind, proxy)) = start([Personality::CutUploads(Cuts::At(vec![4]))]) else {
        return;
    };
    let (host, target) = location(&proxy, &ask(&proxy, "POST", UPLOADS));
    assert_eq!(
        client::send_to(&host, "PATCH", &target, &[], BYTES).status,
        0
    );
    assert_eq!((proxy.bytes_received(), proxy.cuts()), (4, 1));
    assert_eq!(upload_in_parts(&proxy), [202, 202, 202, 201]);
    assert_eq!(behind.registry.blob(DIGEST), BYTES);
}

#[test]
fn peer_registry_uploads_are_kept_and_go_on() {
    let Some((behind, proxy)) = start([
        // The bytes of the part that is refused count too.
        Personality::CutUploads(Cuts::At(vec![4, 17])),
        Personality::UploadsKept,
    ]) else {
        return;
    };
    let (host, target) = location(&proxy, &ask(&proxy, "POST", UPLOADS));
    let status = || client::send_to(&host, "GET", &target, &[], b"");
    let patch = |range: &str, bytes| {
        let range = format!("Content-Range: {range}");
        client::send_to(&host, "PATCH", &target, &[&range], bytes).status
    };
    assert_eq!(patch("0-9", BYTES), 0);
    assert_eq!(
        (status().status, status().header("Range")),
        (204, Some("0-3"))
    );
    assert_eq!(patch("0-9", BYTES), 416);
    assert_eq!(patch("4-9", &BYTES[4..]), 0);
    assert_eq!(status().header("Range"), Some("0-6"));
    assert_eq!(patch("7-9", &BYTES[7..]), 202);
    let end = client::send_to(&host, "PUT", &with_digest(&target), &[], b"");
    assert_eq!(end.status, 201);
    assert_eq!(behind.registry.blob(DIGEST), BYTES);
    assert_eq!(proxy.cuts(), 2);
}

#[test]
fn peer_registry_kept_uploads_have_every_form() {
    let Some(behind) = Behind::start() else {
        return;
    };
    for form in [Location::Absolute, Location::NoQuery, Location::OtherOrigin] {
        let proxy = behind.proxy([
            Personality::UploadsKept.into(),
            Personality::UploadLocation(form).into(),
        ]);
        assert_eq!(upload_in_parts(&proxy), [202, 202, 202, 201], "{form:?}");
        assert_eq!(upload_at_once(&proxy), 201, "{form:?}");
    }
}

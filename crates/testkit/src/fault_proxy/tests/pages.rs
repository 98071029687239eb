use super::*;

/// The pages that a list comes in, and the `Link` of the first.
fn pages(link: Link) -> Option<(Vec<String>, String, FaultProxy)> {
    let (behind, proxy) = start([Personality::Pages(2, link)])?;
    for tag in ["a", "b", "c", "d"] {
        behind.registry.add(&behind.made, "app", tag);
    }
    let (mut found, mut first) = (Vec::new(), None);
    let (mut address, mut target) = (proxy.address(), "/v2/app/tags/list".to_owned());
    loop {
        let reply = client::send_to(&address, "GET", &target, &[], b"");
        found.push(reply.text());
        let Some(next) = reply.header("Link") else {
            break;
        };
        first.get_or_insert(next.to_owned());
        let url = next.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
        if let Some(rest) = url.strip_prefix("http://") {
            let at = rest.find('/')?;
            (address, target) = (rest[..at].into(), rest[at..].into());
        } else {
            target = url.to_owned();
        }
        if link == Link::Loop && found.len() == 5 {
            break;
        }
    }
    Some((found, first?, proxy))
}

fn expected() -> Vec<String> {
    [r#""a","b""#, r#""c","d""#, r#""t""#]
        .map(|tags| format!(r#"{{"name":"app","tags":[{tags}]}}"#))
        .into()
}

#[test]
fn peer_registry_pages_are_linked_by_path() {
    let Some((found, link, _)) = pages(Link::Relative) else {
        return;
    };
    assert_eq!(found, expected());
    assert_eq!(link, "</v2/app/tags/list?last=b&n=2>; rel=\"next\"");
}

#[test]
fn peer_registry_pages_are_linked_by_url() {
    let Some((found, link, proxy)) = pages(Link::Absolute) else {
        return;
    };
    assert_eq!(found, expected());
    let host = proxy.address();
    assert_eq!(
        link,
        format!("<http://{host}/v2/app/tags/list?last=b&n=2>; rel=\"next\"")
    );
}

#[test]
fn peer_registry_pages_are_elsewhere() {
    let Some((found, _, proxy)) = pages(Link::OtherOrigin) else {
        return;
    };
    assert_eq!(found, expected());
    assert_eq!(
        (proxy.requests().len(), proxy.requests_elsewhere().len()),
        (1, 2)
    );
}

#[test]
fn peer_registry_pages_never_end() {
    let Some((found, _, _)) = pages(Link::Loop) else {
        return;
    };
    assert_eq!(found, vec![expected()[0].clone(); 5]);
}

#[test]
fn peer_registry_a_client_may_ask_for_smaller_pages() {
    let Some((_behind, proxy)) = start([Personality::Pages(2, Link::Relative)]) else {
        return;
    };
    let reply = ask(&proxy, "GET", "/v2/app/tags/list?n=1");
    assert_eq!(
        (reply.text().as_str(), reply.header("Link")),
        (r#"{"name":"app","tags":["t"]}"#, None)
    );
    assert_eq!(ask(&proxy, "GET", "/v2/none/tags/list").status, 404);
}

//! Tag lists in pages.

use std::io::{BufReader, Read, Result};
use std::net::TcpStream;

use super::answer::Answer;
use super::body::{BodyReader, Framing};
use super::message::{Request, Response};
use super::personality::Link;
use super::rules::Places;

/// The longest list that is taken from the registry.
const LONGEST_LIST: u64 = 16 << 20;

/// A page of at most `size` tags; `None` when the registry has no list.
pub(super) fn answer(
    request: &Request,
    size: usize,
    link: Link,
    places: &Places,
) -> Option<Answer> {
    let (name, list) = (
        request.repository()?,
        list(request, &places.upstream).ok()??,
    );
    let mut tags = tags(&list);
    // Debian's registry has them in no order.
    tags.sort_unstable();
    let asked = request.parameter("n").and_then(|n| n.parse().ok());
    let size = size.min(asked.unwrap_or(size)).max(1);
    let begin = match request.parameter("last") {
        Some(last) => tags
            .iter()
            .position(|tag| *tag == last)
            .map_or(0, |at| at + 1),
        None => 0,
    };
    let rest = &tags[begin..];
    let page = &rest[..size.min(rest.len())];
    let quoted: Vec<String> = page.iter().map(|tag| format!("\"{tag}\"")).collect();
    let body = format!(r#"{{"name":"{name}","tags":[{}]}}"#, quoted.join(","));
    let answer = Answer::json(200, &body);
    match page.last() {
        Some(last) if page.len() < rest.len() || link == Link::Loop => {
            let next = format!("{}?last={last}&n={size}", request.path());
            let url = url(link, &next, request, places);
            Some(answer.with("Link", format!("<{url}>; rel=\"next\"")))
        }
        _ => Some(answer),
    }
}

fn url(link: Link, next: &str, request: &Request, places: &Places) -> String {
    match link {
        Link::Relative => next.to_owned(),
        Link::Absolute => {
            let host = request.headers.get("Host").unwrap_or(&places.registry);
            format!("http://{host}{next}")
        }
        Link::OtherOrigin => format!("http://{}{next}", places.elsewhere),
        Link::Loop => request.target.clone(),
    }
}

/// Asks the registry for the whole list; `None` when it answers something else.
fn list(request: &Request, upstream: &str) -> Result<Option<String>> {
    let mut whole = request.clone();
    whole.method = "GET".into();
    whole.target = request.path().into();
    whole.headers.remove("Authorization");
    whole.headers.set("Connection", "close");
    let mut connection = TcpStream::connect(upstream)?;
    whole.write(&mut connection)?;
    let mut reader = BufReader::new(connection);
    let response = Response::read(&mut reader)?;
    if response.status != 200 {
        return Ok(None);
    }
    let framing = Framing::of_response(200, "GET", &response.headers);
    let mut text = String::new();
    BodyReader::new(reader, framing)
        .take(LONGEST_LIST)
        .read_to_string(&mut text)?;
    Ok(Some(text))
}

/// The tags in a list. Tags have no characters that JSON escapes.
fn tags(list: &str) -> Vec<&str> {
    let Some((_, rest)) = list.split_once("\"tags\":[") else {
        return Vec::new();
    };
    let inside = rest.split(']').next().unwrap_or_default();
    let quoted = inside.split(',').map(str::trim);
    quoted
        .filter_map(|tag| tag.strip_prefix('"')?.strip_suffix('"'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_lists() {
        assert_eq!(tags(r#"{"name":"a","tags":["x","y.1"]}"#), ["x", "y.1"]);
        assert_eq!(tags(r#"{"name":"a","tags":[]}"#), Vec::<&str>::new());
        assert_eq!(tags(r#"{"name":"a","tags":null}"#), Vec::<&str>::new());
    }
}

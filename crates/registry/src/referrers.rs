//! What refers to a manifest, such as signatures.

use layerhold_ids::Digest;
use ureq::http::Method;
use ureq::http::header::ACCEPT;

use crate::error::Problem;
use crate::http::Request;
use crate::location::Location;
use crate::manifest;
use crate::names::TagOrDigest;
use crate::pages;
use crate::session::Missing;

/// The media type of a list of manifests.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The largest list.
const MAX_LIST: u64 = 4 * 1024 * 1024;

/// The digits of a digest that its tag has.
const LONGEST_HEX: usize = 64;

/// The most pages of a list.
const MAX_PAGES: usize = 100;

/// Reads the pages of the list, each an OCI index. A registry without the interface is asked for
/// the tag that stands for it (distribution specification, "Referrers Tag Schema").
pub(crate) fn read(location: &Location, digest: &Digest) -> Result<Vec<Vec<u8>>, Problem> {
    match read_pages(location, digest) {
        Err(problem) if matches!(problem.status(), Some(400 | 404 | 405 | 501)) => {
            read_tag(location, digest)
        }
        pages => pages,
    }
}

fn read_pages(location: &Location, digest: &Digest) -> Result<Vec<Vec<u8>>, Problem> {
    let access = location.reading(Missing::Manifest);
    let mut pages = Vec::new();
    let mut next = None;
    loop {
        let (page, link) = location.session.retrying(|contact, deadline| {
            let url = match &next {
                None => contact.url(&location.referrers_path(digest))?,
                Some(url) => Clone::clone(url),
            };
            let request = Request::new(Method::GET, url).with_header(ACCEPT, INDEX);
            let response = location.session.send(contact, &access, deadline, request)?;
            let link = pages::next(&location.session, contact, &response)?;
            Ok((response.read_to_end(MAX_LIST)?, link))
        })?;
        pages.push(page);
        match link {
            Some(url) if pages.len() < MAX_PAGES => next = Some(url),
            _ => return Ok(pages),
        }
    }
}

fn read_tag(location: &Location, digest: &Digest) -> Result<Vec<Vec<u8>>, Problem> {
    let hex = digest.hex();
    let hex = hex.get(..LONGEST_HEX).unwrap_or(hex);
    let Ok(tag) = TagOrDigest::tag(&format!("{}-{hex}", digest.algorithm())) else {
        return Ok(Vec::new());
    };
    match manifest::read(location, &tag, &[INDEX]) {
        Ok(manifest) => Ok(vec![manifest.bytes]),
        Err(problem) if problem.is_not_found() => Ok(Vec::new()),
        Err(problem) => Err(problem),
    }
}

//! Lists that come page by page.

use ureq::http::header::LINK;

use crate::error::Problem;
use crate::http::Response;
use crate::parse::{Url, next_page};
use crate::session::{Contact, Session};

/// Returns the address of the page after an answer, which must be at the registry.
pub(crate) fn next(
    session: &Session,
    contact: &Contact,
    response: &Response,
) -> Result<Option<Url>, Problem> {
    let Some(link) = response.header(&LINK).and_then(next_page) else {
        return Ok(None);
    };
    let bad = |what| Problem::bad_answer(&response.host(), what);
    let url = response.url.join(link);
    let url = url.map_err(|_| bad("a malformed link to the next page"))?;
    if url == response.url {
        return Err(bad("a page that links to itself"));
    }
    session.check_same_origin(contact, &url)?;
    Ok(Some(url))
}

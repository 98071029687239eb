//! Lists of tags, page by page.

use std::collections::VecDeque;

use serde::Deserialize;
use ureq::http::Method;

use crate::error::{Problem, RegistryError, Task};
use crate::http::Request;
use crate::location::Location;
use crate::pages;
use crate::parse::Url;
use crate::session::Missing;

/// The largest page.
const MAX_PAGE: u64 = 8 * 1024 * 1024;

/// The most pages, so that a server cannot send a list without end.
const MAX_PAGES: usize = 10_000;

/// The tags of a repository, in the registry's order. After an error there are no more.
#[derive(Debug)]
pub struct Tags {
    repository: Location,
    page: VecDeque<String>,
    /// The address of the next page, `None` at the end.
    next: Option<Next>,
    pages: usize,
}

#[derive(Debug)]
enum Next {
    First,
    At(Url),
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Tags {
    pub(crate) fn new(repository: Location) -> Self {
        Self {
            repository,
            page: VecDeque::new(),
            next: Some(Next::First),
            pages: 0,
        }
    }

    fn read_page(&mut self, at: &Next) -> Result<(), Problem> {
        self.pages += 1;
        let repository = &self.repository;
        let access = repository.reading(Missing::Repository);
        let (body, next) = repository.session.retrying(|contact, deadline| {
            let url = match at {
                Next::First => contact.url(&format!("/v2/{}/tags/list", repository.path))?,
                Next::At(url) => url.clone(),
            };
            let request = Request::new(Method::GET, url);
            let response = repository
                .session
                .send(contact, &access, deadline, request)?;
            let host = response.host();
            let next = pages::next(&repository.session, contact, &response)?;
            if next.is_some() && self.pages >= MAX_PAGES {
                return Err(Problem::bad_answer(&host, "a list of too many pages"));
            }
            let body = response.read_to_end(MAX_PAGE)?;
            let bad = |_| Problem::bad_answer(&host, "a list of tags that is not valid JSON");
            Ok((serde_json::from_slice::<Body>(&body).map_err(bad)?, next))
        })?;
        self.page = body.tags.unwrap_or_default().into();
        self.next = next.map(Next::At);
        Ok(())
    }
}

impl Iterator for Tags {
    type Item = Result<String, RegistryError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.page.is_empty() {
            let at = self.next.take()?;
            if let Err(problem) = self.read_page(&at) {
                let place = self.repository.place();
                return Some(Err(RegistryError::new(Task::ListTags, &place, problem)));
            }
        }
        self.page.pop_front().map(Ok)
    }
}

//! Following redirects, without credentials at other hosts.

use ureq::http::header::LOCATION;
use ureq::http::{HeaderValue, Method};

use crate::deadline::Deadline;
use crate::error::{Problem, RedirectError};
use crate::http::{Http, Payload, Request, Response};
use crate::parse::Url;

/// As in Go's HTTP client.
const MAX_REDIRECTS: usize = 10;

/// Where requests may lead, and what they may show there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'r> {
    /// Connections to the first host, with the client's certificate.
    pub(crate) home: &'r Http,
    /// Connections to all others.
    pub(crate) abroad: &'r Http,
    /// The only origin that credentials are sent to.
    pub(crate) origin: &'r Url,
    /// Whether encrypted addresses may lead to plain ones.
    pub(crate) may_be_plain: bool,
}

impl<'r> Route<'r> {
    /// To a server that is no registry: no host is shown more than another.
    pub(crate) fn outside(http: &'r Http, url: &'r Url) -> Self {
        Self {
            home: http,
            abroad: http,
            origin: url,
            may_be_plain: false,
        }
    }
}

impl Route<'_> {
    /// Sends a request, follows redirects, and returns the last answer.
    pub(crate) fn send(
        &self,
        request: &mut Request<'_>,
        authorization: Option<&HeaderValue>,
        deadline: &Deadline,
    ) -> Result<Response, Problem> {
        for _ in 0..=MAX_REDIRECTS {
            let is_home = request.url.has_same_origin(self.origin);
            let response = match is_home {
                true => self.home.send(request, authorization, deadline)?,
                false => self.abroad.send(request, None, deadline)?,
            };
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            self.follow(request, response)?;
        }
        Err(refused(&request.url, RedirectError::TooMany(MAX_REDIRECTS)))
    }

    /// Turns a request into the one that a redirect asks for.
    fn follow(&self, request: &mut Request<'_>, response: Response) -> Result<(), Problem> {
        let from = &response.url;
        let no_target = || Problem::bad_answer(&from.authority(), "a redirect without an address");
        let target = response.header(&LOCATION).ok_or_else(no_target)?;
        let to = from
            .join(target)
            .map_err(|error| refused(from, error.into()))?;
        self.check(from, &to)?;
        let only_asks = matches!(request.method, Method::GET | Method::HEAD);
        if !only_asks {
            let keeps_method = matches!(response.status, 307 | 308);
            let can_repeat = !matches!(request.payload, Payload::Stream(..));
            if !keeps_method || !can_repeat || !to.has_same_origin(from) {
                let error = RedirectError::OtherHost(to.origin());
                return Err(refused(from, error));
            }
        }
        request.url = to;
        // The connection can be used again once the body is read.
        let _read = response.into_answer();
        Ok(())
    }

    /// Refuses what would send in the clear what was encrypted.
    pub(crate) fn check(&self, from: &Url, to: &Url) -> Result<(), Problem> {
        match from.is_https() && !to.is_https() && !self.may_be_plain {
            true => Err(refused(from, RedirectError::NotEncrypted(to.origin()))),
            false => Ok(()),
        }
    }
}

pub(crate) fn refused(from: &Url, source: RedirectError) -> Problem {
    Problem::Redirect {
        host: from.authority(),
        source,
    }
}

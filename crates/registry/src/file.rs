//! Reading a small file from any web server.

use ureq::http::Method;

use crate::client::Client;
use crate::deadline::Deadline;
use crate::error::{Problem, RedirectError, RegistryError, Task};
use crate::http::{Http, Request};
use crate::parse::Url;
use crate::redirect::Route;
use crate::retry::Attempts;

impl Client {
    /// Reads a small file, such as a signature, from an address outside of any registry; `None` if
    /// the server says that it does not exist. No credentials and no client certificate are shown.
    ///
    /// # Errors
    ///
    /// The address is not one of `http` or `https`, the server refuses, or the file has more than
    /// `limit` bytes.
    pub fn small_file(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let failed = |place: &str, problem| RegistryError::new(Task::ReadFile, place, problem);
        let parsed: Url = url.parse().map_err(|error| {
            let source = RedirectError::Url(error);
            let host = String::from("the address");
            failed("a file", Problem::Redirect { host, source })
        })?;
        let place = parsed.authority();
        let http = self.plain_http().map_err(|_| {
            let what = "no usable certificates";
            failed(&place, Problem::bad_answer(&place, what))
        })?;
        let mut attempts =
            Attempts::new(self.options(), Deadline::start(self.options().total_time));
        loop {
            let deadline = attempts.deadline();
            let waited = match read(&http, &parsed, limit, deadline) {
                Ok(file) => return Ok(file),
                Err(problem) => attempts.wait_after(problem),
            };
            waited.map_err(|problem| failed(&place, problem))?;
        }
    }
}

fn read(
    http: &Http,
    url: &Url,
    limit: u64,
    deadline: &Deadline,
) -> Result<Option<Vec<u8>>, Problem> {
    let route = Route {
        home: http,
        abroad: http,
        origin: url,
        may_be_plain: false,
    };
    let mut request = Request::new(Method::GET, url.clone());
    let response = route.send(&mut request, None, deadline)?;
    match response.status {
        404 => Ok(None),
        200..300 => response.read_to_end(limit).map(Some),
        _ => Err(Problem::Refused {
            answer: response.into_answer(),
            retry_after: None,
        }),
    }
}

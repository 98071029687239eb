//! Reading a small file from any web server.

use ureq::http::Method;

use crate::client::Client;
use crate::deadline::Deadline;
use crate::error::{Problem, RegistryError, Task};
use crate::http::{Http, Request};
use crate::parse::Url;
use crate::redirect::Route;

impl Client {
    /// Reads a small file, such as a signature, from an address outside of any registry; `None` if
    /// the server says that it does not exist. No credentials and no client certificate are shown.
    ///
    /// # Errors
    ///
    /// The address is not one of `http` or `https`, the server refuses, or the file has more than
    /// `limit` bytes.
    pub fn small_file(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let (http, url) = self.outside(url, &Task::ReadFile, "a file", "the address")?;
        let mut attempts = self.attempts();
        loop {
            let deadline = attempts.deadline();
            let waited = match read(&http, &url, limit, deadline) {
                Ok(file) => return Ok(file),
                Err(problem) => attempts.wait_after(problem),
            };
            waited
                .map_err(|problem| RegistryError::new(Task::ReadFile, &url.authority(), problem))?;
        }
    }
}

fn read(
    http: &Http,
    url: &Url,
    limit: u64,
    deadline: &Deadline,
) -> Result<Option<Vec<u8>>, Problem> {
    let mut request = Request::new(Method::GET, url.clone());
    let response = Route::outside(http, url).send(&mut request, None, deadline)?;
    match response.status {
        404 => Ok(None),
        200..300 => response.read_to_end(limit).map(Some),
        _ => Err(Problem::Refused {
            answer: response.into_answer(),
            retry_after: None,
        }),
    }
}

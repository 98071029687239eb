//! Uploads that the proxy keeps until they are whole, so that what came before a cut stays.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read, Result, Write, copy};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::answer::{Answer, Own};
use super::body::{BodyReader, Framing};
use super::message::{Request, Response, path_and_query, with_parameter};
use crate::filesystem::scratch;

/// The longest body of a registry's answer to an upload.
const LONGEST_ANSWER: u64 = 64 << 10;
const OCTETS: &str = "application/octet-stream";

/// The uploads that have begun, by path.
#[derive(Debug)]
pub(super) struct KeptUploads {
    place: TempDir,
    begun: Mutex<HashMap<String, Arc<Kept>>>,
}

/// One upload.
#[derive(Debug)]
pub(super) struct Kept {
    path: String,
    repository: String,
    file: PathBuf,
}

impl KeptUploads {
    pub(super) fn new() -> Self {
        Self {
            place: scratch(),
            begun: Mutex::default(),
        }
    }

    /// Begins an upload if a request does that, and nothing more.
    pub(super) fn begin(&self, request: &Request) -> Result<Option<Answer>> {
        let whole = ["mount", "digest"]
            .iter()
            .any(|name| request.parameter(name).is_some());
        let Some(repository) = request
            .repository()
            .filter(|_| request.is(&["POST"]) && !whole)
        else {
            return Ok(None);
        };
        let mut begun = self.begun.lock().expect("no thread panics with it");
        let name = format!("kept-{}", begun.len());
        let file = self.place.path().join(&name);
        File::create(&file)?;
        let kept = Kept {
            path: format!("/v2/{repository}/blobs/uploads/{name}"),
            repository: repository.into(),
            file,
        };
        let answer = kept.status(202)?;
        begun.insert(kept.path.clone(), Arc::new(kept));
        Ok(Some(answer))
    }

    /// The upload that a request is about.
    pub(super) fn of(&self, request: &Request) -> Option<Arc<Kept>> {
        let begun = self.begun.lock().expect("no thread panics with it");
        begun.get(request.path()).cloned()
    }
}

impl Kept {
    /// The file to which the body of a request is appended.
    pub(super) fn append(&self) -> Result<File> {
        OpenOptions::new().append(true).open(&self.file)
    }

    /// Whether a request does not go on where the upload is.
    pub(super) fn misses(&self, request: &Request) -> Result<bool> {
        let range = request.headers.get("Content-Range");
        let start = range.and_then(|range| range.split('-').next()?.trim().parse().ok());
        let length = self.length()?;
        Ok(start.is_some_and(|start: u64| start != length))
    }

    /// Answers how far the upload is.
    pub(super) fn status(&self, status: u16) -> Result<Answer> {
        let last = self.length()?.saturating_sub(1);
        Ok(Answer::new(status, Own::Bytes(Vec::new()))
            .with("Location", &self.path)
            .with("Range", format!("0-{last}")))
    }

    fn length(&self) -> Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Gives the whole blob to the registry, and its answer.
    pub(super) fn finish(&self, digest: &str, upstream: &str) -> Result<Answer> {
        let begin = format!("/v2/{}/blobs/uploads/", self.repository);
        let begun = ask(upstream, &request("POST", &begin, upstream, 0), None)?;
        let location = begun
            .response
            .headers
            .get("Location")
            .ok_or(ErrorKind::InvalidData)?;
        let digest = format!("digest={digest}");
        let target = with_parameter(path_and_query(location), &digest);
        let put = request("PUT", &target, upstream, self.length()?);
        ask(upstream, &put, Some(File::open(&self.file)?))
    }
}

fn request(method: &str, target: &str, host: &str, length: u64) -> Request {
    let mut request = Request {
        method: method.into(),
        target: target.into(),
        headers: Default::default(),
    };
    request.headers.set("Host", host);
    request.headers.set("Connection", "close");
    request.headers.set("Content-Type", OCTETS);
    request.headers.set("Content-Length", length);
    request
}

fn ask(upstream: &str, request: &Request, body: Option<File>) -> Result<Answer> {
    let mut connection = TcpStream::connect(upstream)?;
    request.write(&mut connection)?;
    if let Some(mut file) = body {
        copy(&mut file, &mut connection)?;
    }
    connection.flush()?;
    let mut reader = BufReader::new(connection);
    let mut response = Response::read(&mut reader)?;
    let framing = Framing::of_response(response.status, &request.method, &response.headers);
    let mut bytes = Vec::new();
    BodyReader::new(reader, framing)
        .take(LONGEST_ANSWER)
        .read_to_end(&mut bytes)?;
    response.headers.remove("Transfer-Encoding");
    response.headers.set("Content-Length", bytes.len());
    Ok(Answer {
        response,
        body: Own::Bytes(bytes),
    })
}

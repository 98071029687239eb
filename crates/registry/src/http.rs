//! One request and its answer.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use layerhold_sys::{Cancelled, causes, is_cancelled};
use rustls::{ClientConfig, InvalidMessage};
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use ureq::http::request::Builder;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, AsSendBody, BodyReader, Proxy, SendBody};

use crate::deadline::Deadline;
use crate::error::{Answer, Problem};
use crate::options::{ClientOptions, ProxyChoice};
use crate::parse::{Url, parse_error_body};
use crate::wire::{Dialer, EarlyAnswer, Lookup, NotConnected, Silence, Waits};

/// The largest header of an answer.
const MAX_HEADER: usize = 64 * 1024;

/// How much of the body of a refusal is read.
const MAX_ERROR_BODY: u64 = 16 * 1024;

/// Connections kept for later, and those of one server.
const MAX_IDLE_CONNECTIONS: usize = 16;

/// A request. It may be sent again, except for a stream.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) payload: Payload<'a>,
}

/// What a request sends along.
pub(crate) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    /// A stream and its length.
    Stream(&'a mut dyn Read, u64),
}

impl Request<'_> {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            payload: Payload::None,
        }
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl<'a> Request<'a> {
    #[must_use]
    pub(crate) fn with_payload(mut self, payload: Payload<'a>) -> Self {
        self.payload = payload;
        self
    }
}

/// The answer to a request, whose body comes as it is read.
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: HeaderMap,
    /// What was asked last, after redirects.
    pub(crate) url: Url,
    body: BodyReader<'static>,
    idle: Duration,
    deadline: Deadline,
}

/// Connections with one TLS configuration.
#[derive(Clone)]
pub(crate) struct Http {
    agent: Agent,
    idle: Duration,
    proxy: Option<ProxyChoice>,
}

impl Http {
    pub(crate) fn new(options: &ClientOptions, tls: Arc<ClientConfig>) -> Self {
        let waits = Waits {
            cancel: options.cancel.clone(),
            connect: options.connect_timeout,
            idle: options.idle_timeout,
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(options.user_agent.as_str())
            .accept_encoding("identity")
            .max_response_header_size(MAX_HEADER)
            .max_idle_connections(MAX_IDLE_CONNECTIONS)
            .max_idle_connections_per_host(MAX_IDLE_CONNECTIONS)
            .build();
        let dialer = Dialer {
            waits: waits.clone(),
            tls,
        };
        let connector = ConnectProxyConnector::default().chain(dialer);
        Self {
            agent: Agent::with_parts(config, connector, Lookup(waits)),
            idle: options.idle_timeout,
            proxy: options.proxy.clone(),
        }
    }

    /// Sends a request, and returns the answer as soon as its header is there. Follows no redirect.
    pub(crate) fn send(
        &self,
        request: &mut Request<'_>,
        authorization: Option<&HeaderValue>,
        deadline: &Deadline,
    ) -> Result<Response, Problem> {
        let head = head(request, authorization);
        let url = &request.url;
        match &mut request.payload {
            Payload::None => self.run(url, head.body(()), deadline),
            Payload::Bytes(bytes) => {
                let mut rest = *bytes;
                let head = head.header(CONTENT_LENGTH, bytes.len());
                self.run(url, head.body(SendBody::from_reader(&mut rest)), deadline)
            }
            Payload::Stream(reader, length) => {
                let head = head.header(CONTENT_LENGTH, *length);
                self.run(url, head.body(SendBody::from_reader(reader)), deadline)
            }
        }
    }

    fn run<B: AsSendBody>(
        &self,
        url: &Url,
        request: Result<ureq::http::Request<B>, ureq::http::Error>,
        deadline: &Deadline,
    ) -> Result<Response, Problem> {
        if deadline.left().is_some_and(|left| left.is_zero()) {
            return Err(deadline.missed(None));
        }
        let request = request.map_err(|error| protocol(url, error.into()))?;
        let request = self
            .agent
            .configure_request(request)
            .timeout_global(deadline.left())
            .proxy(self.proxy_for(url)?)
            .build();
        let answer = self.agent.run(request);
        let answer = answer.map_err(|error| self.problem(url, error, deadline))?;
        let (parts, body) = answer.into_parts();
        Ok(Response {
            status: parts.status.as_u16(),
            headers: parts.headers,
            url: url.clone(),
            body: body.into_reader(),
            idle: self.idle,
            deadline: *deadline,
        })
    }

    fn proxy_for(&self, url: &Url) -> Result<Option<Proxy>, Problem> {
        let chosen = self.proxy.as_ref().and_then(|choose| choose(&url.origin()));
        let proxy = chosen.map(|address| Proxy::new(&address)).transpose();
        proxy.map_err(|_| Problem::BadProxy {
            host: url.authority(),
        })
    }

    fn problem(&self, url: &Url, error: ureq::Error, deadline: &Deadline) -> Problem {
        let host = url.authority();
        match error {
            ureq::Error::Timeout(_) => deadline.missed(None),
            ureq::Error::Io(error) => io_problem(&host, error, self.idle, deadline),
            ureq::Error::HostNotFound | ureq::Error::ConnectProxyFailed(_) => Problem::Connect {
                host,
                source: io::Error::other(error),
            },
            error => protocol(url, Box::new(error)),
        }
    }
}

fn protocol(url: &Url, source: Box<dyn std::error::Error + Send + Sync>) -> Problem {
    Problem::Protocol {
        host: url.authority(),
        source,
    }
}

/// Makes the head of a request.
fn head(request: &Request<'_>, authorization: Option<&HeaderValue>) -> Builder {
    let mut builder = ureq::http::Request::builder()
        .method(request.method.clone())
        .uri(request.url.expose());
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    match authorization {
        Some(value) => builder.header(AUTHORIZATION, value),
        None => builder,
    }
}

/// Tells what an error of a connection means.
fn io_problem(host: &str, error: io::Error, idle: Duration, deadline: &Deadline) -> Problem {
    let host = host.to_owned();
    let find = |error: &io::Error| {
        let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
        (
            tls.cloned(),
            causes(error).any(|cause| cause.is::<Silence>()),
        )
    };
    if is_cancelled(&error) {
        return Cancelled.into();
    }
    match find(&error) {
        (Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)), _) => {
            return Problem::NotTls { host };
        }
        (Some(source), _) => return Problem::Tls { host, source },
        (None, true) => return Problem::Idle { host, limit: idle },
        (None, false) => {}
    }
    if error
        .get_ref()
        .is_some_and(|inner| inner.is::<NotConnected>())
    {
        return Problem::Connect {
            host,
            source: error,
        };
    }
    let error = match error.downcast::<EarlyAnswer>() {
        Ok(EarlyAnswer { status, body }) => {
            let errors = parse_error_body(&body);
            let answer = Answer {
                status,
                host,
                errors,
            };
            return Problem::Refused {
                answer,
                retry_after: None,
            };
        }
        Err(error) => error,
    };
    match error.downcast::<ureq::Error>() {
        Ok(ureq::Error::Timeout(_)) => deadline.missed(None),
        Ok(ureq::Error::Io(source)) => Problem::Cut { host, source },
        Ok(other) => Problem::Protocol {
            host,
            source: Box::new(other),
        },
        Err(source) => Problem::Cut { host, source },
    }
}

impl Response {
    /// Returns a header that is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns all values of a header, as text.
    pub(crate) fn headers(&self, name: &HeaderName) -> Vec<String> {
        let values = self.headers.get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }

    /// Returns the length of the body, where the server tells it.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header(&CONTENT_LENGTH)?.trim().parse().ok()
    }

    /// Returns the host that answered, with the port if it is not the usual one.
    pub(crate) fn host(&self) -> String {
        self.url.authority()
    }

    /// Reads the whole body, which is an error if it is larger than `limit`.
    pub(crate) fn read_to_end(mut self, limit: u64) -> Result<Vec<u8>, Problem> {
        let mut body = Vec::new();
        let read = (&mut self)
            .take(limit.saturating_add(1))
            .read_to_end(&mut body);
        read.map_err(|error| self.problem(error))?;
        match body.len() as u64 > limit {
            false => Ok(body),
            true => Err(Problem::TooLarge {
                host: self.host(),
                limit,
            }),
        }
    }

    /// Reads what a server says about its refusal, as far as it comes.
    pub(crate) fn into_answer(mut self) -> Answer {
        let mut body = Vec::new();
        let _read = (&mut self).take(MAX_ERROR_BODY).read_to_end(&mut body);
        Answer {
            status: self.status,
            host: self.host(),
            errors: parse_error_body(&body),
        }
    }

    /// Tells what an error of a read means.
    pub(crate) fn problem(&self, error: io::Error) -> Problem {
        io_problem(&self.host(), error, self.idle, &self.deadline)
    }
}

impl Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

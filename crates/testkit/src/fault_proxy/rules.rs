//! What the personalities do to an exchange: answer it, or change the request and the answer.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::answer::{Answer, Own};
use super::cuts::Cutter;
use super::kept_uploads::KeptUploads;
use super::message::{Headers, Kind, Request, Response, path_and_query, with_parameter};
use super::pages;
use super::personality::{Ending, Location, Personality, RangeFault, Rule};
use super::record::Place;
use super::tokens::{Issued, Tokens};

/// A digest of nothing that is in a registry.
const WRONG_DIGEST: &str =
    "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A rule with what it remembers.
#[derive(Debug)]
struct Active {
    rule: Rule,
    used: AtomicUsize,
    cutter: Option<Cutter>,
}

/// All rules of a proxy, and its addresses.
#[derive(Debug)]
pub(super) struct Rules {
    active: Vec<Active>,
    pub(super) places: Places,
    issued: Issued,
    /// The queries of uploads whose location was sent without one, by path.
    hidden_queries: Mutex<HashMap<String, String>>,
    kept_uploads: Option<KeptUploads>,
}

/// Hosts and ports.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) upstream: String,
    pub(super) registry: String,
    pub(super) elsewhere: String,
    pub(super) tokens: String,
}

/// What happens to the bytes of an answer.
#[derive(Debug, Default)]
pub(super) struct Plan<'r> {
    pub(super) wrong_at: Option<u64>,
    pub(super) stall_after: Option<u64>,
    pub(super) cutter: Option<&'r Cutter>,
    pub(super) endless_headers: bool,
}

/// The rules that cover one request.
#[derive(Debug)]
pub(super) struct Covering<'r> {
    all: &'r Rules,
    place: Place,
    rules: Vec<&'r Active>,
    answer: Option<Answer>,
}

impl Active {
    /// Whether it covers a request, which then counts.
    fn takes(&self, request: &Request) -> bool {
        self.rule.covers(request) && self.used.fetch_add(1, Ordering::Relaxed) < self.rule.limit()
    }
}

impl Rules {
    pub(super) fn new(rules: Vec<Rule>, places: Places) -> Self {
        let active = |rule: Rule| Active {
            used: AtomicUsize::new(0),
            cutter: rule.cutter(),
            rule,
        };
        let keeps = |rule: &Rule| rule.personality == Personality::UploadsKept;
        let kept_uploads = rules.iter().any(keeps).then(KeptUploads::new);
        Self {
            kept_uploads,
            active: rules.into_iter().map(active).collect(),
            places,
            issued: Issued::default(),
            hidden_queries: Mutex::default(),
        }
    }

    /// The rules that cover a request, and the answer of the first that gives one.
    ///
    /// The request counts for each of these rules. Once a rule refuses it, it is none for the rules
    /// behind that, but for those about headers.
    pub(super) fn covering(&self, place: Place, request: &Request) -> Covering<'_> {
        let mut covering = Covering {
            all: self,
            place,
            rules: Vec::new(),
            answer: None,
        };
        for active in &self.active {
            let personality = &active.rule.personality;
            let here = place == Place::Registry || !personality.is_of_registry();
            let goes_on = !covering.is_refused() || personality.is_about_headers();
            if here && goes_on && active.takes(request) {
                covering.rules.push(active);
                if covering.answer.is_none() {
                    covering.answer = self.answer_of(personality, request);
                }
            }
        }
        covering
    }

    /// What a personality answers without asking the registry.
    fn answer_of(&self, personality: &Personality, request: &Request) -> Option<Answer> {
        let places = &self.places;
        match personality {
            Personality::SeveralRangesRefused(status) => {
                Some(Answer::error(*status, "UNSUPPORTED"))
            }
            Personality::TooManyRequests(retry_after) => {
                let answer = Answer::error(429, "TOOMANYREQUESTS");
                Some(match retry_after.value() {
                    Some(value) => answer.with("Retry-After", value),
                    None => answer,
                })
            }
            Personality::ServerError(status) => Some(Answer::error(*status, "UNAVAILABLE")),
            Personality::Tokens(_) => self.issued.check(request, &places.tokens),
            Personality::BlobsElsewhere(status) => {
                let target = with_parameter(&request.target, "signature=testkit");
                let location = format!("http://{}{target}", places.elsewhere);
                Some(Answer::new(*status, Own::Bytes(Vec::new())).with("Location", location))
            }
            Personality::RedirectLoop => {
                let empty = Answer::new(307, Own::Bytes(Vec::new()));
                Some(empty.with("Location", &request.target))
            }
            Personality::ChunkedUploadsRefused | Personality::HeadRefused => {
                Some(Answer::error(405, "UNSUPPORTED"))
            }
            Personality::MonolithicUploadsRefused if is_monolithic_put(request) => {
                Some(Answer::error(400, "BLOB_UPLOAD_INVALID"))
            }
            Personality::LargeManifest(size) => Some(manifest(200, Own::Spaces(*size))),
            Personality::EndlessBody(status) => Some(manifest(*status, Own::Endless)),
            Personality::Pages(size, link) => pages::answer(request, *size, *link, places),
            _ => None,
        }
    }

    /// The token server's own answer.
    pub(super) fn issue_token(&self, request: &Request, form: &str) -> Answer {
        let open = Tokens::lasting(usize::MAX);
        let of_rule = |active: &'_ Active| match &active.rule.personality {
            Personality::Tokens(tokens) => Some(tokens.clone()),
            _ => None,
        };
        let tokens = self.active.iter().find_map(of_rule).unwrap_or(open);
        self.issued.answer(&tokens, request, form)
    }
}

impl Personality {
    /// Whether it has no meaning on another host, to which the registry sends clients.
    fn is_of_registry(&self) -> bool {
        matches!(
            self,
            Self::Tokens(_) | Self::BlobsElsewhere(_) | Self::RedirectLoop
        )
    }

    fn is_about_headers(&self) -> bool {
        matches!(self, Self::LargeHeader(_) | Self::EndlessHeaders)
    }
}

impl<'r> Covering<'r> {
    /// Takes the answer that a rule gave.
    pub(super) fn take_answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    fn is_refused(&self) -> bool {
        self.answer
            .as_ref()
            .is_some_and(|answer| answer.response.status >= 300)
    }

    fn personalities(&self) -> impl Iterator<Item = &'r Personality> {
        self.rules.iter().map(|active| &active.rule.personality)
    }

    /// Changes a request before it goes to the registry.
    pub(super) fn edit_request(&self, request: &mut Request) {
        for personality in self.personalities() {
            match personality {
                Personality::SeveralRangesIgnored | Personality::RangesIgnored => {
                    request.headers.remove("Range");
                    request.headers.remove("If-Range");
                }
                Personality::Tokens(_) => request.headers.remove("Authorization"),
                Personality::MonolithicUploadsRefused if request.is(&["POST"]) => {
                    request.target = without_parameter(&request.target, "digest");
                }
                Personality::UploadLocation(Location::NoQuery) => self.show_query(request),
                _ => {}
            }
        }
    }

    /// Changes the head of an answer.
    pub(super) fn edit_response(&self, request: &Request, response: &mut Response) {
        let Response { status, headers } = response;
        for personality in self.personalities() {
            match personality {
                Personality::WrongContentRange(fault) if *status == 206 => {
                    break_content_range(headers, *fault);
                }
                Personality::NoDigestHeader => headers.remove("Docker-Content-Digest"),
                Personality::WrongDigestHeader
                    if headers.get("Docker-Content-Digest").is_some() =>
                {
                    headers.set("Docker-Content-Digest", WRONG_DIGEST);
                }
                Personality::NoContentLength(ending) if *status < 300 => {
                    headers.remove("Content-Length");
                    if *ending == Ending::Chunked {
                        headers.set("Transfer-Encoding", "chunked");
                    }
                }
                Personality::LargeHeader(size) => headers.set("X-Large", "x".repeat(*size)),
                Personality::UploadLocation(form) => self.edit_location(request, headers, *form),
                Personality::NoUploadRange => headers.remove("Range"),
                _ => {}
            }
        }
    }

    /// What happens to the bytes of an answer.
    pub(super) fn plan(&self, status: u16) -> Plan<'r> {
        let mut plan = Plan::default();
        for active in &self.rules {
            match &active.rule.personality {
                Personality::EndlessHeaders => plan.endless_headers = true,
                _ if status >= 300 => {}
                Personality::WrongByte(at) => plan.wrong_at = Some(*at),
                Personality::Stall(after) => plan.stall_after = Some(*after),
                Personality::CutDownloads(_) => plan.cutter = active.cutter.as_ref(),
                _ => {}
            }
        }
        plan
    }

    /// The uploads that are kept, if the request is about such.
    pub(super) fn kept_uploads(&self) -> Option<&'r KeptUploads> {
        let mut all = self.personalities();
        let keeps = all.any(|personality| *personality == Personality::UploadsKept);
        self.all.kept_uploads.as_ref().filter(|_| keeps)
    }

    /// Where the body of the request is cut.
    pub(super) fn upload_cutter(&self) -> Option<&'r Cutter> {
        let is_cut =
            |active: &&&Active| matches!(active.rule.personality, Personality::CutUploads(_));
        self.rules.iter().find(is_cut)?.cutter.as_ref()
    }

    fn edit_location(&self, request: &Request, headers: &mut Headers, form: Location) {
        let Some(given) = headers.get("Location") else {
            return;
        };
        let target = path_and_query(given).to_owned();
        let here = match self.place {
            Place::Elsewhere => &self.all.places.elsewhere,
            _ => &self.all.places.registry,
        };
        let host = request.headers.get("Host").unwrap_or(here);
        let location = match form {
            Location::Relative => target,
            Location::Absolute => format!("http://{host}{target}"),
            Location::LongerQuery => {
                format!(
                    "http://{host}{}",
                    with_parameter(&target, "more=a%2Fb%3D%3Fc")
                )
            }
            Location::NoQuery => self.hide_query(&target),
            Location::OtherOrigin => format!("http://{}{target}", self.all.places.elsewhere),
        };
        headers.set("Location", location);
    }

    fn hide_query(&self, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut hidden = self
            .all
            .hidden_queries
            .lock()
            .expect("no thread panics with it");
        hidden.insert(path.to_owned(), query.to_owned());
        path.to_owned()
    }

    fn show_query(&self, request: &mut Request) {
        let hidden = self
            .all
            .hidden_queries
            .lock()
            .expect("no thread panics with it");
        let query = hidden.get(request.path());
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            request.target = with_parameter(&request.target, query);
        }
    }
}

fn manifest(status: u16, body: Own) -> Answer {
    let own_type = "application/vnd.oci.image.manifest.v1+json";
    Answer::new(status, body).with("Content-Type", own_type)
}

fn is_monolithic_put(request: &Request) -> bool {
    let has_body = request
        .headers
        .get("Content-Length")
        .is_some_and(|length| length != "0")
        || request.headers.get("Transfer-Encoding").is_some();
    request.kind() == Kind::Upload && request.is(&["PUT"]) && has_body
}

fn break_content_range(headers: &mut Headers, fault: RangeFault) {
    let given = headers.get("Content-Range").unwrap_or_default().to_owned();
    let Some((start, end, total)) = content_range(&given) else {
        return;
    };
    match fault {
        RangeFault::Missing => headers.remove("Content-Range"),
        RangeFault::Start => {
            headers.set(
                "Content-Range",
                format!("bytes {}-{end}/{total}", start + 1),
            );
        }
        RangeFault::Total => {
            headers.set(
                "Content-Range",
                format!("bytes {start}-{end}/{}", total + 1),
            );
        }
        RangeFault::UnknownTotal => {
            headers.set("Content-Range", format!("bytes {start}-{end}/*"));
        }
    }
}

fn content_range(value: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok()?, total.parse().ok()?))
}

fn without_parameter(target: &str, name: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let other = |pair: &&str| pair.split('=').next() != Some(name);
    let rest: Vec<&str> = query.split('&').filter(other).collect();
    if rest.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", rest.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_lose_parameters() {
        assert_eq!(without_parameter("/a?digest=1", "digest"), "/a");
        assert_eq!(
            without_parameter("/a?b=2&digest=1&c=", "digest"),
            "/a?b=2&c="
        );
    }
}

//! How a registry may misbehave, each by a name.

use std::time::Duration;

use super::cuts::{Cuts, Cutter};
use super::message::{Kind, Request};
use super::tokens::Tokens;

/// One way in which real registries differ from what a client expects.
///
/// Each says which requests it covers; [`on`](Self::on) covers others, and [`first`](Self::first)
/// ends it after some requests. In brackets: where this was met.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Personality {
    /// Refuses a request for several ranges with this status: 501 \[GHCR\], 416 \[zot\], 400
    /// \[GCR\].
    SeveralRangesRefused(u16),
    /// Sends the whole blob to a request for several ranges \[S3\].
    SeveralRangesIgnored,
    /// Sends the whole blob with 200 to every request for a range \[registry.k8s.io\].
    RangesIgnored,
    /// Sends another `Content-Range` than that of the bytes in a 206.
    WrongContentRange(RangeFault),
    /// Answers 429 with `Retry-After` to every request \[Docker Hub\]; use [`first`](Self::first).
    TooManyRequests(RetryAfter),
    /// Answers this status to every request \[any registry behind a balancer\]; use
    /// [`first`](Self::first).
    ServerError(u16),
    /// Demands bearer tokens of a token server on another port, each good for a number of requests
    /// \[Docker Hub, GHCR, quay.io\]. The registry behind must have no password.
    Tokens(Tokens),
    /// Redirects blobs, with this status, to another host and port, which records every header
    /// \[all with storage in the cloud\]; see
    /// [`requests_elsewhere`](super::FaultProxy::requests_elsewhere).
    BlobsElsewhere(u16),
    /// Redirects blobs to where they were asked for, for ever.
    RedirectLoop,
    /// Changes the byte at this place of each blob body, so that its length is right.
    WrongByte(u64),
    /// Cuts connections while blobs are downloaded.
    CutDownloads(Cuts),
    /// Cuts connections while blobs are uploaded. What came before the cut reaches the registry;
    /// whether that helps, see [`UploadsKept`](Self::UploadsKept).
    CutUploads(Cuts),
    /// Sends blobs and manifests without `Content-Length` \[proxies that compress or stream\].
    NoContentLength(Ending),
    /// Keeps what came of an upload before a cut, and tells how much that is to a GET of its
    /// location, as the distribution specification has it. A PATCH with a `Content-Range` that
    /// begins elsewhere is refused with 416. Without this rule, Debian's registry forgets an upload
    /// whose PATCH was cut.
    UploadsKept,
    /// Refuses PATCH with 405: blobs have to come in one PUT or POST.
    ChunkedUploadsRefused,
    /// Accepts no blob in one request: begins an upload for POST with a digest, as if the digest
    /// was missing, and refuses a PUT with a body with 400. Blobs have to come by PATCH.
    MonolithicUploadsRefused,
    /// Answers 405 to HEAD \[some proxies\].
    HeadRefused,
    /// Sends no `Docker-Content-Digest` \[GitLab and other proxies\].
    NoDigestHeader,
    /// Sends a `Docker-Content-Digest` that is not that of the content.
    WrongDigestHeader,
    /// Sends tag lists in pages of at most so many, with a `Link` header of this form.
    Pages(usize, Link),
    /// Answers manifests with 200 and so many bytes of space characters, with the right length.
    LargeManifest(u64),
    /// Answers this status and a body that never ends, to manifests; [`on`](Self::on) others.
    EndlessBody(u16),
    /// Adds one header of so many bytes to each answer.
    LargeHeader(usize),
    /// Sends headers without end in each answer.
    EndlessHeaders,
    /// Sends so many bytes of a blob body, and then nothing until the client closes the connection.
    Stall(u64),
    /// Sends the `Location` of an upload in this form.
    UploadLocation(Location),
    /// Sends no `Range` about what it has of an upload.
    NoUploadRange,
}

/// When a client may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// After so many seconds.
    Seconds(u64),
    /// At a date so many seconds from the answer, as RFC 9110 writes dates.
    Date(u64),
    /// The header is missing.
    Missing,
}

/// What is wrong with a `Content-Range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RangeFault {
    /// It is missing.
    Missing,
    /// It begins one byte later than the bytes do.
    Start,
    /// Its total is one too large.
    Total,
    /// Its total is `*`, which is allowed.
    UnknownTotal,
}

/// How the end of a body without `Content-Length` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// By the last chunk of a chunked transfer.
    Chunked,
    /// By closing the connection.
    Close,
}

/// How the next page of a list is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Link {
    /// By path and query.
    Relative,
    /// By a whole URL.
    Absolute,
    /// By a URL on another host and port, which has the pages too and records every header.
    OtherOrigin,
    /// By the URL of the same page, for ever.
    Loop,
}

/// How the place of an upload is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// By path and query.
    Relative,
    /// By a whole URL.
    Absolute,
    /// By a path without a query.
    NoQuery,
    /// By a whole URL with another query parameter, which is escaped, at the end.
    LongerQuery,
    /// By a URL on another host and port, which accepts uploads too and records every header.
    OtherOrigin,
}

impl Personality {
    /// Covers requests of this kind instead of its own.
    #[must_use]
    pub fn on(self, kind: Kind) -> Rule {
        Rule::from(self).on(kind)
    }

    /// Covers the first `count` requests only.
    #[must_use]
    pub fn first(self, count: usize) -> Rule {
        Rule::from(self).first(count)
    }

    /// Whether it covers a request, if no kind was given.
    fn covers(&self, request: &Request) -> bool {
        let kind = request.kind();
        match self {
            Self::Tokens(_) | Self::TooManyRequests(_) | Self::ServerError(_) => {
                kind != Kind::Token
            }
            Self::BlobsElsewhere(_)
            | Self::RedirectLoop
            | Self::WrongByte(_)
            | Self::CutDownloads(_)
            | Self::Stall(_) => kind == Kind::Blob,
            Self::NoContentLength(_) => matches!(kind, Kind::Blob | Kind::Manifest),
            Self::CutUploads(_)
            | Self::UploadsKept
            | Self::ChunkedUploadsRefused
            | Self::MonolithicUploadsRefused
            | Self::UploadLocation(_)
            | Self::NoUploadRange => kind == Kind::Upload,
            Self::LargeManifest(_) | Self::EndlessBody(_) => kind == Kind::Manifest,
            Self::Pages(..) => kind == Kind::Tags,
            _ => kind != Kind::Token,
        }
    }

    /// Whether it has anything to do with such a request at all.
    fn concerns(&self, request: &Request) -> bool {
        let range = request.headers.get("Range");
        match self {
            Self::SeveralRangesRefused(_) | Self::SeveralRangesIgnored => {
                range.is_some_and(|range| range.contains(','))
            }
            Self::RangesIgnored | Self::WrongContentRange(_) => range.is_some(),
            Self::HeadRefused => request.is(&["HEAD"]),
            Self::WrongByte(_) | Self::CutDownloads(_) | Self::Stall(_) => request.is(&["GET"]),
            Self::BlobsElsewhere(_)
            | Self::RedirectLoop
            | Self::NoContentLength(_)
            | Self::LargeManifest(_)
            | Self::Pages(..) => request.is(&["GET", "HEAD"]),
            Self::ChunkedUploadsRefused => request.is(&["PATCH"]),
            Self::MonolithicUploadsRefused => request.is(&["POST", "PUT"]),
            Self::CutUploads(_) => request.is(&["POST", "PUT", "PATCH"]),
            _ => true,
        }
    }
}

/// A personality with the requests that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) personality: Personality,
    kind: Option<Kind>,
    first: Option<usize>,
}

impl From<Personality> for Rule {
    fn from(personality: Personality) -> Self {
        Self {
            personality,
            kind: None,
            first: None,
        }
    }
}

impl Rule {
    /// Covers requests of this kind instead of the personality's own.
    #[must_use]
    pub fn on(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Covers the first `count` requests only.
    #[must_use]
    pub fn first(mut self, count: usize) -> Self {
        self.first = Some(count);
        self
    }

    pub(super) fn covers(&self, request: &Request) -> bool {
        let covered = match self.kind {
            Some(kind) => request.kind() == kind,
            None => self.personality.covers(request),
        };
        covered && self.personality.concerns(request)
    }

    /// The number of requests after which it ends.
    pub(super) fn limit(&self) -> usize {
        self.first.unwrap_or(usize::MAX)
    }

    /// Where it cuts, if it does.
    pub(super) fn cutter(&self) -> Option<Cutter> {
        match &self.personality {
            Personality::CutDownloads(cuts) | Personality::CutUploads(cuts) => {
                Some(Cutter::new(cuts))
            }
            _ => None,
        }
    }
}

impl RetryAfter {
    /// The value of the header.
    pub(super) fn value(self) -> Option<String> {
        match self {
            Self::Seconds(seconds) => Some(seconds.to_string()),
            Self::Date(seconds) => Some(super::date::http_date(Duration::from_secs(seconds))),
            Self::Missing => None,
        }
    }
}

//! What servers send, as values. These functions only compute.

mod link;
mod www_authenticate;
mod content_range;
mod retry_after;
mod error_body;
mod token_body;
mod url;
mod text;

pub use content_range::{ContentRange, parse_content_range, parse_upload_range};
pub use error_body::ServerError;
pub(crate) use error_body::parse_error_body;
pub use link::next_page;
pub(crate) use retry_after::parse_retry_after;
pub(crate) use token_body::{Token, parse_token_body};
pub(crate) use url::encode;
pub use url::{Url, UrlError};
pub use www_authenticate::{Challenge, parse_www_authenticate};

//! What a client may do, and for how long.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use layerhold_sys::Cancel;

/// How often, and how soon, failed requests are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retries {
    /// The most attempts at one thing without progress, the first one included. Bytes of a blob
    /// that come or go are progress.
    pub attempts: u32,
    /// The pause after the first failure. It doubles with each further one, and is shortened by up
    /// to a half at random, so that clients do not come back all at once.
    pub first_pause: Duration,
    /// The longest pause. A server that asks for a longer one with `Retry-After` is not asked
    /// again.
    pub longest_pause: Duration,
}

impl Retries {
    /// Never repeats anything.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            attempts: 1,
            ..Self::DEFAULT
        }
    }

    const DEFAULT: Self = Self {
        attempts: 5,
        first_pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(60),
    };

    /// Sets the number of attempts.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the first and the longest pause.
    #[must_use]
    pub const fn with_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.longest_pause = longest;
        self
    }
}

impl Default for Retries {
    /// Five attempts, with pauses of about 1, 2, 4 and 8 seconds.
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Chooses the proxy for an origin such as `https://quay.io`.
pub(crate) type ProxyChoice = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How a [`Client`](crate::Client) behaves.
#[derive(Clone)]
pub struct ClientOptions {
    pub(crate) user_agent: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) total_time: Option<Duration>,
    pub(crate) retries: Retries,
    pub(crate) cancel: Cancel,
    pub(crate) proxy: Option<ProxyChoice>,
}

impl Default for ClientOptions {
    /// 30 seconds to connect and of silence, no limit in total, five attempts, no proxy.
    fn default() -> Self {
        Self {
            user_agent: concat!("layerhold/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            total_time: None,
            retries: Retries::default(),
            cancel: Cancel::new(),
            proxy: None,
        }
    }
}

impl ClientOptions {
    /// Sets the text that servers see as `User-Agent`. Characters that no header may have are left
    /// out.
    #[must_use]
    pub fn user_agent(mut self, text: &str) -> Self {
        let is_shown = |c: &char| matches!(c, ' '..='~');
        self.user_agent = text.chars().filter(is_shown).collect();
        self
    }

    /// Limits the time until a server can be talked to: name lookup, connection and TLS.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Limits the time in which nothing comes from a server, or can be sent to it.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// Limits the time of one operation with all its attempts, such as a whole blob.
    #[must_use]
    pub fn total_time(mut self, limit: Option<Duration>) -> Self {
        self.total_time = limit;
        self
    }

    /// Sets how often failed requests are repeated.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Sets what stops all work of the client, within about 50 milliseconds.
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Sets how the proxy for a server is chosen. The function gets scheme, host and port, such as
    /// `https://quay.io` or `http://localhost:5000`, and returns the address of an HTTP proxy
    /// (`http://[USER:PASSWORD@]HOST:PORT`), or `None` for a direct connection.
    #[must_use]
    pub fn proxy(
        mut self,
        choose: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.proxy = Some(Arc::new(choose));
        self
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("user_agent", &self.user_agent)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("total_time", &self.total_time)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_one_line() {
        let options = ClientOptions::default().user_agent("a/1\r\nX: y ä");
        assert_eq!(options.user_agent, "a/1X: y ");
    }
}

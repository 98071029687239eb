//! Making connections.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use layerhold_sys::CANCEL_INTERVAL;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use super::socket::{Socket, Waits};
use super::transport::Wire;

/// The addresses of a name that are tried: as many as `ureq` has room for.
const MOST_ADDRESSES: usize = 16;

/// The longest time for a TLS handshake, as in Go's library (`NewTransport`). A server without TLS
/// may wait for the end of a line instead.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// There is no connection to a server. Found inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("not connected")]
pub(crate) struct NotConnected(#[source] pub(crate) io::Error);

fn not_connected(error: io::Error) -> ureq::Error {
    io::Error::other(NotConnected(error)).into()
}

/// Opens connections.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) waits: Waits,
    pub(crate) tls: Arc<ClientConfig>,
}

impl<In: Transport> Connector<In> for Dialer {
    type Out = Wire;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        tunnel: Option<In>,
    ) -> Result<Option<Wire>, ureq::Error> {
        let socket = match tunnel {
            Some(tunnel) => {
                let clock = Arc::clone(&details.current_time);
                let adapter = TransportAdapter::new(Box::new(tunnel) as Box<dyn Transport>, clock);
                Socket::tunnel(adapter, self.waits.clone())
            }
            None => dial(&details.addrs, &self.waits).map_err(not_connected)?,
        };
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        if !details.needs_tls() {
            return Ok(Some(Wire::plain(socket, buffers)));
        }
        let stream = self.handshake(socket, details).map_err(not_connected)?;
        Ok(Some(Wire::tls(stream, buffers)))
    }
}

impl Dialer {
    fn handshake(
        &self,
        mut socket: Socket,
        details: &ConnectionDetails<'_>,
    ) -> io::Result<StreamOwned<ClientConnection, Socket>> {
        let host = details.uri.host().unwrap_or_default();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let name = ServerName::try_from(bare.unwrap_or(host).to_owned());
        let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connection = ClientConnection::new(Arc::clone(&self.tls), name);
        let mut connection = connection.map_err(io::Error::other)?;
        socket.set_limit(self.waits.connect.min(HANDSHAKE));
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(connection, socket))
    }
}

/// Connects to the first address that answers, within the limit for all of them.
fn dial(addresses: &[SocketAddr], waits: &Waits) -> io::Result<Socket> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let begin = Instant::now();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for &address in addresses {
        // Half of what is left of the time, and all of it for the last address.
        let time = waits.connect.saturating_sub(begin.elapsed()) / left.min(2);
        left = left.saturating_sub(1);
        // The system refuses a limit of zero.
        let time = time.max(Duration::from_millis(1));
        let connected = in_background(waits, time, move || {
            TcpStream::connect_timeout(&address, time)
        });
        match connected {
            Ok(stream) => return Socket::tcp(stream, waits.clone()),
            Err(error) => last = error,
        }
        waits.cancel.check()?;
    }
    Err(last)
}

/// Looks names up. The system's own call cannot be interrupted, so it is left behind on a thread.
#[derive(Debug)]
pub(crate) struct Lookup(pub(crate) Waits);

impl Resolver for Lookup {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let name = uri.scheme().zip(uri.authority());
        let name = name.and_then(|(scheme, host)| DefaultResolver::host_and_port(scheme, host));
        let name = name.ok_or(ureq::Error::HostNotFound)?;
        let looked_up = in_background(&self.0, self.0.connect, move || {
            name.to_socket_addrs().map(Vec::from_iter)
        });
        let mut found = self.empty();
        for address in looked_up
            .map_err(not_connected)?
            .into_iter()
            .take(MOST_ADDRESSES)
        {
            found.push(address);
        }
        match found.is_empty() {
            true => Err(ureq::Error::HostNotFound),
            false => Ok(found),
        }
    }
}

/// Does work on a thread, and waits for it until the limit is over or the client is cancelled.
fn in_background<T: Send + 'static>(
    waits: &Waits,
    limit: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let begin = Instant::now();
    thread::Builder::new()
        .name("connect".to_owned())
        .spawn(move || drop(sender.send(work())))?;
    loop {
        waits.cancel.check()?;
        match receiver.recv_timeout(CANCEL_INTERVAL) {
            Ok(done) => return done,
            Err(RecvTimeoutError::Timeout) if begin.elapsed() < limit => {}
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

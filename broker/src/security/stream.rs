//! A client's stream of bytes, in the clear or within TLS.

use bytes::Buf;
use rustix::fs::sendfile;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::server::TlsStream;

use crate::log::ReadRange;

/// Bytes of a file that are sent at once.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Of so many bytes one page is asked for. Each costs a microsecond or two, since it touches memory that sending does not; a
/// run between them that is not there costs a serving thread a wait for the disk, and no more.
const CACHED_STEP_BYTES: usize = 512 * 1024;
/// Pieces that are sent by one call: more than there are in front of a partition's batches.
const SLICES_MAX: usize = 16;
/// Bytes that are sent on a serving thread where the socket had no room a moment ago.
const PROBE_BYTES: usize = 64 * 1024;
/// Bytes that are in memory at a time where they have to be encrypted.
const TLS_CHUNK_BYTES: usize = 256 * 1024;

pub(crate) enum Reader {
    Plain(OwnedReadHalf),
    Tls(ReadHalf<TlsStream<TcpStream>>),
}

pub(crate) enum Writer {
    Plain(OwnedWriteHalf),
    Tls(WriteHalf<TlsStream<TcpStream>>),
}

pub(crate) fn plain(stream: TcpStream) -> (Reader, Writer) {
    let (reader, writer) = stream.into_split();
    (Reader::Plain(reader), Writer::Plain(writer))
}

pub(crate) fn tls(stream: TlsStream<TcpStream>) -> (Reader, Writer) {
    let (reader, writer) = split(stream);
    (Reader::Tls(reader), Writer::Tls(writer))
}

impl Writer {
    /// Writes what a file's bytes follow. In the clear it waits for them in the kernel, so that a few bytes do not make a packet,
    /// and a wake-up at the other end, of their own.
    pub async fn write_ahead(&mut self, bytes: &mut impl Buf) -> io::Result<()> {
        let Self::Plain(half) = self else { return self.write_all_buf(bytes).await };
        let stream: &TcpStream = half.as_ref();
        while bytes.has_remaining() {
            stream.writable().await?;
            match stream.try_io(Interest::WRITABLE, || send_ahead(stream, bytes)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => bytes.advance(sent?),
            }
        }
        Ok(())
    }

    /// Sends batches from their file: in the clear by the kernel, from the page cache to the socket.
    pub async fn send_file(&mut self, range: ReadRange) -> io::Result<()> {
        match self {
            Self::Plain(half) if range.file().is_some() => send_by_kernel(half.as_ref(), &range).await,
            _ => {
                for part in range.parts(TLS_CHUNK_BYTES) {
                    let read = tokio::task::spawn_blocking(move || part.read()).await.map_err(io::Error::other)?;
                    self.write_all(&read.map_err(io::Error::other)?).await?;
                }
                Ok(())
            }
        }
    }
}

async fn send_by_kernel(stream: &TcpStream, range: &ReadRange) -> io::Result<()> {
    let (mut position, end) = (range.position(), range.position() + range.len() as u64);
    while position < end {
        stream.writable().await?;
        let left = usize::try_from(end - position).unwrap_or(usize::MAX);
        let count = left.min(CHUNK_BYTES);
        if is_cached(range, position, count) {
            // To wake another thread would cost more than the copy into the socket.
            match stream.try_io(Interest::WRITABLE, || send(stream, range, position, count)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => position += whole(sent?)?,
            }
            continue;
        }
        // Away from the threads that serve: a cold page waits for the disk.
        let socket = Arc::new(rustix::io::dup(stream.as_fd())?);
        let (to, from, start) = (Arc::clone(&socket), range.clone(), position);
        let sent = tokio::task::spawn_blocking(move || send(&*to, &from, start, count));
        let sent = match sent.await.map_err(io::Error::other)? {
            // Asked once more within the readiness of the socket, so that waiting for it cannot miss its end.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let again = || send(&*socket, range, position, left.min(PROBE_BYTES));
                match stream.try_io(Interest::WRITABLE, again) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    sent => sent?,
                }
            }
            sent => sent?,
        };
        position += whole(sent)?;
    }
    Ok(())
}

fn send_ahead(socket: &impl AsFd, bytes: &impl Buf) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let count = bytes.chunks_vectored(&mut slices);
    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    Ok(sendmsg(socket, &slices[..count], &mut SendAncillaryBuffer::default(), flags)?)
}

/// What was sent, unless that is nothing.
fn whole(sent: usize) -> io::Result<u64> {
    match sent {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a segment ends before its batches do")),
        sent => Ok(sent as u64),
    }
}

/// Whether these bytes lie in the page cache, as far as a byte here and there tells. A file system that cannot say counts as
/// slow.
fn is_cached(range: &ReadRange, position: u64, count: usize) -> bool {
    #[cfg(target_os = "linux")]
    if let Some(file) = range.file() {
        let is_cached = |at: usize| {
            let (mut byte, flags) = ([0], rustix::io::ReadWriteFlags::NOWAIT);
            let read = rustix::io::preadv2(file, &mut [io::IoSliceMut::new(&mut byte)], position + at as u64, flags);
            read == Ok(1)
        };
        return (0..count).step_by(CACHED_STEP_BYTES).chain(count.checked_sub(1)).all(is_cached);
    }
    false
}

fn send(socket: &impl AsFd, range: &ReadRange, mut position: u64, count: usize) -> io::Result<usize> {
    let file = range.file().ok_or(io::ErrorKind::Unsupported)?;
    Ok(sendfile(socket, file, Some(&mut position), count)?)
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(one) => Pin::new(one).poll_read(context, buffer),
            Self::Tls(one) => Pin::new(one).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(one) => Pin::new(one).poll_write(context, bytes),
            Self::Tls(one) => Pin::new(one).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(one) => Pin::new(one).poll_write_vectored(context, slices),
            Self::Tls(one) => Pin::new(one).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(one) => one.is_write_vectored(),
            Self::Tls(one) => one.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(one) => Pin::new(one).poll_flush(context),
            Self::Tls(one) => Pin::new(one).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(one) => Pin::new(one).poll_shutdown(context),
            Self::Tls(one) => Pin::new(one).poll_shutdown(context),
        }
    }
}

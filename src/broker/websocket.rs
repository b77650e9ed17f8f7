//! MQTT over WebSocket (MQTT 5 section 6): the binary messages' bytes, one after the other, are the stream. A packet may
//! span messages and a message may hold several packets.
//!
//! A text message ends the connection [MQTT-6.0.0-1]; a client that offers neither of MQTT's subprotocols is not taken
//! [MQTT-6.0.0-3]. The opening handshake is tungstenite's, the frames are ours ([`frames`]): their bytes go on as they
//! come, so that an unfinished packet is bounded in time and size as over plain TCP, and a message's size needs no limit.

mod frames;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use frames::{Came, Frames, put_frame};

/// What one read takes, by way of the stack.
const READ_BYTES: usize = 4 << 10;
/// Pongs may wait for a client that does not read; one that makes more of them wait is at fault.
const OUT_BYTES_MAX: usize = 256 << 10;
/// That of MQTT 3.1 is the second one.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

pub(super) struct WebSocket<S> {
    stream: S,
    frames: Frames,
    /// Whole frames that are not written yet.
    out: BytesMut,
    /// We said that we close.
    closed: bool,
    /// The client said so, or was at fault: nothing more is read.
    over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The server's side of the opening handshake.
    pub async fn accept(stream: S, path: &str) -> Result<WebSocket<S>, Box<Error>> {
        let opening = Opening { path: path.to_owned() };
        let buffers = WebSocketConfig::default().read_buffer_size(READ_BYTES).write_buffer_size(0);
        let opened = tokio_tungstenite::accept_hdr_async_with_config(stream, opening, Some(buffers)).await?;
        // Whoever sends more before it has the answer is refused by tungstenite, so nothing is left behind in it.
        let stream = opened.into_inner();
        Ok(WebSocket { stream, frames: Frames::default(), out: BytesMut::new(), closed: false, over: false })
    }

    fn close(&mut self, code: u16) {
        if !std::mem::replace(&mut self.closed, true) {
            put_frame(frames::CLOSE, &code.to_be_bytes(), &mut self.out);
        }
    }

    /// Writes what waits.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        if self.out.capacity() > 0 {
            self.out = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Answers what came besides data.
    fn obey(&mut self, came: Came) -> io::Result<()> {
        for payload in came.pings.into_iter().filter(|_| !self.closed) {
            put_frame(frames::PONG, &payload, &mut self.out);
        }
        if came.closes {
            self.over = true;
            self.close(frames::NORMAL);
        }
        if self.out.len() > OUT_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it takes no answer to its pings"));
        }
        Ok(())
    }
}

/// Looks at the request: its path, and the subprotocols that it offers.
struct Opening {
    path: String,
}

impl Callback for Opening {
    // The size of the error is tungstenite's choice.
    #[allow(clippy::result_large_err)]
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        if request.uri().path() != self.path {
            return Err(refusal(StatusCode::NOT_FOUND, format!("MQTT is at {}", self.path)));
        }
        let offers = request.headers().get_all("Sec-WebSocket-Protocol");
        let offered = |wanted: &&str| {
            let has = |list: &str| list.split(',').any(|name| name.trim().eq_ignore_ascii_case(wanted));
            offers.iter().any(|value| value.to_str().is_ok_and(has))
        };
        let Some(subprotocol) = SUBPROTOCOLS.into_iter().find(offered) else {
            return Err(refusal(StatusCode::BAD_REQUEST, "only the subprotocol mqtt is spoken here".to_owned()));
        };
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(subprotocol));
        Ok(response)
    }
}

fn refusal(status: StatusCode, text: String) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(text));
    *response.status_mut() = status;
    response
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        while buffer.filled().len() == before && buffer.remaining() > 0 && !this.over {
            let mut space = [0; READ_BYTES];
            // No more than fits, whatever part of it is payload.
            let most = READ_BYTES.min(buffer.remaining());
            let mut read = ReadBuf::new(&mut space[..most]);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                break;
            }
            match this.frames.take(read.filled_mut(), &mut |data| buffer.put_slice(data)) {
                Ok(came) => this.obey(came)?,
                Err(fault) => {
                    this.over = true;
                    this.close(fault.code);
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault.text)));
                }
            }
            // What cannot be written now goes with the next write.
            let _ = this.poll_drain(cx)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        if self.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        put_frame(frames::BINARY, bytes, &mut self.out);
        // It is taken; what the socket does not take at once is written with the next call.
        let _ = self.poll_drain(cx)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close(frames::NORMAL);
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

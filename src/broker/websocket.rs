//! MQTT over WebSocket (MQTT 5 section 6): the binary messages' bytes, one after the other, are the stream. A packet may
//! span messages and a message may hold several packets.
//!
//! A text message ends the connection [MQTT-6.0.0-1]; a client that does not offer the subprotocol `mqtt` is not taken
//! [MQTT-6.0.0-3]. A message is collected whole before its bytes are read, so its size is limited.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// What an idle connection holds for reading.
const READ_BYTES: usize = 4 << 10;
const SUBPROTOCOL: &str = "mqtt";

pub(super) struct WebSocket<S> {
    messages: WebSocketStream<S>,
    /// What is not yet read of the last message.
    rest: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The server's side of the opening handshake. `message_bytes_max` limits one message.
    pub async fn accept(stream: S, path: &str, message_bytes_max: usize) -> Result<WebSocket<S>, Box<Error>> {
        let mut limits = WebSocketConfig::default().read_buffer_size(READ_BYTES).write_buffer_size(0);
        limits.max_message_size = Some(message_bytes_max);
        limits.max_frame_size = Some(message_bytes_max);
        let opening = Opening { path: path.to_owned() };
        let messages = tokio_tungstenite::accept_hdr_async_with_config(stream, opening, Some(limits)).await?;
        Ok(WebSocket { messages, rest: Bytes::new() })
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
        let offered = |value: &HeaderValue| {
            value.to_str().is_ok_and(|list| list.split(',').any(|name| name.trim().eq_ignore_ascii_case(SUBPROTOCOL)))
        };
        if !offers.iter().any(offered) {
            let text = format!("only the subprotocol {SUBPROTOCOL} is spoken here");
            return Err(refusal(StatusCode::BAD_REQUEST, text));
        }
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
        Ok(response)
    }
}

fn refusal(status: StatusCode, text: String) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(text));
    *response.status_mut() = status;
    response
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.messages).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Text(_))) => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "a text message where MQTT is binary");
                    return Poll::Ready(Err(error));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let bytes = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..bytes]);
        self.rest.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.messages).poll_ready(cx)).map_err(broken)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.messages).start_send(message).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.messages).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.messages).poll_close(cx).map_err(broken)
    }
}

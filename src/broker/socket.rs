//! Reading and writing a client's stream, whatever kind it is.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// A read of a busy connection. An idle one holds no buffer at all.
const READ_BYTES_BUSY: usize = 64 << 10;
/// What is read at once from a connection that was idle, by way of the stack.
const READ_BYTES_IDLE: usize = 4 << 10;

/// What a client still sends is thrown away for so long, and no more than so much.
const LINGER_MAX: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 16 << 20;

/// Closes our side, then reads until the client closes its own: whoever is disconnected may still be sending, and the
/// system would reset the connection, and the last reason with it, if that were not read.
pub(super) async fn linger(reader: &mut (impl AsyncRead + Unpin), writer: &mut (impl AsyncWrite + Unpin)) {
    let all = async {
        let _ = writer.shutdown().await;
        let (mut left, mut scratch) = (LINGER_BYTES_MAX, BytesMut::new());
        while left > 0 {
            match read(reader, &mut scratch).await {
                Ok(bytes @ 1..) => left = left.saturating_sub(bytes),
                _ => return,
            }
            scratch.clear();
        }
    };
    let _ = timeout(LINGER_MAX, all).await;
}

/// Writes until the last byte has left: a TLS or WebSocket stream may keep some back otherwise.
pub(super) async fn write_all(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// Reads what there is. An idle connection waits without a buffer: the first bytes come by way of the stack.
pub(super) async fn read(reader: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> std::io::Result<usize> {
    if buffer.len() < buffer.capacity() {
        return reader.read_buf(buffer).await;
    }
    let bytes = std::future::poll_fn(|context| {
        let mut space = [std::mem::MaybeUninit::<u8>::uninit(); READ_BYTES_IDLE];
        let mut space = tokio::io::ReadBuf::uninit(&mut space);
        std::task::ready!(std::pin::Pin::new(&mut *reader).poll_read(context, &mut space))?;
        buffer.extend_from_slice(space.filled());
        std::task::Poll::Ready(std::io::Result::Ok(space.filled().len()))
    })
    .await?;
    if bytes == READ_BYTES_IDLE {
        // There is more where that came from.
        buffer.reserve(READ_BYTES_BUSY);
    }
    Ok(bytes)
}

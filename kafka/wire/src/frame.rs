//! Frames: a signed 32-bit big-endian length, then that many bytes (protocol guide, "Protocol Primitives").

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of the length in front of every frame.
pub const LENGTH_BYTES: usize = 4;

/// Largest request that a broker accepts by default: Kafka's `socket.request.max.bytes`.
pub const REQUEST_BYTES_MAX: usize = 100 * 1024 * 1024;

/// Why a stream cannot be a sequence of frames; the connection has to be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("frame length {0} is negative")]
    Negative(i32),
    #[error("frame of {length} bytes is too large: at most {max}")]
    TooLarge { length: usize, max: usize },
}

/// Takes one whole frame, without its length, from the front of `buffer`. `Ok(None)`: more bytes are needed.
///
/// Nothing is reserved because a frame announces it: the caller's buffer grows as bytes arrive.
pub fn take(buffer: &mut BytesMut, frame_bytes_max: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(announced) = buffer.first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let announced = i32::from_be_bytes(*announced);
    let length = usize::try_from(announced).map_err(|_| FrameError::Negative(announced))?;
    if length > frame_bytes_max {
        return Err(FrameError::TooLarge { length, max: frame_bytes_max });
    }
    if buffer.len() < LENGTH_BYTES + length {
        return Ok(None);
    }
    buffer.advance(LENGTH_BYTES);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// Bytes that the frame at the front of `buffer` lacks, as it announces; `None` where that is not known yet, or nonsense.
pub fn missing(buffer: &[u8]) -> Option<usize> {
    let length = usize::try_from(i32::from_be_bytes(*buffer.first_chunk::<LENGTH_BYTES>()?)).ok()?;
    Some((LENGTH_BYTES + length).saturating_sub(buffer.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stream: &[u8], expect: Result<Option<&[u8]>, FrameError>) {
        let mut buffer = BytesMut::from(stream);
        assert_eq!(
            take(&mut buffer, 8).map(|frame| frame.map(|bytes| bytes.to_vec())),
            expect.map(|f| f.map(<[u8]>::to_vec))
        );
    }

    #[test]
    fn frames() {
        check(b"", Ok(None));
        check(b"\0\0\0", Ok(None));
        check(b"\0\0\0\x02a", Ok(None));
        check(b"\0\0\0\0", Ok(Some(b"")));
        check(b"\0\0\0\x02abc", Ok(Some(b"ab")));
        check(b"\0\0\0\x09", Err(FrameError::TooLarge { length: 9, max: 8 }));
        check(b"\xff\xff\xff\xff", Err(FrameError::Negative(-1)));
    }

    #[test]
    fn what_is_missing() {
        assert_eq!(missing(b"\0\0\0"), None);
        assert_eq!(missing(b"\xff\xff\xff\xff"), None);
        assert_eq!(missing(b"\0\0\0\x02"), Some(2));
        assert_eq!(missing(b"\0\0\0\x02abc"), Some(0));
    }
}

//! The five codecs of a record batch's attributes, with Kafka's framings.
//!
//! gzip: RFC 1952; snappy: xerial's block framing (raw snappy is accepted, as Kafka's Java library does); lz4: the LZ4
//! frame format; zstd: RFC 8878 (KIP-110).

use crate::{lz4, lz4_read};
use std::io::{self, Read, Write};

/// How the records of a batch are compressed; the number is the codec in bits 0 to 2 of the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    #[default]
    None = 0,
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

/// Why compressed records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    #[error("decompress {codec:?} records")]
    Malformed {
        codec: Compression,
        #[source]
        source: io::Error,
    },
    #[error("decompress {codec:?} records: more than {max} bytes")]
    TooLarge { codec: Compression, max: usize },
}

/// The name is not one of Kafka's `compression.type` values for a producer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression {0:?}; want none, gzip, snappy, lz4 or zstd")]
pub struct UnknownCompression(pub String);

const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, version 1, lowest compatible version 1.
const XERIAL_HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// Uncompressed bytes in one xerial block: the Java library's default.
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;

/// zstd's fastest regular level: an agent pays CPU on somebody else's host.
const ZSTD_LEVEL: i32 = 1;
/// gzip's fastest level, for the same reason.
const GZIP_LEVEL: u32 = 1;

impl Compression {
    /// The codec with this number in a batch's attributes (protocol guide, "Record Batch").
    pub fn from_codec(codec: u8) -> Option<Self> {
        Some(match codec {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// Appends the compressed form of `plain` to `out`.
    pub fn compress(self, plain: &[u8], out: &mut Vec<u8>) {
        const INFALLIBLE: &str = "writing to a Vec cannot fail";
        match self {
            Self::None => out.extend_from_slice(plain),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
                encoder.write_all(plain).expect(INFALLIBLE);
                encoder.finish().expect(INFALLIBLE);
            }
            Self::Snappy => compress_xerial(plain, out),
            Self::Lz4 => lz4::Encoder::new().frame(plain, &[], out),
            Self::Zstd => zstd::stream::copy_encode(plain, out, ZSTD_LEVEL).expect(INFALLIBLE),
        }
    }

    /// Writes the plain form of `compressed`, at most `plain_bytes_max` bytes of it, over `plain`, and returns how many bytes of
    /// `plain` that is: what a buffer has behind them is left of what it was used for before.
    ///
    /// # Errors
    /// As [`Compression::decompress`].
    pub fn decompress_over(
        self,
        compressed: &[u8],
        plain_bytes_max: usize,
        plain: &mut Vec<u8>,
    ) -> Result<usize, DecompressError> {
        if self == Self::Lz4
            && let Some(end) = lz4_read::read_over(compressed, plain_bytes_max, plain)
        {
            return Ok(end);
        }
        plain.clear();
        self.decompress(compressed, plain_bytes_max, plain)?;
        Ok(plain.len())
    }

    /// Appends the plain form of `compressed` to `out`, at most `plain_bytes_max` bytes of it.
    ///
    /// # Errors
    /// The bytes are not this codec's, or the plain form is larger than the limit (a decompression bomb).
    pub fn decompress(
        self,
        compressed: &[u8],
        plain_bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecompressError> {
        let malformed = |source| DecompressError::Malformed { codec: self, source };
        let too_large = || DecompressError::TooLarge { codec: self, max: plain_bytes_max };
        match self {
            Self::None if compressed.len() > plain_bytes_max => Err(too_large()),
            Self::None => {
                out.extend_from_slice(compressed);
                Ok(())
            }
            Self::Snappy => decompress_snappy(compressed, plain_bytes_max, out),
            Self::Gzip => read_bounded(flate2::read::MultiGzDecoder::new(compressed), plain_bytes_max, out)
                .map_err(malformed)?
                .then_some(())
                .ok_or_else(too_large),
            Self::Lz4 => {
                let mut decoder = lz4_flex::frame::FrameDecoder::new(WatchEnd { bytes: compressed, passed: false });
                if !read_bounded(&mut decoder, plain_bytes_max, out).map_err(malformed)? {
                    return Err(too_large());
                }
                match decoder.get_ref().passed {
                    true => Err(malformed(io::ErrorKind::UnexpectedEof.into())),
                    false => Ok(()),
                }
            }
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(compressed)
                .and_then(|decoder| read_bounded(decoder, plain_bytes_max, out))
                .map_err(malformed)?
                .then_some(())
                .ok_or_else(too_large),
        }
    }
}

impl std::str::FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "none" => Self::None,
            "gzip" => Self::Gzip,
            "snappy" => Self::Snappy,
            "lz4" => Self::Lz4,
            "zstd" => Self::Zstd,
            _ => return Err(UnknownCompression(name.to_owned())),
        })
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// Notices a read past the end: the LZ4 decoder takes a frame without its end mark for a whole one.
struct WatchEnd<'a> {
    bytes: &'a [u8],
    passed: bool,
}

impl Read for WatchEnd<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.passed |= self.bytes.is_empty();
        self.bytes.read(buffer)
    }
}

/// Reads to the end; `false` when there is more than `bytes_max`.
fn read_bounded(reader: impl Read, bytes_max: usize, out: &mut Vec<u8>) -> io::Result<bool> {
    let before = out.len();
    reader.take(bytes_max as u64 + 1).read_to_end(out)?;
    Ok(out.len() - before <= bytes_max)
}

fn compress_xerial(plain: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&XERIAL_HEADER);
    let mut encoder = snap::raw::Encoder::new();
    for block in plain.chunks(XERIAL_BLOCK_BYTES) {
        let length_at = out.len();
        let block_at = length_at + 4;
        out.resize(block_at + snap::raw::max_compress_len(block.len()), 0);
        let written =
            encoder.compress(block, &mut out[block_at..]).expect("the buffer has the size that the library asks for");
        out[length_at..block_at].copy_from_slice(&(written as u32).to_be_bytes());
        out.truncate(block_at + written);
    }
}

fn decompress_snappy(compressed: &[u8], plain_bytes_max: usize, out: &mut Vec<u8>) -> Result<(), DecompressError> {
    let malformed = |message: &str| DecompressError::Malformed {
        codec: Compression::Snappy,
        source: io::Error::new(io::ErrorKind::InvalidData, message),
    };
    let mut budget = plain_bytes_max;
    if !compressed.starts_with(&XERIAL_MAGIC) {
        return decompress_snappy_block(compressed, &mut budget, plain_bytes_max, out);
    }
    let mut rest = compressed.get(XERIAL_HEADER.len()..).ok_or_else(|| malformed("xerial header is cut off"))?;
    while !rest.is_empty() {
        let (length, after) =
            rest.split_first_chunk::<4>().ok_or_else(|| malformed("xerial block length is cut off"))?;
        let length = u32::from_be_bytes(*length) as usize;
        if length > after.len() {
            return Err(malformed("xerial block is cut off"));
        }
        let (block, next) = after.split_at(length);
        decompress_snappy_block(block, &mut budget, plain_bytes_max, out)?;
        rest = next;
    }
    Ok(())
}

fn decompress_snappy_block(
    block: &[u8],
    budget: &mut usize,
    plain_bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), DecompressError> {
    let malformed =
        |source: snap::Error| DecompressError::Malformed { codec: Compression::Snappy, source: source.into() };
    let plain_bytes = snap::raw::decompress_len(block).map_err(malformed)?;
    *budget = budget
        .checked_sub(plain_bytes)
        .ok_or(DecompressError::TooLarge { codec: Compression::Snappy, max: plain_bytes_max })?;
    // Snappy expands at most about 21 times, so a forged length cannot reserve more than that before it fails.
    if plain_bytes / 32 > block.len() {
        return Err(DecompressError::Malformed {
            codec: Compression::Snappy,
            source: io::Error::new(io::ErrorKind::InvalidData, "snappy length does not fit the block"),
        });
    }
    let at = out.len();
    out.resize(at + plain_bytes, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[at..]).map_err(malformed)?;
    out.truncate(at + written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::CODECS;

    fn compressed(codec: Compression, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        codec.compress(plain, &mut out);
        out
    }

    #[test]
    fn every_codec_round_trips() {
        for length in [0, 1, 100, XERIAL_BLOCK_BYTES, XERIAL_BLOCK_BYTES + 1, 300_000] {
            let plain: Vec<u8> = (0..length).map(|index| (index * index / 7) as u8).collect();
            for codec in CODECS {
                let mut out = b"kept".to_vec();
                codec.decompress(&compressed(codec, &plain), plain.len(), &mut out).expect("own output is readable");
                assert_eq!(out[..4], *b"kept");
                assert!(out[4..] == plain, "{codec} of {length} bytes");
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let plain = vec![b'x'; 1 << 20];
        for codec in CODECS {
            let error = codec.decompress(&compressed(codec, &plain), 1000, &mut Vec::new());
            assert!(matches!(error, Err(DecompressError::TooLarge { .. })), "{codec}: {error:?}");
        }
    }

    #[test]
    fn cut_input_is_an_error_or_shorter_and_garbled_input_does_not_panic() {
        let plain: Vec<u8> = (0..5000u32).flat_map(|n| (n % 251).to_be_bytes()).collect();
        for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
            let whole = compressed(codec, &plain);
            for cut in 0..whole.len() {
                let mut out = Vec::new();
                if codec.decompress(&whole[..cut], 1 << 20, &mut out).is_ok() {
                    assert!(out.len() < plain.len(), "{codec} cut at {cut} of {}", whole.len());
                }
                let mut garbled = whole.clone();
                garbled[cut] ^= 0x55;
                let _ = codec.decompress(&garbled, 1 << 20, &mut Vec::new());
            }
        }
    }
}

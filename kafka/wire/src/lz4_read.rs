//! Reads LZ4 frames in the form in which nearly all producers write them, straight into a buffer that was used before.
//!
//! That form is blocks which do not depend on each other, without checksums (FLG 0x60): ours, and that of Kafka's Java library.
//! Whatever else, and whatever is wrong, is left to the general decoder, which knows all of the format and says what is wrong;
//! it clears a buffer of its own for each frame and copies out of it.

use crate::lz4::{BLOCK_SIZES, FLG, FRAME_MAGIC, STORED};

/// Magic, FLG, BD, checksum of the two.
const HEAD_BYTES: usize = 7;
/// A byte of a block is at most so many plain ones, so that a forged size reserves no more.
const EXPANSION_MAX: usize = 255;

/// Writes the plain form of `frame` over `plain`, from its beginning, at most `plain_bytes_max` bytes; what `plain` has behind
/// them means nothing. Returns their number, or `None` for a frame that the general decoder must look at.
pub(crate) fn read_over(frame: &[u8], plain_bytes_max: usize, plain: &mut Vec<u8>) -> Option<usize> {
    let mut blocks = Blocks::of(frame)?;
    let mut end = 0;
    while let Step::Block(bytes) = blocks.next(plain, end, plain_bytes_max - end)? {
        end += bytes;
    }
    Some(end)
}

/// The blocks of a frame in that form that were not read yet.
#[derive(Debug)]
pub(crate) struct Blocks<'f> {
    rest: &'f [u8],
    block_bytes_max: usize,
}

/// What is next in a frame.
pub(crate) enum Step {
    /// So many plain bytes.
    Block(usize),
    /// The frame is read, and nothing is behind it.
    End,
}

impl<'f> Blocks<'f> {
    /// None: the general decoder must look at the frame.
    pub fn of(frame: &'f [u8]) -> Option<Self> {
        let (head, rest) = frame.split_at_checked(HEAD_BYTES)?;
        let [magic @ .., flg, bd, checksum] = head else { return None };
        if *magic != FRAME_MAGIC || *flg != FLG {
            return None;
        }
        let is_ours = |(_, own_bd, own_checksum): &&(usize, u8, u8)| (own_bd, own_checksum) == (bd, checksum);
        let (block_bytes_max, ..) = *BLOCK_SIZES.iter().find(is_ours)?;
        Some(Self { rest, block_bytes_max })
    }

    /// Writes the plain form of the next block into `plain` from `start` on, at most `bytes_max` bytes. None: the general decoder
    /// must look at the frame.
    pub fn next(&mut self, plain: &mut Vec<u8>, start: usize, bytes_max: usize) -> Option<Step> {
        let (word, after) = self.rest.split_first_chunk()?;
        let word = u32::from_le_bytes(*word);
        if word == 0 {
            return after.is_empty().then_some(Step::End);
        }
        let (block, after) = after.split_at_checked((word & !STORED) as usize)?;
        self.rest = after;
        let room = self.block_bytes_max.min(bytes_max);
        if word & STORED != 0 {
            if block.len() > room {
                return None;
            }
            room_for(plain, start, block.len()).copy_from_slice(block);
            return Some(Step::Block(block.len()));
        }
        let room = room.min(block.len().saturating_mul(EXPANSION_MAX));
        lz4_flex::block::decompress_into(block, room_for(plain, start, room)).ok().map(Step::Block)
    }
}

/// `length` bytes from `start`. Only what was never used is filled.
fn room_for(plain: &mut Vec<u8>, start: usize, length: usize) -> &mut [u8] {
    if plain.len() < start + length {
        plain.resize(start + length, 0);
    }
    &mut plain[start..start + length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::Compression;
    use std::io::Write;

    fn frame(plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Compression::Lz4.compress(plain, &mut out);
        out
    }

    #[test]
    fn a_used_buffer_is_written_over() {
        let mut buffer = Vec::new();
        for length in [300_000, 70, 0, 5 << 20, 1] {
            let plain: Vec<u8> = (0..length).map(|index| (index * index / 7) as u8).collect();
            let packed = frame(&plain);
            assert_eq!(read_over(&packed, length, &mut buffer), Some(length), "{length} bytes");
            assert!(buffer[..length] == plain, "{length} bytes");
            assert_eq!(read_over(&packed, length.saturating_sub(1), &mut buffer), (length == 0).then_some(0));
        }
    }

    #[test]
    fn what_is_cut_longer_or_of_another_form_is_left_to_the_general_decoder() {
        let plain = b"a line and a line and a line and a line".repeat(100);
        let packed = frame(&plain);
        for cut in 0..packed.len() {
            assert_eq!(read_over(&packed[..cut], 1 << 20, &mut Vec::new()), None, "cut at {cut}");
        }
        assert_eq!(read_over(&[&packed[..], b"x"].concat(), 1 << 20, &mut Vec::new()), None);
        let mut linked = Vec::new();
        let form = lz4_flex::frame::FrameInfo::new().block_mode(lz4_flex::frame::BlockMode::Linked);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(form, &mut linked);
        encoder.write_all(&plain).expect("memory takes all");
        encoder.finish().expect("memory takes all");
        assert_eq!(read_over(&linked, 1 << 20, &mut Vec::new()), None);
        let mut out = Vec::new();
        Compression::Lz4.decompress(&linked, 1 << 20, &mut out).expect("a sound frame");
        assert!(out == plain);
    }

    #[test]
    fn garbled_bytes_are_what_the_general_decoder_says() {
        let plain: Vec<u8> = (0..3000u32).flat_map(|n| (n % 251).to_be_bytes()).collect();
        let whole = frame(&plain);
        for place in 0..whole.len() {
            let mut garbled = whole.clone();
            garbled[place] ^= 0x55;
            let mut quick = Vec::new();
            if let Some(end) = read_over(&garbled, 1 << 20, &mut quick) {
                let mut general = b"kept".to_vec();
                Compression::Lz4.decompress(&garbled, 1 << 20, &mut general).expect("it was read before");
                assert!(quick[..end] == general[4..], "byte {place}");
            }
        }
    }
}

//! LZ4 frames against an independent decoder: lines, noise, repeats, and every length around the format's limits.

use super::*;
use crate::testing::Random;
use std::io::Read;

fn frame(plain: &[u8], repeats: &[Repeat]) -> Vec<u8> {
    let mut out = b"kept".to_vec();
    Encoder::new().frame(plain, repeats, &mut out);
    assert_eq!(out[..4], *b"kept");
    out.split_off(4)
}

fn check(plain: &[u8], repeats: &[Repeat]) -> usize {
    let frame = frame(plain, repeats);
    let mut got = Vec::new();
    lz4_flex::frame::FrameDecoder::new(frame.as_slice()).read_to_end(&mut got).expect("a sound frame");
    assert!(got == plain, "{} bytes, {} repeats", plain.len(), repeats.len());
    // Magic, header and end; the length of each block.
    let blocks = plain.len().div_ceil(64 << 10);
    assert!(frame.len() <= plain.len() + 11 + 4 * blocks, "{} bytes of {}", frame.len(), plain.len());
    frame.len()
}

fn lines(random: &mut Random, bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() < bytes {
        let (address, status, word) = (random.next() as u32, random.below(5) * 100, random.below(40));
        let line = format!("{address:x} - - [23/Nov] \"GET /shop/{word}?q={}\" {status} -\u{e9}\n", "ab".repeat(word));
        out.extend_from_slice(line.as_bytes());
    }
    out.truncate(bytes);
    out
}

#[test]
fn every_length_around_the_limits_is_read_back() {
    let mut random = Random::from_environment();
    let text = lines(&mut random, 400);
    for length in 0..text.len() {
        check(&text[..length], &[]);
        check(&vec![b' '; length], &[]);
        check(&(0..length).map(|_| random.next() as u8).collect::<Vec<_>>(), &[]);
    }
    for limit in [64 << 10, 256 << 10, 1 << 20, 4 << 20] {
        for length in [limit - 1, limit, limit + 1] {
            check(&lines(&mut random, length), &[]);
        }
    }
}

#[test]
fn lines_shrink_and_noise_does_not_grow() {
    let mut random = Random::from_environment();
    let text = lines(&mut random, 300_000);
    let bytes = check(&text, &[]);
    assert!(bytes < text.len() / 3, "{bytes} bytes");
    let noise: Vec<u8> = (0..300_000).map(|_| random.next() as u8).collect();
    assert_eq!(check(&noise, &[]), noise.len() + 15);
    assert!(check(&vec![b'x'; 300_000], &[]) < 2_000);
    assert!(check(&vec![0; 300_000], &[]) < 2_000);
    assert!(check(&b" x".repeat(150_000), &[]) < 2_000);
}

/// Pieces with repeats of random earlier places between them, as near to each other and to the end as can be.
#[test]
fn known_repeats_are_read_back() {
    let mut random = Random::from_environment();
    for _ in 0..300 {
        let bytes = 1 + random.below(300);
        let mut plain = lines(&mut random, bytes);
        let mut repeats = Vec::new();
        for _ in 0..random.below(200) {
            let distance = 1 + random.below(plain.len().min(DISTANCE_MAX));
            let length = match random.below(4) {
                0 => random.below(8),
                1 => random.below(1000),
                _ => random.below(200),
            };
            let at = plain.len();
            (0..length).for_each(|_| plain.push(plain[plain.len() - distance]));
            let resume_at = (at + length) as u32;
            repeats.push(Repeat { at: at as u32, length: length as u32, distance: distance as u32, resume_at });
            let more = match random.below(3) {
                0 => Vec::new(),
                1 => (0..random.below(60)).map(|_| random.next() as u8).collect(),
                _ => lines(&mut random, distance % 300),
            };
            plain.extend_from_slice(&more);
            if let Some(last) = repeats.last_mut() {
                last.resume_at += random.below(more.len() + 1) as u32;
            }
        }
        check(&plain, &repeats);
    }
}

#[test]
fn repeats_out_of_reach_are_left_to_the_search() {
    let far = DISTANCE_MAX + 1;
    let mut plain: Vec<u8> = (0..far).map(|n| (n * n / 7) as u8).collect();
    let at = plain.len();
    plain.extend_from_within(..1000);
    check(&plain, &[Repeat { at: at as u32, length: 1000, distance: far as u32, resume_at: plain.len() as u32 }]);
    plain.remove(0);
    check(&plain, &[Repeat { at: at as u32 - 1, length: 999, distance: far as u32, resume_at: plain.len() as u32 }]);
}

#[test]
fn the_header_is_the_reference_encoders() {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
    let sizes = [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB];
    for (size, (bytes, ..)) in sizes.into_iter().zip(BLOCK_SIZES) {
        let mut reference = FrameEncoder::with_frame_info(FrameInfo::new().block_size(size), Vec::new());
        std::io::Write::write_all(&mut reference, b"x").expect("written");
        assert_eq!(frame(&vec![b'x'; bytes], &[])[..7], reference.finish().expect("written")[..7]);
    }
}

#[test]
fn an_encoder_that_was_used_makes_the_same_bytes() {
    let mut random = Random::from_environment();
    let (one, other) = (lines(&mut random, 100_000), lines(&mut random, 80_000));
    let mut encoder = Encoder::new();
    let (mut first, mut again) = (Vec::new(), Vec::new());
    encoder.frame(&one, &[], &mut first);
    encoder.frame(&other, &[], &mut Vec::new());
    encoder.release();
    encoder.frame(&one, &[], &mut again);
    assert!(first == again);
}

/// Lines that end alike have headers that are alike behind them: one match for both.
#[test]
fn a_match_goes_on_into_the_repeat_behind_it() {
    let headers = b"\x02\x10host.name\x08web1 and more that is always the same";
    let line = |first: &str| [first.as_bytes(), b" lines that end alike, but for their first word", headers].concat();
    let (one, other) = (line("some"), line("many"));
    let plain = [one.as_slice(), &other, b"what comes then is like nothing before"].concat();
    let at = one.len() + other.len() - headers.len();
    let (length, distance) = (headers.len() as u32, one.len() as u32);
    let repeat = Repeat { at: at as u32, length, distance, resume_at: at as u32 + length };
    check(&plain, &[repeat]);
    assert_eq!(frame(&plain, &[repeat]), frame(&plain, &[]), "the search alone finds it as one match");
}

/// Whoever says where bytes repeat cannot garble a frame by being wrong.
#[test]
fn wrong_repeats_are_read_back() {
    let mut random = Random::from_environment();
    for _ in 0..500 {
        let bytes = 20 + random.below(3000);
        let plain = lines(&mut random, bytes);
        let (mut repeats, mut at) = (Vec::new(), 0);
        while at < plain.len() {
            let length = random.below(plain.len() - at).min(random.below(300));
            let resume_at = (at + random.below(length + 1)) as u32;
            let distance = random.below(70_000) as u32;
            repeats.push(Repeat { at: at as u32, length: length as u32, distance, resume_at });
            at += length + 1 + random.below(200);
        }
        check(&plain, &repeats);
    }
}

/// Whatever the processor has: a batch that is made again after a crash is the same bytes.
#[test]
fn every_processor_makes_the_same_bytes() {
    let mut random = Random::from_environment();
    for _ in 0..50 {
        let bytes = random.below(100_000);
        let plain = lines(&mut random, bytes);
        let (mut one, mut other) = (Encoder::new(), Encoder::new());
        let (bytes, usual) = (one.compress(&plain, &[]), other.compress_usual(&plain, &[]));
        assert!(one.block[..bytes] == other.block[..usual]);
    }
}

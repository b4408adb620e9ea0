//! Stretches: what is taken of a file that stays as it is, and of one that does not.

use super::*;
use crate::labels::Labels;
use std::io::Write;
use std::path::Path;

const BLOCK_BYTES: usize = 16;

/// A file of `content` in which `position` is reached, and then what `change` makes of it: what is taken next.
fn check(content: &str, position: u64, change: impl Fn(&mut File), expect: &[(u64, &str)]) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(content.as_bytes()).expect("written");
    let dress = Dress::new(None, Path::new("/a.log"), "generic", FileId(1), &Labels::default());
    let next = Next {
        position,
        marker: marker_of(&content.as_bytes()[..position as usize]).to_vec(),
        size: content.len() as u64,
        index: 1,
        end: 4,
    };
    change(&mut file);
    let course = Course {
        id: FileId(1),
        file: &file,
        dress: &dress,
        clock: &Clock(Arc::new(|| 0)),
        pool: &Pool::new(1 << 20, || {}),
        line_bytes_max: 100,
        batch_bytes_max: 1000,
        block_bytes: BLOCK_BYTES,
        next: Mutex::new(next),
        done: Mutex::default(),
    };
    let mut block = Vec::new();
    let mut got = Vec::new();
    while let Some(taken) = course.take(&mut block) {
        got.push((taken.base, String::from_utf8_lossy(&block[taken.range]).into_owned()));
    }
    let got: Vec<(u64, &str)> = got.iter().map(|(base, text)| (*base, text.as_str())).collect();
    assert_eq!(got, expect, "{content:?} from {position}");
}

#[test]
fn stretches_are_whole_lines_one_behind_the_other() {
    let nothing = |_: &mut File| {};
    let lines = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n";
    check(lines, 4, nothing, &[(4, "two\nthree\nfour\n"), (19, "five\nsix\nseven\n")]);
    // The last block is not full: it is left to who knows the end of the file.
    check("one\ntwo\nthree\n", 4, nothing, &[]);
    check(&"a\n".repeat(100), 2, nothing, &[(2, &"a\n".repeat(8)), (18, &"a\n".repeat(8)), (34, &"a\n".repeat(8))]);
    // So is a line that is longer than a block.
    check(&format!("one\n{}\n", "x".repeat(50)), 4, nothing, &[]);
}

#[test]
fn a_content_that_was_replaced_is_left_to_the_next_turn() {
    let lines = "a\n".repeat(100);
    let write = |file: &File, at, bytes: &[u8]| file.write_all_at(bytes, at).expect("written");
    check(&lines, 2, |file| write(file, 1, b"x"), &[]);
    check(&lines, 2, |file| file.set_len(199).expect("truncated"), &[]);
    check(&lines, 2, |file| file.set_len(0).expect("truncated"), &[]);
    check(&lines, 2, |file| write(file, 0, b"ab"), &[]);
}

#[test]
fn records_that_are_much_larger_than_their_lines_end_a_stretch() {
    let pool = Pool::new(1 << 20, || {});
    let file = tempfile::tempfile().expect("a file");
    let dress = Dress::new(Some("web1"), Path::new("/a.log"), "generic", FileId(1), &Labels::default());
    let course = Course {
        id: FileId(1),
        file: &file,
        dress: &dress,
        clock: &Clock(Arc::new(|| 0)),
        pool: &pool,
        line_bytes_max: 100,
        batch_bytes_max: 1000,
        block_bytes: 2000,
        next: Mutex::new(Next { position: 2000, marker: Vec::new(), size: 2000, index: 1, end: 1 }),
        done: Mutex::default(),
    };
    let block = b"\n".repeat(2000);
    let taken = Taken { index: 0, base: 0, range: 0..2000, skip: Skip::NOTHING, timestamp: 0 };
    course.frame(taken, &block, &mut BatchWriter::new(kafka_wire::compression::Compression::None));
    let stretch = course.take_done(0).expect("framed");
    let bytes: usize = stretch.batches.iter().map(|sealed| sealed.bytes.len()).sum();
    assert!(stretch.framed.stopped && (4001..=5000).contains(&bytes), "{bytes} bytes");
    let last = stretch.batches.last().expect("batches");
    assert_eq!((last.source.end, last.marker.as_slice()), (stretch.framed.at as u64, &block[..last.marker.len()]));
}

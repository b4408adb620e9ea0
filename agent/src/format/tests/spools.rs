//! Entries of a spool.

use super::*;

#[test]
fn a_spool_gives_back_what_was_put_in() {
    seeds(|random| {
        let values = texts(random, &["a", "\n", "\r\n", "ü"]);
        let mut content = Vec::new();
        for value in &values {
            let source = ["", "10.0.0.1:514"][random.below(2)];
            spool::put_entry(&mut content, (!source.is_empty()).then_some(source), value.as_bytes(), false);
        }
        check(&Format::spool(), &content, Some(&values), random);
    });
}

#[test]
fn a_damaged_spool_says_where() {
    let mut content = Vec::new();
    spool::put_entry(&mut content, None, b"one", false);
    let sound = content.len();
    content.extend_from_slice(&[0xff; 20]);
    let framer = Framer::compile(&Format::spool()).expect("sound");
    let span = Span { base: 0, skip: Skip::NOTHING, line_bytes_max: 100 };
    for end in [End::More, End::Full, End::Final] {
        let mut records = 0;
        let outcome = framer.frame(&content, span, end, |chunk| {
            records += chunk.records.len();
            true
        });
        assert_eq!((outcome.end, outcome.damaged, records), (sound, Some(sound), 1));
    }
}

//! How texts become words: as Elasticsearch's `standard` analyzer does it.

use unicode_segmentation::UnicodeSegmentation;

/// Bytes of a word; a longer one is cut, as Lucene does at 255 characters.
pub const WORD_BYTES_MAX: usize = 255;

/// The words of `text` in lower case, in their order: Unicode's word boundaries (UAX #29), words with a letter or a digit.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.unicode_words().map(str::to_lowercase)
}

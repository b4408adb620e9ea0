//! What members of a group read, from the metadata that they joined with (KIP-429's ConsumerProtocolSubscription).
//!
//! ```text
//! version i16, then: count of topics i32, and for each a name with its length as i16; what follows is not needed here
//! ```

use std::collections::BTreeSet;

use super::state::Group;

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

impl Group {
    /// Topics that some member reads. `None`: the members are no consumers, or do not say what they read.
    pub fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        let mut topics = BTreeSet::new();
        if self.members.is_empty() {
            return Some(topics);
        }
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        for member in self.members.values() {
            // Before the first generation there is no chosen protocol, and any of them names the same topics.
            let chosen = self.protocol.as_deref().map(|protocol| member.metadata(protocol));
            let metadata = chosen.or_else(|| member.protocols.first().map(|(_, metadata)| metadata.clone()))?;
            topics.extend(topics_of(&metadata)?);
        }
        Some(topics)
    }
}

fn topics_of(metadata: &[u8]) -> Option<Vec<String>> {
    let (_version, rest) = metadata.split_first_chunk::<2>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut topics = Vec::new();
    for _ in 0..i32::from_be_bytes(*count) {
        let (length, name) = rest.split_first_chunk::<2>()?;
        let (name, after) = name.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
        topics.push(String::from_utf8(name.to_vec()).ok()?);
        rest = after;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metadata: &[u8], expect: Option<&[&str]>) {
        let expect = expect.map(|topics| topics.iter().map(|topic| (*topic).to_owned()).collect());
        assert_eq!(topics_of(metadata), expect, "{metadata:?}");
    }

    #[test]
    fn subscriptions() {
        let sound = b"\0\x03\0\0\0\x02\0\x01a\0\x04logs\xff\xff\xff\xff\0\0\0\0";
        check(sound, Some(&["a", "logs"]));
        check(b"\0\0\0\0\0\0", Some(&[]));
        check(b"", None);
        check(&sound[..12], None);
        check(b"\0\0\x7f\xff\xff\xff\0\x01a", None);
        check(b"\0\0\0\0\0\x01\xff\xff", None);
    }
}

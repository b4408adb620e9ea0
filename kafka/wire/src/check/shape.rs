//! The vocabulary of the tables in `requests.rs` and `responses.rs`: what a message of each version is made of.
//!
//! Arrays, texts and bytes change their length encoding, and structures gain tagged fields, where a message becomes
//! flexible (KIP-482); the tables say that once per message.

/// What stands at one place of a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A primitive of this many bytes.
    Fixed(usize),
    /// A string: 16-bit length, or varint length + 1 in flexible versions.
    Text,
    /// Bytes or records: 32-bit length, or varint length + 1 in flexible versions.
    Bytes,
    /// Elements without fields of their own.
    List(&'static Shape),
    /// Structures.
    Array(&'static [Field]),
    Record(&'static [Field]),
    /// A byte -1 for null, or a byte 1 and the structure.
    NullableRecord(&'static [Field]),
}

/// A field of a structure, in the order of the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub name: &'static str,
    pub since: i16,
    pub until: i16,
    /// Stands among the tagged fields under this number.
    pub tag: Option<u32>,
    pub shape: Shape,
}

/// A request or response of one API in a range of versions.
#[derive(Debug)]
pub(super) struct Message {
    pub api_key: i16,
    pub version_min: i16,
    pub version_max: i16,
    pub flexible_since: i16,
    pub fields: &'static [Field],
}

pub(super) const I8: Shape = Shape::Fixed(1);
pub(super) const I16: Shape = Shape::Fixed(2);
pub(super) const I32: Shape = Shape::Fixed(4);
pub(super) const I64: Shape = Shape::Fixed(8);
pub(super) const UUID: Shape = Shape::Fixed(16);
pub(super) const TEXT: Shape = Shape::Text;
pub(super) const BYTES: Shape = Shape::Bytes;

/// A field that is there from version `since` on.
pub(super) const fn field(name: &'static str, since: i16, shape: Shape) -> Field {
    Field { name, since, until: i16::MAX, tag: None, shape }
}

/// An array of structures, whose fields [`Field::of`] gives.
pub(super) const fn array(name: &'static str, since: i16) -> Field {
    field(name, since, Shape::Array(&[]))
}

/// A structure within the structure.
pub(super) const fn record(name: &'static str, since: i16) -> Field {
    field(name, since, Shape::Record(&[]))
}

pub(super) const fn nullable_record(name: &'static str, since: i16) -> Field {
    field(name, since, Shape::NullableRecord(&[]))
}

impl Field {
    pub(super) const fn of(mut self, fields: &'static [Field]) -> Self {
        self.shape = match self.shape {
            Shape::Array(_) => Shape::Array(fields),
            Shape::NullableRecord(_) => Shape::NullableRecord(fields),
            _ => Shape::Record(fields),
        };
        self
    }

    /// The last version that has the field.
    pub(super) const fn until(mut self, version: i16) -> Self {
        self.until = version;
        self
    }

    pub(super) const fn tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    pub(super) fn is_in(&self, version: i16) -> bool {
        (self.since..=self.until).contains(&version)
    }
}

impl Message {
    pub(super) fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_since
    }

    pub(super) fn has(&self, version: i16) -> bool {
        (self.version_min..=self.version_max).contains(&version)
    }
}

impl Shape {
    /// Fewest bytes that this shape takes in a version: what a forged count has to pay for each element.
    pub(super) fn bytes_min(&self, version: i16, flexible: bool) -> usize {
        match *self {
            Shape::Fixed(bytes) => bytes,
            Shape::Text => 1 + usize::from(!flexible),
            Shape::Bytes | Shape::List(_) | Shape::Array(_) => {
                if flexible {
                    1
                } else {
                    4
                }
            }
            Shape::NullableRecord(_) => 1,
            Shape::Record(fields) => {
                let untagged = fields.iter().filter(|field| field.tag.is_none() && field.is_in(version));
                untagged.map(|field| field.shape.bytes_min(version, flexible)).sum::<usize>() + usize::from(flexible)
            }
        }
    }
}

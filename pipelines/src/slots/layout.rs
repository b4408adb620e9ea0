//! Which fields a pipeline's documents can have, as far as it is known when the pipeline is loaded, and how their JSON is
//! laid out.

use super::fields::Fields;
use super::pen::{PIECE, Pen};
use crate::document::{FieldPath, Root, write_escaped};

/// Number of a field that has a value.
pub(crate) type Place = u16;
/// Number of an object on the way to such fields.
pub(crate) type GroupPlace = u16;

/// Fields of one layout: a line pays for each of them. ECS pipelines use some dozens.
const LEAVES_MAX: usize = 128;
/// Objects of one layout: a bit each.
const GROUPS_MAX: usize = 64;

/// The object that the document is.
pub(super) const DOCUMENT: GroupPlace = 0;

/// The tree of all fields. No field has a value in one document and fields below it in another: pipelines for which that
/// cannot be ruled out have no layout.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    leaves: Vec<Leaf>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Leaf {
    /// The objects around it, a bit each.
    around: u64,
}

#[derive(Clone, Debug)]
struct Group {
    around: u64,
    members: Vec<Named>,
}

#[derive(Clone, Debug)]
pub(super) struct Named {
    pub key: Box<str>,
    opening: Opening,
    pub member: Member,
}

/// `,"key":"`, ready-made; the last quote belongs to texts alone.
#[derive(Clone, Debug)]
pub(super) enum Opening {
    /// Its length, and its bytes with others behind them.
    Short(usize, [u8; PIECE]),
    Long(Box<[u8]>),
}

impl Opening {
    fn new(key: &str) -> Opening {
        let mut bytes = b",\"".to_vec();
        write_escaped(&mut bytes, key);
        bytes.extend_from_slice(b"\":\"");
        let mut short = [0; PIECE];
        match short.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(&bytes);
                Opening::Short(bytes.len(), short)
            }
            None => Opening::Long(bytes.into()),
        }
    }

    /// Its length and bytes, when it is no longer than a piece.
    #[inline]
    pub fn short(&self) -> Option<(usize, &[u8; PIECE])> {
        match self {
            Opening::Short(length, bytes) => Some((*length, bytes)),
            Opening::Long(_) => None,
        }
    }

    /// Writes it before a text.
    #[inline]
    pub fn write_quoted(&self, pen: &mut Pen<'_>) {
        match self {
            Opening::Short(length, bytes) => pen.piece(bytes, *length),
            Opening::Long(bytes) => pen.bytes(bytes),
        }
    }

    /// Writes it before anything else.
    #[inline]
    pub fn write(&self, pen: &mut Pen<'_>) {
        match self {
            Opening::Short(length, bytes) => pen.piece(bytes, length - 1),
            Opening::Long(bytes) => pen.bytes(&bytes[..bytes.len() - 1]),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Leaf(Place),
    Group(GroupPlace),
}

impl Layout {
    pub(super) fn new() -> Layout {
        Layout { leaves: Vec::new(), groups: vec![Group { around: 0, members: Vec::new() }] }
    }

    /// The place of a field that has values; none where it cannot have one.
    pub fn leaf(&mut self, path: &FieldPath) -> Option<Place> {
        let (leaf, above) = path.segments().split_last()?;
        if path.root() != Root::Source {
            return None;
        }
        let mut group = DOCUMENT;
        for key in above {
            group = match self.member(group, key) {
                Some(Member::Group(below)) => below,
                Some(Member::Leaf(_)) => return None,
                None => self.add_group(group, key)?,
            };
        }
        match self.member(group, leaf) {
            Some(Member::Leaf(place)) => Some(place),
            Some(Member::Group(_)) => None,
            None => {
                let place = Place::try_from(self.leaves.len()).ok().filter(|place| usize::from(*place) < LEAVES_MAX)?;
                self.leaves.push(Leaf { around: self.groups[usize::from(group)].around });
                self.name(group, leaf, Member::Leaf(place));
                Some(place)
            }
        }
    }

    /// The places of a processor that reads `field` and fills an object: of `field`, of the object, and of each of its
    /// `properties`.
    pub fn lookup(&mut self, field: &FieldPath, target: &FieldPath, properties: &[String]) -> Option<Vec<Place>> {
        let mut places = vec![self.leaf(field)?, 0];
        for property in properties {
            places.push(self.leaf(&FieldPath::parse(&format!("{}.{property}", target.as_str())).ok()?)?);
        }
        let Some(Member::Group(object)) = self.find(target) else { return None };
        places[1] = object;
        Some(places)
    }

    /// What is known under a path so far.
    pub fn find(&self, path: &FieldPath) -> Option<Member> {
        let mut found = Member::Group(DOCUMENT);
        for key in path.segments() {
            let Member::Group(group) = found else { return None };
            found = self.member(group, key)?;
        }
        (path.root() == Root::Source).then_some(found)
    }

    pub(super) fn member(&self, group: GroupPlace, key: &str) -> Option<Member> {
        self.members(group).iter().find(|named| &*named.key == key).map(|named| named.member)
    }

    pub(super) fn members(&self, group: GroupPlace) -> &[Named] {
        &self.groups[usize::from(group)].members
    }

    fn add_group(&mut self, parent: GroupPlace, key: &str) -> Option<GroupPlace> {
        let group = self.groups.len();
        if group >= GROUPS_MAX {
            return None;
        }
        let around = self.groups[usize::from(parent)].around | 1 << group;
        self.groups.push(Group { around, members: Vec::new() });
        self.name(parent, key, Member::Group(group as GroupPlace));
        Some(group as GroupPlace)
    }

    fn name(&mut self, group: GroupPlace, key: &str, member: Member) {
        let named = Named { key: key.into(), opening: Opening::new(key), member };
        self.groups[usize::from(group)].members.push(named);
    }

    pub(super) fn leaves(&self) -> usize {
        self.leaves.len()
    }

    /// The objects that are there when this field is, a bit each.
    pub(super) fn around(&self, leaf: Place) -> u64 {
        self.leaves[usize::from(leaf)].around
    }

    /// The objects that are there when this one is, itself among them.
    pub(super) fn around_group(&self, group: GroupPlace) -> u64 {
        self.groups[usize::from(group)].around
    }

    /// Writes the members of an object, each behind a comma.
    pub(super) fn write(&self, group: GroupPlace, fields: &Fields<'_, '_>, pen: &mut Pen<'_>) {
        for named in self.members(group) {
            match named.member {
                Member::Leaf(place) => fields.write_with(&named.opening, place, pen),
                Member::Group(group) => {
                    if !fields.write_ready(group, pen) && fields.has_group(group) {
                        self.write_object(named, group, fields, pen);
                    }
                }
            }
        }
    }

    fn write_object(&self, named: &Named, group: GroupPlace, fields: &Fields<'_, '_>, pen: &mut Pen<'_>) {
        named.opening.write(pen);
        let start = pen.at();
        self.write(group, fields, pen);
        pen.close_object(start);
    }

    /// Writes an object with its key, behind a comma.
    pub(super) fn write_group(&self, group: GroupPlace, fields: &Fields<'_, '_>, pen: &mut Pen<'_>) {
        let mut members = self.groups.iter().flat_map(|around| &around.members);
        if let Some(named) = members.find(|named| named.member == Member::Group(group)) {
            self.write_object(named, group, fields, pen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_value_or_an_object() {
        let mut layout = Layout::new();
        let mut leaf = |path: &str| layout.leaf(&FieldPath::parse(path).unwrap());
        assert_eq!(leaf("a"), Some(0));
        assert_eq!(leaf("b.c.d"), Some(1));
        assert_eq!(leaf("b.c.d"), Some(1));
        assert_eq!(leaf("b.e"), Some(2));
        for impossible in ["a.x", "b", "b.c", "b.e.f", "_id", "_ingest.x"] {
            assert_eq!(leaf(impossible), None, "{impossible}");
        }
        assert_eq!(layout.find(&FieldPath::parse("b.c").unwrap()), Some(Member::Group(2)));
        assert_eq!(layout.find(&FieldPath::parse("b.c.x").unwrap()), None);
    }

    #[test]
    fn a_layout_has_its_limits() {
        let mut layout = Layout::new();
        let path = |text: String| FieldPath::parse(&text).unwrap();
        assert!((0..LEAVES_MAX).all(|number| layout.leaf(&path(format!("l{number}"))).is_some()));
        assert_eq!(layout.leaf(&path("more".to_owned())), None);
        let mut layout = Layout::new();
        let groups = (1..GROUPS_MAX).all(|number| layout.leaf(&path(format!("g{number}.x"))).is_some());
        assert!(groups);
        assert_eq!(layout.leaf(&path("more.x".to_owned())), None);
    }
}

//! Walks over the bytes of a message along its shape, keeping nothing but its place.

use super::CheckError;
use super::shape::{Field, Message, Shape};

pub(super) struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements_max: usize,
    elements: usize,
}

impl<'a> Walk<'a> {
    /// Walks over `body`; gives the number of bytes that follow the end of the shape.
    pub(super) fn over(
        message: &Message,
        version: i16,
        body: &'a [u8],
        elements_max: usize,
    ) -> Result<usize, CheckError> {
        let flexible = message.is_flexible(version);
        let mut walk = Self { rest: body, version, flexible, elements_max, elements: 0 };
        walk.record("body", message.fields)?;
        Ok(walk.rest.len())
    }

    /// For headers: fields of `rest` that the caller takes one by one.
    pub(super) fn start(rest: &'a [u8]) -> Self {
        Self { rest, version: 0, flexible: false, elements_max: super::REQUEST_ELEMENTS_MAX, elements: 0 }
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    fn shape(&mut self, name: &'static str, shape: &Shape) -> Result<(), CheckError> {
        match *shape {
            Shape::Fixed(bytes) => self.take(name, bytes).map(drop),
            Shape::Text => self.text(name).map(drop),
            Shape::Bytes => match self.length(name, Prefix::I32)? {
                Some(length) => self.take(name, length).map(drop),
                None => Ok(()),
            },
            Shape::List(element) => self.array(name, element),
            Shape::Array(fields) => self.array(name, &Shape::Record(fields)),
            Shape::Record(fields) => self.record(name, fields),
            Shape::NullableRecord(fields) => match self.take(name, 1)?[0] as i8 {
                -1 => Ok(()),
                1 => self.record(name, fields),
                presence => Err(CheckError::Length { field: name, length: presence.into() }),
            },
        }
    }

    /// A nullable string of the message's encoding.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<&'a [u8]>, CheckError> {
        match self.length(name, Prefix::I16)? {
            Some(length) => self.take(name, length).map(Some),
            None => Ok(None),
        }
    }

    fn array(&mut self, name: &'static str, element: &Shape) -> Result<(), CheckError> {
        let Some(count) = self.length(name, Prefix::I32)? else {
            return Ok(());
        };
        let element_bytes_min = element.bytes_min(self.version, self.flexible).max(1);
        if count > self.rest.len() / element_bytes_min {
            return Err(CheckError::Count { field: name, count, left: self.rest.len() });
        }
        self.spend(count)?;
        (0..count).try_for_each(|_| self.shape(name, element))
    }

    fn record(&mut self, name: &'static str, fields: &[Field]) -> Result<(), CheckError> {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            self.shape(field.name, &field.shape)?;
        }
        if self.flexible { self.tagged(name, fields) } else { Ok(()) }
    }

    /// The tagged fields of a structure (KIP-482). The decoder reads those that it knows by their shape and not by
    /// their size, so both have to agree here.
    pub(super) fn tagged(&mut self, name: &'static str, fields: &[Field]) -> Result<(), CheckError> {
        let count = self.varint(name)? as usize;
        // A tagged field takes at least its number and its size.
        if count > self.rest.len() / 2 {
            return Err(CheckError::Count { field: name, count, left: self.rest.len() });
        }
        self.spend(count)?;
        for _ in 0..count {
            let tag = self.varint(name)?;
            let size = self.varint(name)? as usize;
            match fields.iter().find(|field| field.tag == Some(tag) && field.is_in(self.version)) {
                None => drop(self.take(name, size)?),
                Some(field) => {
                    let before = self.rest.len();
                    self.shape(field.name, &field.shape)?;
                    if before - self.rest.len() != size {
                        return Err(CheckError::TagSize { field: field.name, size });
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn take(&mut self, field: &'static str, bytes: usize) -> Result<&'a [u8], CheckError> {
        let (front, rest) = self.rest.split_at_checked(bytes).ok_or(CheckError::CutOff { field })?;
        self.rest = rest;
        Ok(front)
    }

    pub(super) fn i16(&mut self, field: &'static str) -> Result<i16, CheckError> {
        Ok(i16::from_be_bytes(self.take(field, 2)?.try_into().expect("two bytes were taken")))
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, CheckError> {
        Ok(i32::from_be_bytes(self.take(field, 4)?.try_into().expect("four bytes were taken")))
    }

    /// The length in front of a text, of bytes or of an array; `None` is null. The decoder refuses a null where the
    /// version allows none.
    fn length(&mut self, field: &'static str, prefix: Prefix) -> Result<Option<usize>, CheckError> {
        if self.flexible {
            return Ok((self.varint(field)? as usize).checked_sub(1));
        }
        let length = match prefix {
            Prefix::I16 => i64::from(self.i16(field)?),
            Prefix::I32 => i64::from(self.i32(field)?),
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length).map(Some).map_err(|_| CheckError::Length { field, length }),
        }
    }

    /// An unsigned varint of 32 bits in its shortest form. The decoder takes longer ones and drops what does not fit.
    fn varint(&mut self, field: &'static str) -> Result<u32, CheckError> {
        let mut value = 0u32;
        for index in 0..5 {
            let byte = self.take(field, 1)?[0];
            if index == 4 && byte > 0x0f || index > 0 && byte == 0 {
                break;
            }
            value |= u32::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(CheckError::Varint { field })
    }

    fn spend(&mut self, elements: usize) -> Result<(), CheckError> {
        self.elements += elements;
        match self.elements > self.elements_max {
            true => Err(CheckError::TooMany { max: self.elements_max }),
            false => Ok(()),
        }
    }
}

/// Width of a length in versions that are not flexible.
enum Prefix {
    I16,
    I32,
}

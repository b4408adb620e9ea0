//! `fingerprint`: a hash over the values of fields.
//!
//! Each value that is no list and no map goes in as a zero byte and its bytes: a text as UTF-8, numbers as Java's types
//! little-endian, true as 1, false as 2. Maps go in by sorted keys, each as a text before its value.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Fingerprint {
    /// In the order of their names.
    fields: Vec<FieldPath>,
    target: FieldPath,
    method: Method,
    salt: String,
    ignore_missing: bool,
}

#[derive(Clone, Copy, Debug)]
enum Method {
    Md5,
    Sha1,
    Sha256,
    Sha512,
    Murmur3,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let mut names = options.texts("fields")?;
    if names.is_empty() {
        return Err(options.refuse("fields", "must specify at least one field"));
    }
    names.sort_by(|one, other| one.encode_utf16().cmp(other.encode_utf16()));
    let fields = names
        .iter()
        .map(|name| FieldPath::parse(name).map_err(|error| options.refuse("fields", error)))
        .collect::<Result<_, _>>()?;
    let target = match options.optional_path("target_field")? {
        Some(target) => target,
        None => FieldPath::parse("fingerprint").map_err(|error| options.refuse("target_field", error))?,
    };
    let salt = options.optional_text("salt")?.filter(|salt| !salt.trim().is_empty()).unwrap_or_default();
    let methods = ["MD5", "SHA-1", "SHA-256", "SHA-512", "MurmurHash3"];
    let method = match options.word("method", &methods, "SHA-1")?.as_str() {
        "MD5" => Method::Md5,
        "SHA-256" => Method::Sha256,
        "SHA-512" => Method::Sha512,
        "MurmurHash3" => Method::Murmur3,
        _ => Method::Sha1,
    };
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(Fingerprint { fields, target, method, salt, ignore_missing }))
}

impl Processor for Fingerprint {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let mut bytes = self.salt.clone().into_bytes();
        let mut found = false;
        for field in &self.fields {
            match document.field(field) {
                Ok(value) if *value != Value::Null => {
                    found = true;
                    add(&mut bytes, value)?;
                }
                _ if self.ignore_missing => {}
                _ => {
                    let name = field.as_str();
                    return Err(Reason::Text(format!("missing field [{name}] when calculating fingerprint")));
                }
            }
        }
        if found {
            document.set_field(&self.target, Value::from(self.method.digest(&bytes)))?;
        }
        Ok(Flow::Next)
    }
}

fn add(bytes: &mut Vec<u8>, value: &Value) -> Result<(), Reason> {
    match value {
        Value::List(values) => return values.iter().try_for_each(|value| add(bytes, value)),
        Value::Map(map) => {
            let mut entries: Vec<(&str, &Value)> = map.iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            return entries.into_iter().try_for_each(|(key, value)| {
                bytes.push(0);
                bytes.extend_from_slice(key.as_bytes());
                add(bytes, value)
            });
        }
        _ => bytes.push(0),
    }
    match value {
        Value::String(text) => bytes.extend_from_slice(text.as_bytes()),
        Value::Integer(number) => match i32::try_from(*number) {
            Ok(number) => bytes.extend_from_slice(&number.to_le_bytes()),
            Err(_) => bytes.extend_from_slice(&number.to_le_bytes()),
        },
        Value::Long(number) => bytes.extend_from_slice(&number.to_le_bytes()),
        Value::Float(number) => bytes.extend_from_slice(&number.to_le_bytes()),
        Value::Double(number) => bytes.extend_from_slice(&number.to_le_bytes()),
        Value::Bool(truth) => bytes.push(if *truth { 1 } else { 2 }),
        Value::Null => {}
        other => {
            return Err(Reason::Text(format!("cannot convert object of type [{}] to bytes", other.java_class())));
        }
    }
    Ok(())
}

impl Method {
    fn digest(self, bytes: &[u8]) -> String {
        match self {
            Method::Md5 => BASE64_STANDARD.encode(Md5::digest(bytes)),
            Method::Sha1 => BASE64_STANDARD.encode(Sha1::digest(bytes)),
            Method::Sha256 => BASE64_STANDARD.encode(Sha256::digest(bytes)),
            Method::Sha512 => BASE64_STANDARD.encode(Sha512::digest(bytes)),
            Method::Murmur3 => {
                // The two halves of the 128 bits, each with its highest byte first.
                let hash = murmur3(bytes);
                let halves = [hash.0.to_be_bytes(), hash.1.to_be_bytes()];
                BASE64_STANDARD.encode(halves.as_flattened())
            }
        }
    }
}

/// MurmurHash3, x64, 128 bits, with seed 0 (Austin Appleby, public domain).
fn murmur3(bytes: &[u8]) -> (u64, u64) {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let half = |block: &[u8]| block.iter().rev().fold(0u64, |half, byte| half << 8 | u64::from(*byte));
    let mix_one = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix_other = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (mut one, mut other) = (0u64, 0u64);
    let mut blocks = bytes.chunks_exact(16);
    for block in &mut blocks {
        one ^= mix_one(half(&block[..8]));
        one = one.rotate_left(27).wrapping_add(other).wrapping_mul(5).wrapping_add(0x52dc_e729);
        other ^= mix_other(half(&block[8..]));
        other = other.rotate_left(31).wrapping_add(one).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let tail = blocks.remainder();
    if tail.len() > 8 {
        other ^= mix_other(half(&tail[8..]));
    }
    if !tail.is_empty() {
        one ^= mix_one(half(&tail[..tail.len().min(8)]));
    }
    let length = bytes.len() as u64;
    one ^= length;
    other ^= length;
    one = one.wrapping_add(other);
    other = other.wrapping_add(one);
    let finish = |mut h: u64| {
        h ^= h >> 33;
        h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
        h ^= h >> 33;
        h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ h >> 33
    };
    one = finish(one);
    other = finish(other);
    one = one.wrapping_add(other);
    other = other.wrapping_add(one);
    (one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_other_tools() {
        let check = |method: Method, text: &str, expect: &str| {
            assert_eq!(method.digest(text.as_bytes()), expect, "{method:?} of {text:?}");
        };
        check(Method::Md5, "", "1B2M2Y8AsgTpgAmY7PhCfg==");
        check(Method::Sha1, "abc", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        assert_eq!(murmur3(b""), (0, 0));
        // From the reference implementation: "The quick brown fox jumps over the lazy dog", seed 0.
        let text = "The quick brown fox jumps over the lazy dog";
        assert_eq!(murmur3(text.as_bytes()), (0xe34b_bc7b_bc07_1b6c, 0x7a43_3ca9_c49a_9347));
    }
}

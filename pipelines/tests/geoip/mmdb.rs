//! Writes small databases in MaxMind's format, for tests and measurements.

use std::net::IpAddr;

use serde_json::{Value, json};

/// Networks (address, bits, number of the value that is known of it), as bytes of a file in MaxMind's format 2.0: a binary tree over the bits of
/// IPv6 addresses (IPv4 lies below ::/96), 16 bytes of zeros, the data, a mark, and what the file says of itself.
pub fn database(kind: &str, networks: &[(&str, u8, usize)], values: &[Value]) -> Vec<u8> {
    #[derive(Clone, Copy)]
    enum Child {
        None,
        Node(usize),
        Data(usize),
    }
    let (mut nodes, mut data) = (vec![[Child::None; 2]], Vec::new());
    let mut positions = Vec::new();
    for value in values {
        positions.push(data.len());
        write(&mut data, value);
    }
    for (address, bits, value) in networks {
        let (address, bits) = match address.parse().unwrap() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), bits + 96),
            IpAddr::V6(address) => (u128::from(address), *bits),
        };
        let mut node = 0;
        for bit in 0..bits {
            let side = (address >> (127 - bit) & 1) as usize;
            if bit + 1 == bits {
                nodes[node][side] = Child::Data(positions[*value]);
            } else if let Child::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Child::None; 2]);
                nodes[node][side] = Child::Node(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
    }
    let mut file = Vec::new();
    for child in nodes.iter().flatten() {
        let record = match child {
            Child::None => nodes.len(),
            Child::Node(node) => *node,
            Child::Data(position) => nodes.len() + 16 + position,
        };
        file.extend(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    // The format wants numbers of certain widths here: 5 is two bytes, 6 is four, 9 is eight.
    let numbers: [(&str, u8, u64); 6] = [
        ("binary_format_major_version", 5, 2),
        ("binary_format_minor_version", 5, 0),
        ("build_epoch", 9, 1_772_323_200),
        ("ip_version", 5, 6),
        ("node_count", 6, nodes.len() as u64),
        ("record_size", 5, 24),
    ];
    let about = json!({"database_type": kind, "description": {"en": "made by a test"}, "languages": ["en"]});
    let about = about.as_object().unwrap();
    head(&mut file, 7, numbers.len() + about.len());
    for (name, kind, number) in numbers {
        write(&mut file, &json!(name));
        let bytes = number.to_be_bytes();
        let width = usize::from(if kind == 5 {
            2u8
        } else if kind == 6 {
            4
        } else {
            8
        });
        head(&mut file, kind, width);
        file.extend(&bytes[8 - width..]);
    }
    for (name, value) in about {
        write(&mut file, &json!(name));
        write(&mut file, value);
    }
    file
}

/// Three bits of type and five of size, each with a byte more when that is not enough.
fn head(out: &mut Vec<u8>, kind: u8, size: usize) {
    let (size, more) = if size < 29 { (size as u8, None) } else { (29, Some(u8::try_from(size - 29).unwrap())) };
    match kind {
        1..=7 => out.push(kind << 5 | size),
        extended => out.extend([size, extended - 7]),
    }
    out.extend(more);
}

/// A value in the format's own encoding.
fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => {
            head(out, 2, text.len());
            out.extend(text.as_bytes());
        }
        Value::Number(number) if number.is_f64() => {
            head(out, 3, 8);
            out.extend(number.as_f64().unwrap().to_be_bytes());
        }
        Value::Number(number) => {
            head(out, 6, 4);
            out.extend(u32::try_from(number.as_u64().unwrap()).unwrap().to_be_bytes());
        }
        Value::Bool(flag) => head(out, 14, usize::from(*flag)),
        Value::Array(values) => {
            head(out, 11, values.len());
            values.iter().for_each(|value| write(out, value));
        }
        Value::Object(fields) => {
            head(out, 7, fields.len());
            for (name, value) in fields {
                write(out, &json!(name));
                write(out, value);
            }
        }
        Value::Null => panic!("the format has no null"),
    }
}

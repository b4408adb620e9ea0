//! `community_id`: the hash of a network flow that other tools compute too (community-id-spec, version 1).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};
use std::net::IpAddr;

use super::{Flow, Processor, Reason, address, put_found};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};

const ICMP: i32 = 1;
const TCP: i32 = 6;
const UDP: i32 = 17;
const ICMP_V6: i32 = 58;
const SCTP: i32 = 132;

/// Names of protocols and their IANA numbers.
const PROTOCOLS: [(&str, i32); 11] = [
    ("eigrp", 88),
    ("gre", 47),
    ("icmp", ICMP),
    ("icmpv6", ICMP_V6),
    ("igmp", 2),
    ("ipv6-icmp", ICMP_V6),
    ("ospf", 89),
    ("pim", 103),
    ("sctp", SCTP),
    ("tcp", TCP),
    ("udp", UDP),
];

/// Types of ICMP messages and those that answer them: they stand where ports do.
const ICMP_ANSWERS: [(i32, i32); 9] =
    [(8, 0), (0, 8), (13, 14), (14, 13), (15, 16), (10, 9), (9, 10), (17, 18), (18, 17)];
const ICMP_V6_ANSWERS: [(i32, i32); 12] = [
    (128, 129),
    (129, 128),
    (133, 134),
    (134, 133),
    (135, 136),
    (136, 135),
    (130, 131),
    (131, 130),
    (139, 140),
    (140, 139),
    (144, 145),
    (145, 144),
];

#[derive(Debug)]
struct CommunityId {
    source_ip: FieldPath,
    source_port: FieldPath,
    destination_ip: FieldPath,
    destination_port: FieldPath,
    iana_number: FieldPath,
    transport: FieldPath,
    icmp_type: FieldPath,
    icmp_code: FieldPath,
    target: FieldPath,
    seed: u16,
    ignore_missing: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let mut path = |name: &'static str, default: &str| match options.optional_path(name)? {
        Some(path) => Ok(path),
        None => FieldPath::parse(default).map_err(|error| options.refuse(name, error)),
    };
    let source_ip = path("source_ip", "source.ip")?;
    let source_port = path("source_port", "source.port")?;
    let destination_ip = path("destination_ip", "destination.ip")?;
    let destination_port = path("destination_port", "destination.port")?;
    let iana_number = path("iana_number", "network.iana_number")?;
    let transport = path("transport", "network.transport")?;
    let icmp_type = path("icmp_type", "icmp.type")?;
    let icmp_code = path("icmp_code", "icmp.code")?;
    let target = path("target_field", "network.community_id")?;
    let seed = u16::try_from(options.integer("seed", 0)?)
        .map_err(|_| options.refuse("seed", "must be a value between 0 and 65535"))?;
    let ignore_missing = options.flag("ignore_missing", true)?;
    Ok(Box::new(CommunityId {
        source_ip,
        source_port,
        destination_ip,
        destination_port,
        iana_number,
        transport,
        icmp_type,
        icmp_code,
        target,
        seed,
        ignore_missing,
    }))
}

impl Processor for CommunityId {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let id = self.id(document)?;
        put_found(document, &self.target, id, self.ignore_missing, "unable to construct flow from document")
    }
}

impl CommunityId {
    fn text<'d>(&self, document: &'d Document, path: &FieldPath) -> Result<Option<&'d str>, Reason> {
        match self.ignore_missing && !document.has_field(path) {
            true => Ok(None),
            false => Ok(document.field_text(path)?),
        }
    }

    /// A value that may be missing when that is to be ignored, or always.
    fn value<'d>(&self, document: &'d Document, path: &FieldPath, always: bool) -> Result<Option<&'d Value>, Reason> {
        if (always || self.ignore_missing) && !document.has_field(path) {
            return Ok(None);
        }
        Ok(Some(document.field(path)?).filter(|value| **value != Value::Null))
    }

    fn id(&self, document: &Document) -> Result<Option<String>, Reason> {
        let source = self.text(document, &self.source_ip)?;
        let destination = self.text(document, &self.destination_ip)?;
        let (Some(source), Some(destination)) = (source, destination) else { return Ok(None) };
        let (source, destination) = (address::parse(source)?, address::parse(destination)?);
        let protocol = match self.value(document, &self.iana_number, true)? {
            Some(number) => number,
            None => match self.value(document, &self.transport, false)? {
                Some(transport) => transport,
                None => return Ok(None),
            },
        };
        let protocol = protocol_number(protocol)?;
        let mut ends = (0, 0);
        let mut one_way = false;
        match protocol {
            TCP | UDP | SCTP => {
                let port = |path: &FieldPath, name: &str| {
                    let value = self.value(document, path, false)?;
                    let port = integer(value, name)?;
                    match (0..=65535).contains(&port) {
                        true => Ok(port),
                        false => {
                            let value = value.map(Value::to_java_string).unwrap_or_default();
                            Err(Reason::Text(format!("invalid {name} [{value}]")))
                        }
                    }
                };
                ends = (port(&self.source_port, "source port")?, port(&self.destination_port, "destination port")?);
            }
            ICMP | ICMP_V6 => {
                let kind = integer(self.value(document, &self.icmp_type, true)?, "icmp type")?;
                let code = integer(self.value(document, &self.icmp_code, true)?, "icmp code")?;
                let answers: &[_] = if protocol == ICMP { &ICMP_ANSWERS } else { &ICMP_V6_ANSWERS };
                let answer = answers.iter().find(|(known, _)| *known == kind).map(|(_, answer)| *answer);
                one_way = answer.is_none();
                ends = (kind, answer.unwrap_or(code));
            }
            _ => {}
        }
        let has_ends = matches!(protocol, TCP | UDP | SCTP | ICMP | ICMP_V6);
        self.hash((source, ends.0), (destination, ends.1), protocol, has_ends, one_way).map(Some)
    }

    fn hash(
        &self,
        source: (IpAddr, i32),
        destination: (IpAddr, i32),
        protocol: i32,
        has_ends: bool,
        one_way: bool,
    ) -> Result<String, Reason> {
        let (from, to) = (address::bytes(source.0), address::bytes(destination.0));
        // Compared as numbers, of which an IPv4 address is a small one.
        let order = from.len().cmp(&to.len()).then_with(|| from.cmp(&to));
        let ordered = order.is_lt() || order.is_eq() && source.1 < destination.1;
        let ((first, first_end), (second, second_end)) = match ordered || one_way {
            true => ((&from, source.1), (&to, destination.1)),
            false => ((&to, destination.1), (&from, source.1)),
        };
        let mut hash = Sha1::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(first);
        hash.update(second);
        hash.update([protocol as u8, 0]);
        if has_ends {
            for end in [first_end, second_end] {
                let end = u16::try_from(end)
                    .map_err(|_| Reason::Text(format!("number [{end}] must be a value between 0 and 65535")))?;
                hash.update(end.to_be_bytes());
            }
        }
        Ok(format!("1:{}", BASE64_STANDARD.encode(hash.finalize())))
    }
}

fn protocol_number(value: &Value) -> Result<i32, Reason> {
    let checked = |number: i32| match (0..255).contains(&number) {
        true => Ok(number),
        false => Err(Reason::Text(format!("invalid transport protocol number [{number}]"))),
    };
    match value {
        Value::String(text) => {
            let name = text.to_lowercase();
            if let Some((_, number)) = PROTOCOLS.iter().find(|(known, _)| *known == name) {
                return Ok(*number);
            }
            match text.parse() {
                Ok(number) => checked(number),
                Err(_) => Err(Reason::Text(format!("could not convert string [{text}] to transport protocol"))),
            }
        }
        value => match int_value(value) {
            Some(number) => checked(number),
            None => {
                let class = value.java_class();
                Err(Reason::Text(format!("could not convert value of type [{class}] to transport protocol")))
            }
        },
    }
}

/// Java's `intValue` of a number.
fn int_value(value: &Value) -> Option<i32> {
    match value {
        Value::Integer(number) | Value::Long(number) => Some(*number as i32),
        Value::Float(number) => Some(*number as i32),
        Value::Double(number) => Some(*number as i32),
        _ => None,
    }
}

fn integer(value: Option<&Value>, name: &str) -> Result<i32, Reason> {
    let Some(value) = value else { return Ok(0) };
    let number = match value {
        Value::String(text) => text.parse().ok(),
        value => int_value(value),
    };
    number.ok_or_else(|| Reason::Text(format!("unable to parse {name} [{}]", value.to_java_string())))
}

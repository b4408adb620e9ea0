//! `network_direction`: whether a flow goes into the own networks, out of them, inside or past them.

use std::net::IpAddr;

use super::{Flow, Processor, Reason, address, put_found};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};
use crate::template::{Escape, Template};

#[derive(Debug)]
struct NetworkDirection {
    source_ip: FieldPath,
    destination_ip: FieldPath,
    target: FieldPath,
    networks: Networks,
    ignore_missing: bool,
}

#[derive(Debug)]
enum Networks {
    These(Vec<Template>),
    Field(FieldPath),
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let mut path = |name: &'static str, default: &str| match options.optional_path(name)? {
        Some(path) => Ok(path),
        None => FieldPath::parse(default).map_err(|error| options.refuse(name, error)),
    };
    let source_ip = path("source_ip", "source.ip")?;
    let destination_ip = path("destination_ip", "destination.ip")?;
    let target = path("target_field", "network.direction")?;
    let these = options.text_or_texts("internal_networks")?;
    let field = options.optional_path("internal_networks_field")?;
    let networks = match (these, field) {
        (Some(these), None) => Networks::These(
            these
                .iter()
                .map(|network| Template::parse(network).map_err(|error| options.refuse("internal_networks", error)))
                .collect::<Result<_, _>>()?,
        ),
        (None, Some(field)) => Networks::Field(field),
        (None, None) => {
            let reason =
                "required option \"internal_networks\" or \"internal_networks_field\" of network_direction is missing";
            return Err(Refusal::new(options.line, reason));
        }
        (Some(_), Some(_)) => {
            return Err(options.refuse("internal_networks", "cannot be set together with \"internal_networks_field\""));
        }
    };
    let ignore_missing = options.flag("ignore_missing", true)?;
    Ok(Box::new(NetworkDirection { source_ip, destination_ip, target, networks, ignore_missing }))
}

impl Processor for NetworkDirection {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let direction = self.direction(document)?;
        put_found(
            document,
            &self.target,
            direction,
            self.ignore_missing,
            "unable to calculate network direction from document",
        )
    }
}

impl NetworkDirection {
    fn direction(&self, document: &Document) -> Result<Option<&'static str>, Reason> {
        let networks: Vec<String> = match &self.networks {
            Networks::These(templates) => {
                templates.iter().map(|template| template.render(document, Escape::Json)).collect()
            }
            Networks::Field(field) => {
                if self.ignore_missing && !document.has_field(field) {
                    return Ok(None);
                }
                match document.field(field)? {
                    Value::Null => return Ok(None),
                    Value::List(values) => values.iter().map(Value::to_java_string).collect(),
                    other => {
                        let (name, class) = (field.as_str(), other.java_class());
                        let reason =
                            format!("field [{name}] of type [{class}] cannot be cast to [java.util.ArrayList]");
                        return Err(Reason::Text(reason));
                    }
                }
            }
        };
        let ip = |path: &FieldPath| -> Result<Option<IpAddr>, Reason> {
            if self.ignore_missing && !document.has_field(path) {
                return Ok(None);
            }
            document.field_text(path)?.map(address::parse).transpose()
        };
        let (Some(source), Some(destination)) = (ip(&self.source_ip)?, ip(&self.destination_ip)?) else {
            return Ok(None);
        };
        let is_internal = |address: IpAddr| {
            networks.iter().try_fold(false, |found, network| Ok::<_, Reason>(found || is_in(address, network)?))
        };
        Ok(Some(match (is_internal(source)?, is_internal(destination)?) {
            (true, true) => "internal",
            (true, false) => "outbound",
            (false, true) => "inbound",
            (false, false) => "external",
        }))
    }
}

/// Whether an address is in a network, given as CIDR or by the name of a kind of addresses.
fn is_in(address: IpAddr, network: &str) -> Result<bool, Reason> {
    let address = address.to_canonical();
    let any = |networks: &[&str]| networks.iter().any(|network| in_cidr(address, network) == Some(true));
    let is_broadcast = address == IpAddr::from([255, 255, 255, 255]);
    let is_link_local = any(&["169.254.0.0/16", "fe80::/10"]);
    let is_link_local_multicast = any(&["224.0.0.0/24", "ff02::/16"]) || is_multicast_of_scope(address, 2);
    let is_interface_local_multicast = is_multicast_of_scope(address, 1);
    let is_private = any(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"]);
    Ok(match network {
        "loopback" => address.is_loopback(),
        "unicast" | "global_unicast" => {
            !(is_broadcast
                || address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || is_link_local)
        }
        "link_local_unicast" => is_link_local,
        "interface_local_multicast" => is_interface_local_multicast,
        "link_local_multicast" => is_link_local_multicast,
        "multicast" => address.is_multicast(),
        "unspecified" => address.is_unspecified(),
        "private" => is_private,
        "public" => {
            !(is_private
                || address.is_loopback()
                || address.is_unspecified()
                || is_link_local
                || is_link_local_multicast
                || is_interface_local_multicast
                || is_broadcast)
        }
        cidr => {
            return in_cidr(address, cidr)
                .ok_or_else(|| Reason::Text(format!("'{cidr}' is not an IP string literal.")));
        }
    })
}

/// The second nibble behind `ff` is the scope of an IPv6 multicast address.
fn is_multicast_of_scope(address: IpAddr, scope: u8) -> bool {
    match address {
        IpAddr::V6(address) => address.is_multicast() && address.octets()[1] & 0x0f == scope,
        IpAddr::V4(_) => false,
    }
}

/// None when the network is none. An address alone is a network of one.
fn in_cidr(address: IpAddr, network: &str) -> Option<bool> {
    let (base, length) = match network.split_once('/') {
        Some((base, length)) => (base, Some(length.parse::<u32>().ok()?)),
        None => (network, None),
    };
    let base: IpAddr = base.parse::<IpAddr>().ok()?.to_canonical();
    let (one, other, bits) = match (address, base) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(u32::from(one)), u128::from(u32::from(other)), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one), u128::from(other), 128),
        _ => return Some(false),
    };
    let length = length.unwrap_or(bits);
    if length > bits {
        return None;
    }
    Some(length == 0 || (one ^ other) >> (bits - length) == 0)
}

//! IP addresses as the processors read them, with Elasticsearch's message for what is none.

use std::net::IpAddr;

use super::Reason;

pub(super) fn parse(text: &str) -> Result<IpAddr, Reason> {
    // A zone behind an address (`fe80::1%eth0`) is no part of it.
    let plain = text.split_once('%').map_or(text, |(address, _)| address);
    plain.parse().map_err(|_| Reason::Text(format!("'{text}' is not an IP string literal.")))
}

/// The bytes of an address, four or sixteen; an IPv4 address in IPv6 form is the former, as in Java.
pub(super) fn bytes(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

//! Addresses that lead to this machine or to its neighbours.

use std::net::IpAddr;

/// Whether an address is this machine's or its link's (RFC 6890): loopback, link-local, unspecified, multicast.
pub fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_its_link_are_near() {
        for near in [
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "::ffff:169.254.169.254",
            "ff02::1",
        ] {
            assert!(is_near(near.parse().expect("an address")), "{near}");
        }
        for far in [
            "10.0.0.1",
            "192.168.1.1",
            "172.17.0.2",
            "1.1.1.1",
            "fd00::1",
            "2001:db8::1",
        ] {
            assert!(!is_near(far.parse().expect("an address")), "{far}");
        }
    }
}

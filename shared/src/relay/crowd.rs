//! How many connections one address may have, so that it cannot take all places.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The address that limits count by: of IPv6 the /64, which is the least that one customer is given.
pub fn neighbourhood(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Connections by address. Bound: an entry for each address that has any.
#[derive(Debug)]
pub struct Crowd {
    most: usize,
    counts: BTreeMap<String, usize>,
}

impl Crowd {
    /// With so many of each address at most.
    pub fn new(most: usize) -> Self {
        Self { most, counts: BTreeMap::new() }
    }

    /// One more; `false` if there are as many as may be.
    pub fn enter(&mut self, address: &str) -> bool {
        let count = self.counts.get(address).copied().unwrap_or(0);
        let fits = count < self.most;
        if fits {
            self.counts.insert(address.to_owned(), count + 1);
        }
        fits
    }

    /// One that entered is gone.
    pub fn leave(&mut self, address: &str) {
        match self.counts.get_mut(address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.counts.remove(address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_others_have_theirs() {
        let mut crowd = Crowd::new(2);
        assert!(crowd.enter("a") && crowd.enter("a") && !crowd.enter("a"));
        assert!(crowd.enter("b"));
        crowd.leave("a");
        assert!(crowd.enter("a") && !crowd.enter("a"));
        for address in ["a", "a", "b", "c"] {
            crowd.leave(address);
        }
        assert!(crowd.counts.is_empty());
    }

    #[test]
    fn neighbours_are_one_address_of_version_4_and_a_network_of_version_6() {
        let at = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(at("192.0.2.7"), "192.0.2.7");
        assert_ne!(at("192.0.2.7"), at("192.0.2.8"));
        assert_eq!(at("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(at("2001:db8:0:7::1"), "2001:db8:0:7::/64");
        assert_eq!(at("2001:db8:0:7::1"), at("2001:db8:0:7:ffff::9"));
        assert_ne!(at("2001:db8:0:7::1"), at("2001:db8:0:8::1"));
    }
}

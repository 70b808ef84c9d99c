//! Fixed-size and free byte strings on the wire: base64url without padding in JSON, varints in frames.

mod json;
mod symbols;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub(crate) use self::json::read;
pub(crate) use self::symbols::BASE32;
use self::symbols::BASE64URL;

/// Encodes bytes as base64url without padding.
pub fn to_base64(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

/// Decodes base64url without padding; `None` for anything else.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text)
}

/// Decodes base64url of exactly `N` bytes.
pub fn array_from_base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    from_base64(text)?.try_into().ok()
}

/// For fields that are left out while they are not set.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

/// For numbers that are left out while they say nothing.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Bytes that travel inside JSON as base64url.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_base64(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        from_base64(&text).map(Self).ok_or_else(|| D::Error::custom("not base64url"))
    }
}

/// Reads JSON.
///
/// Through [`serde_json::Value`], although that copies: reading a type from one kind of deserializer only, and a small
/// one, keeps much code out of the page. Messages are small and bounded.
pub fn from_json<T: serde::de::DeserializeOwned>(json: &[u8]) -> Option<T> {
    read(serde_json::from_slice(json).ok()?).ok()
}

/// A value of a set that later versions may extend.
pub(crate) trait Extensible {
    /// Stands for every value that this version does not know.
    const UNKNOWN: Self;
}

/// Reads a value of an extensible set; one that this version does not know, with whatever it carries, becomes
/// `UNKNOWN`, so that the message around it is still read.
pub(crate) fn extensible<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned + Extensible,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(read(value).unwrap_or(T::UNKNOWN))
}

/// Defines a newtype over `[u8; N]` that travels as base64url; `secret` ones never print themselves.
macro_rules! fixed_bytes {
    (@common $name:ident, $n:expr) => {
        impl $name {
            /// Its length in bytes.
            pub const LEN: usize = $n;
            /// Reads it from base64url.
            pub fn from_base64(text: &str) -> Option<Self> {
                $crate::encoding::array_from_base64(text).map(Self)
            }
            /// Writes it as base64url.
            pub fn to_base64(&self) -> String {
                $crate::encoding::to_base64(&self.0)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.to_base64())
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                Self::from_base64(&text).ok_or_else(|| {
                    serde::de::Error::custom(concat!(stringify!($name), ": wrong length or not base64url"))
                })
            }
        }
    };
    ($(#[$doc:meta])* public $name:ident, $n:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $n]);
        $crate::encoding::fixed_bytes!(@common $name, $n);
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&self.to_base64())
            }
        }
    };
    ($(#[$doc:meta])* secret $name:ident, $n:expr) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::ZeroizeOnDrop)]
        pub struct $name(pub [u8; $n]);
        $crate::encoding::fixed_bytes!(@common $name, $n);
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
            }
        }
        impl Eq for $name {}
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}
pub(crate) use fixed_bytes;

/// Appends a LEB128 varint: 7 bits a byte, least significant first.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Takes a LEB128 varint off the front of `input`; `None` if it is cut short, longer than 10 bytes or over
/// 64 bits. Overlong forms are refused, so that every number has one spelling.
pub fn take_varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

/// Takes `N` bytes off the front of `input`.
pub fn take_array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varint_round_trips(value: u64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut rest = out.as_slice();
            prop_assert_eq!(take_varint(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn varint_has_one_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = bytes.as_slice();
            if let Some(value) = take_varint(&mut rest) {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                prop_assert_eq!(&bytes[..bytes.len() - rest.len()], &out[..]);
            }
        }
    }
}

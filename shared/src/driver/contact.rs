//! The driver key as people pass it on: `{base}/d/{driver id}#{secret}`.

use core::fmt;

use crate::id::DriverId;
use crate::keys::driver::DriverSecret;

/// Where a driver is asked, who it is, and what lets one start work on it. Its `Display` holds the secret; its `Debug`
/// does not.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// Scheme, host, port and path prefix of the relay, without a trailing slash.
    pub base: String,
    /// The driver.
    pub id: DriverId,
    /// The secret.
    pub secret: DriverSecret,
}

/// Why a text is no driver key. Each says what a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// There is no `/d/…` in it.
    #[error("this is not a driver key: one looks like https://host/d/…#…, and `sharer driver` prints it")]
    NotAKey,
    /// The id is malformed.
    #[error("the driver key is damaged: the part before # is not a driver. Copy it again")]
    Driver,
    /// The secret is missing, cut short or altered.
    #[error("the driver key is incomplete: the part after # is not whole. Copy the whole key")]
    Secret,
}

impl Contact {
    /// Reads a driver key as somebody pasted it; surrounding white space is forgiven.
    pub fn parse(text: &str) -> Result<Self, ContactError> {
        let text = text.trim();
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (base, id) = before.rsplit_once("/d/").ok_or(ContactError::NotAKey)?;
        if !(base.starts_with("http://") || base.starts_with("https://")) {
            return Err(ContactError::NotAKey);
        }
        let id = id.parse().ok().ok_or(ContactError::Driver)?;
        let secret = DriverSecret::from_base64(fragment).ok_or(ContactError::Secret)?;
        Ok(Self { base: base.to_owned(), id, secret })
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/d/{}#{}", self.base, self.id, self.secret.to_base64())
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/d/{}#…", self.base, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_each_damage_has_its_own_sentence() {
        let contact = Contact {
            base: "https://example.org/x".into(),
            id: DriverId([3; 16]),
            secret: DriverSecret([7; 32]),
        };
        let text = contact.to_string();
        assert_eq!(Contact::parse(&format!(" {text}\n")), Ok(contact.clone()));
        assert!(!format!("{contact:?}").contains(&contact.secret.to_base64()));
        let id = contact.id;
        for (text, error) in [
            ("", ContactError::NotAKey),
            ("https://example.org/s/x#y", ContactError::NotAKey),
            (&format!("ftp://example.org/d/{id}#AAAA"), ContactError::NotAKey),
            ("https://example.org/d/abc#AAAA", ContactError::Driver),
            (&format!("https://example.org/d/{id}"), ContactError::Secret),
            (text.strip_suffix(|_| true).unwrap(), ContactError::Secret),
        ] {
            assert_eq!(Contact::parse(text), Err(error), "{text}");
        }
    }
}

//! The link: `{base}/s/{session_id}#{grant secret}`, and `/{task id}` behind it where a child is to be selected.

use core::fmt;

use crate::encoding::from_base64;
use crate::id::{SessionId, TaskId};
use crate::keys::grant::GrantSecret;

/// A parsed link. Its `Display` holds the secret; its `Debug` does not.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Scheme, host, port and path prefix of the relay, without a trailing slash.
    pub base: String,
    /// The session.
    pub session: SessionId,
    /// The grant.
    pub secret: GrantSecret,
}

/// Why a text is no link. Each says what a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no `/s/…` in it.
    #[error("this is not a sharer link: a link looks like https://host/s/…#…")]
    NotALink,
    /// The session id is malformed.
    #[error("the link is damaged: the part before # is not a session. Ask for it again")]
    Session,
    /// There is no `#…`.
    #[error("the link is incomplete: the part after # is missing. Copy the whole link")]
    NoSecret,
    /// The part behind `#` is cut short or altered.
    #[error("the link is incomplete or altered: the part after # is not whole. Copy the whole link")]
    Secret,
}

impl Link {
    /// Reads a link as somebody pasted it; surrounding white space is forgiven.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        Self::parse_deep(text).map(|(link, _)| link)
    }

    /// Reads a link, and the child that it says to select. The child's name opens nothing: it is the link that does.
    pub fn parse_deep(text: &str) -> Result<(Self, Option<TaskId>), LinkError> {
        let text = text.trim();
        let (before, fragment) = match text.split_once('#') {
            Some((before, fragment)) => (before, Some(fragment)),
            None => (text, None),
        };
        let (base, id) = before.rsplit_once("/s/").ok_or(LinkError::NotALink)?;
        if !(base.starts_with("http://") || base.starts_with("https://")) {
            return Err(LinkError::NotALink);
        }
        let session = id.trim_end_matches('/').parse().ok().ok_or(LinkError::Session)?;
        let fragment = fragment.filter(|f| !f.is_empty()).ok_or(LinkError::NoSecret)?;
        let (secret, child) = match fragment.split_once('/') {
            Some((secret, child)) => (secret, Some(TaskId(child.to_owned())).filter(is_plain)),
            None => (fragment, None),
        };
        let secret = from_base64(secret).and_then(|b| b.try_into().ok()).ok_or(LinkError::Secret)?;
        Ok((Self { base: base.to_owned(), session, secret: GrantSecret(secret) }, child))
    }

    /// Writes the link so that a child is selected when it is opened, if its id can stand in an address.
    pub fn deep(&self, child: Option<&TaskId>) -> String {
        match child.filter(|child| is_plain(child)) {
            Some(child) => format!("{self}/{}", child.0),
            None => self.to_string(),
        }
    }
}

/// Whether a task's id stands in an address as it is: UUIDs do.
fn is_plain(id: &TaskId) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&id.0.len()) && id.0.chars().all(plain)
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s/{}#{}", self.base, self.session, self.secret.to_base64())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s/{}#…", self.base, self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_reads_back_and_each_damage_has_its_own_sentence() {
        let link = Link {
            base: "https://example.org/x".into(),
            session: SessionId([3; 16]),
            secret: GrantSecret([7; 16]),
        };
        let text = link.to_string();
        assert_eq!(Link::parse(&format!("  {text}\n")), Ok(link.clone()));
        assert!(!format!("{link:?}").contains(&link.secret.to_base64()));
        let id = link.session.to_string();
        for (text, error) in [
            ("", LinkError::NotALink),
            ("ftp://example.org/s/x#y", LinkError::NotALink),
            ("https://example.org/s/abc#AAAA", LinkError::Session),
            (&format!("https://example.org/s/{id}"), LinkError::NoSecret),
            (&format!("https://example.org/s/{id}#"), LinkError::NoSecret),
            (text.strip_suffix(|_| true).unwrap(), LinkError::Secret),
        ] {
            assert_eq!(Link::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_link_may_name_the_child_to_select() {
        let link = Link {
            base: "https://example.org".into(),
            session: SessionId([3; 16]),
            secret: GrantSecret([7; 16]),
        };
        let child = TaskId("0190c0de-0000-7000-8000-000000000000".into());
        let deep = link.deep(Some(&child));
        assert_eq!(Link::parse_deep(&deep), Ok((link.clone(), Some(child))));
        assert_eq!(Link::parse(&deep), Ok(link.clone()), "it opens what it opened");
        for odd in ["", "a b", "é", "<b>", "a/b", &"x".repeat(65)] {
            assert_eq!(Link::parse_deep(&format!("{link}/{odd}")), Ok((link.clone(), None)), "{odd}");
            assert_eq!(link.deep(Some(&TaskId(odd.into()))), link.to_string());
        }
        assert_eq!(Link::parse(&format!("{}/x", deep.split('#').next().unwrap())), Err(LinkError::Session));
    }
}

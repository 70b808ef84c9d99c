//! An ordered map in one run of memory.
//!
//! For maps of some thousand entries at most that mostly grow at their end. As fast as a `BTreeMap` there, and a tenth
//! of its code for each pair of types, all of which is in the page.

use std::collections::VecDeque;

/// Values by key, the least key first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: Ord, V> Ordered<K, V> {
    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }

    /// The value under a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(self.find(key).ok()?).map(|(_, value)| value)
    }

    /// The value under a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Whether there is a value under a key.
    pub fn contains(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// Puts a value under a key; the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes the value under a key away.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(key).ok()?;
        self.0.remove(at).map(|(_, value)| value)
    }

    /// The first entry at this key or behind it.
    pub fn at_or_behind(&self, key: &K) -> Option<&V> {
        let (Ok(at) | Err(at)) = self.find(key);
        self.0.get(at).map(|(_, value)| value)
    }

    /// Takes away what is before a key.
    pub fn drop_before(&mut self, key: &K) {
        let (Ok(at) | Err(at)) = self.find(key);
        self.0.drain(..at);
    }

    /// Keeps what `stays` says so of.
    pub fn retain(&mut self, mut stays: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| stays(key, value));
    }

    /// Takes the first entry away.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        self.0.pop_front()
    }

    /// Takes the last entry away.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        self.0.pop_back()
    }

    /// All entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// All values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// All values in the order of their keys, for good.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.0.into_iter().map(|(_, value)| value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_an_ordered_map(steps in proptest::collection::vec((0u8..8, 0u8..20, 0u32..99), 0..200)) {
            let (mut ours, mut theirs) = (Ordered::default(), BTreeMap::new());
            for (step, key, value) in steps {
                match step {
                    0..4 => assert_eq!(ours.insert(key, value), theirs.insert(key, value)),
                    4 => assert_eq!(ours.remove(&key), theirs.remove(&key)),
                    5 => {
                        ours.drop_before(&key);
                        theirs = theirs.split_off(&key);
                    }
                    6 => assert_eq!(ours.pop_first(), theirs.pop_first()),
                    _ => {
                        ours.retain(|k, v| k != &key || v % 2 == 0);
                        theirs.retain(|k, v| k != &key || *v % 2 == 0);
                    }
                }
                assert_eq!(ours.get_mut(&key), theirs.get_mut(&key));
                assert_eq!(ours.contains(&key), theirs.contains_key(&key));
                assert_eq!(ours.at_or_behind(&key), theirs.range(key..).next().map(|(_, value)| value));
                assert!(ours.iter().eq(&theirs) && ours.len() == theirs.len());
            }
            assert!(ours.into_values().eq(theirs.into_values()));
        }
    }
}

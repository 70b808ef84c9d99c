//! Reading types out of parsed JSON.
//!
//! As [`serde_json::from_value`] does, in much less code, because all of it is in the page once for every type that
//! travels: an error says nothing, and a struct is an object, never an array.

use core::fmt::Display;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// The JSON is no such value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the JSON of such a value")]
pub(crate) struct OtherValue;

impl Error for OtherValue {
    fn custom<T: Display>(_said: T) -> Self {
        Self
    }
}

/// Reads a value out of parsed JSON.
pub(crate) fn read<'de, T: Deserialize<'de>>(json: Value) -> Result<T, OtherValue> {
    T::deserialize(Json(json))
}

struct Json(Value);

impl IntoDeserializer<'_, OtherValue> for Json {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

/// The entries of an object.
fn entries<'de>(
    object: serde_json::Map<String, Value>,
) -> MapDeserializer<'de, impl Iterator<Item = (String, Json)>, OtherValue> {
    MapDeserializer::new(object.into_iter().map(|(name, value)| (name, Json(value))))
}

impl<'de> Deserializer<'de> for Json {
    type Error = OtherValue;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        match self.0 {
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
            Value::String(_) => self.deserialize_string(visitor),
            Value::Number(_) => self.deserialize_u64(visitor),
            Value::Bool(bool) => visitor.visit_bool(bool),
            Value::Null => visitor.visit_unit(),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        let Value::Object(object) = self.0 else { return Err(OtherValue) };
        visitor.visit_map(entries(object))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OtherValue> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        let Value::Array(array) = self.0 else { return Err(OtherValue) };
        let mut elements = SeqDeserializer::new(array.into_iter().map(Json));
        let value = visitor.visit_seq(&mut elements)?;
        elements.end()?;
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, OtherValue> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, OtherValue> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        let Value::String(text) = self.0 else { return Err(OtherValue) };
        visitor.visit_string(text)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        self.deserialize_string(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        self.deserialize_string(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        let Value::Number(number) = self.0 else { return Err(OtherValue) };
        if let Some(number) = number.as_u64() {
            visitor.visit_u64(number)
        } else if let Some(number) = number.as_i64() {
            visitor.visit_i64(number)
        } else {
            visitor.visit_f64(number.as_f64().ok_or(OtherValue)?)
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, OtherValue> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OtherValue> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(name.into_deserializer()),
            Value::Object(object) if object.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(entries(object)))
            }
            Value::Object(_) | Value::Array(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
                Err(OtherValue)
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OtherValue> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bool i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char bytes byte_buf unit unit_struct }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::wire::close::Refusal;
    use crate::wire::source::SessionSource;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Every {
        unit: (),
        flag: bool,
        small: u8,
        below: i16,
        half: f64,
        text: String,
        maybe: Option<u32>,
        pair: (u16, char),
        list: Vec<Kind>,
        named: BTreeMap<String, i64>,
        #[serde(flatten)]
        source: SessionSource,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    enum Kind {
        Plain,
        One(u32),
        Two(u8, u8),
        Fields { x: u64 },
    }

    fn every() -> Value {
        json!({
            "unit": null, "flag": true, "small": 7, "below": -7, "half": 0.5, "text": "t", "maybe": null, "pair": [1, "c"],
            "list": ["Plain", {"One": 1}, {"Two": [1, 2]}, {"Fields": {"x": 3, "later": {"y": []}}}],
            "named": {"a": -1}, "source_type": {"AmbientAgent": {"task_id": "a"}}, "later": [1.5, {}],
        })
    }

    #[test]
    fn reads_what_serde_json_reads() {
        let read: Every = read(every()).unwrap();
        assert_eq!(read, serde_json::from_value(every()).unwrap());
    }

    #[test]
    fn a_struct_is_no_array_and_an_enum_has_one_name() {
        assert_eq!(read::<Kind>(json!({"Fields": [3]})), Err(OtherValue));
        assert_eq!(read::<Kind>(json!({"One": 1, "Plain": null})), Err(OtherValue));
        assert_eq!(read::<(u8, u8)>(json!([1, 2, 3])), Err(OtherValue));
        assert_eq!(read::<u8>(json!(256)), Err(OtherValue));
        assert_eq!(read::<u64>(json!(1.5)), Err(OtherValue));
    }

    /// JSON with some words that the types know.
    fn json() -> impl Strategy<Value = Value> {
        let word =
            prop_oneof![Just("NotFound"), Just("retry"), Just("Plain"), Just("One"), Just("x"), Just("z")];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-2i64..300).prop_map(Value::from),
            word.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::vec((word.clone(), inner), 0..3).prop_map(|entries| {
                    Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_nothing_that_serde_json_does_not(json in json()) {
            if let Ok(kind) = read::<Kind>(json.clone()) {
                prop_assert_eq!(Some(kind), serde_json::from_value(json.clone()).ok());
            }
            if let Ok(refusal) = read::<Refusal>(json.clone()) {
                prop_assert_eq!(Some(refusal), serde_json::from_value(json).ok());
            }
        }
    }
}

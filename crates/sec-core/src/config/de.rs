//! Serde's way into a [`Node`]: unlike the one of the TOML crate it also knows the path of an error.

use std::collections::btree_map;

use serde::{
    Deserializer,
    de::{self, IntoDeserializer, Visitor, value},
    forward_to_deserialize_any,
};

use super::{
    error::{DeError, What},
    segment::Segment,
    tree::{Node, Value},
};

#[derive(Clone, Copy)]
pub(super) struct NodeDe<'a>(pub(super) &'a Node);

impl<'de> Deserializer<'de> for NodeDe<'de> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Integer(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => visitor.visit_i64(number),
                (_, Ok(number)) => visitor.visit_u64(number),
                _ => visitor.visit_i128(*number),
            },
            Value::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Table(table) => visitor.visit_map(Entries {
                rest: table.iter(),
                value: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    /// One text where a list belongs is the mistake of whoever has one thing to list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match (&self.0.value, &self.0.trial) {
            (Value::String(text), None) => {
                visitor
                    .visit_borrowed_str(text)
                    .map_err(|mut error: DeError| {
                        if error.is_mismatch() {
                            let expected = "expected a list, such as";
                            error.what = What::Type {
                                full: format!(
                                    "invalid type: string {text:?}, {expected} [{text:?}]"
                                ),
                                bare: format!("invalid type: string, {expected} [\"…\"]"),
                            };
                        }
                        error
                    })
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.0.value {
            Value::String(variant) => visitor.visit_enum(variant.as_str().into_deserializer()),
            Value::Table(table) if table.values().filter(|node| !node.gone).count() == 1 => {
                let entries = Entries {
                    rest: table.iter(),
                    value: None,
                };
                visitor.visit_enum(value::MapAccessDeserializer::new(entries))
            }
            Value::Table(_) => Err(de::Error::custom("expected a table with exactly one key")),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A key that no field reads is a spelling mistake, also where the struct would let it pass.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, DeError> {
        Err(DeError::new(What::Ignored))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct map struct identifier
    }
}

impl<'de> IntoDeserializer<'de, DeError> for NodeDe<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Node>>);

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = DeError;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeError> {
        // An element keeps its index when one before it is gone.
        let Some((index, node)) = self.0.find(|(_, node)| !node.gone) else {
            return Ok(None);
        };
        let inside = |error: DeError| error.inside(Segment::Index(index));
        seed.deserialize(NodeDe(node)).map(Some).map_err(inside)
    }
}

struct Entries<'a> {
    rest: btree_map::Iter<'a, String, Node>,
    value: Option<(&'a String, &'a Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = DeError;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeError> {
        let Some((key, node)) = self.rest.find(|(_, node)| !node.gone) else {
            return Ok(None);
        };
        self.value = Some((key, node));
        match seed.deserialize(KeyDe(key)) {
            Ok(key) => Ok(Some(key)),
            // Named by the field itself; its path is that of the table.
            Err(
                error @ DeError {
                    what: What::Unknown { .. },
                    ..
                },
            ) => Err(error),
            Err(error) => Err(error.inside(Segment::Key(key.clone()))),
        }
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DeError> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let inside = |error: DeError| error.inside(Segment::Key(key.clone()));
        seed.deserialize(NodeDe(node)).map_err(inside)
    }
}

/// A key of a map: a text, also where the map's key is a newtype, an enum or a number.
struct KeyDe<'a>(&'a str);

macro_rules! parsed_key {
    ($($method:ident => $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
            match self.0.parse() {
                Ok(number) => visitor.$visit(number),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for KeyDe<'de> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    parsed_key! {
        deserialize_u8 => visit_u8, deserialize_u16 => visit_u16, deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64, deserialize_i8 => visit_i8, deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32, deserialize_i64 => visit_i64, deserialize_bool => visit_bool
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

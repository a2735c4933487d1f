//! A value of whatever type is asked for, so that reading can go on behind a fault.

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor,
};

use super::fault::Fault;
use crate::rules;

/// Stands in for a value that is missing or of the wrong type: zero, an empty string or list, the first
/// variant. What is made of it never leaves this crate; it only lets the rest of the document be judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dummy {
    depth: u8,
}

impl Dummy {
    /// A type that contains itself through its first variant would never end.
    fn deeper(self) -> Result<Self, Fault> {
        if self.depth > 16 {
            return Err(Fault::custom("no end"));
        }
        Ok(Self {
            depth: self.depth.saturating_add(1),
        })
    }
}

impl IntoDeserializer<'_, Fault> for Dummy {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! constants {
    ($($method:ident => $visit:ident($($value:expr)?),)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit($($value)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Dummy {
    type Error = Fault;

    constants! {
        deserialize_any => visit_unit(),
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i64(0),
        deserialize_i16 => visit_i64(0),
        deserialize_i32 => visit_i64(0),
        deserialize_i64 => visit_i64(0),
        deserialize_u8 => visit_u64(0),
        deserialize_u16 => visit_u64(0),
        deserialize_u32 => visit_u64(0),
        deserialize_u64 => visit_u64(0),
        deserialize_f32 => visit_f64(0.0),
        deserialize_f64 => visit_f64(0.0),
        deserialize_char => visit_char('x'),
        deserialize_str => visit_str(""),
        deserialize_string => visit_str(""),
        deserialize_bytes => visit_bytes(&[]),
        deserialize_byte_buf => visit_bytes(&[]),
        deserialize_option => visit_none(),
        deserialize_unit => visit_unit(),
        deserialize_identifier => visit_str(""),
        deserialize_ignored_any => visit_unit(),
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match rules::stand_in(name) {
            Some(text) => visitor.visit_newtype_struct(StrDeserializer::<Fault>::new(text)),
            None => visitor.visit_newtype_struct(self.deeper()?),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let dummy = self.deeper()?;
        visitor.visit_seq(SeqDeserializer::new(std::iter::repeat_n(dummy, length)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        stand_in_object(&[], self, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        stand_in_object(fields, self.deeper()?, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match variants.first() {
            Some(name) => visitor.visit_enum(FirstVariant {
                name,
                dummy: self.deeper()?,
            }),
            None => Err(Fault::custom("no variant")),
        }
    }
}

struct FirstVariant {
    name: &'static str,
    dummy: Dummy,
}

impl<'de> EnumAccess<'de> for FirstVariant {
    type Error = Fault;
    type Variant = Dummy;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Dummy), Fault> {
        Ok((
            seed.deserialize(StrDeserializer::<Fault>::new(self.name))?,
            self.dummy,
        ))
    }
}

impl<'de> VariantAccess<'de> for Dummy {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_struct("", fields, visitor)
    }
}

/// An object with the given names, all stand-ins.
fn stand_in_object<'de, V: Visitor<'de>>(
    fields: &'static [&'static str],
    dummy: Dummy,
    visitor: V,
) -> Result<V::Value, Fault> {
    visitor.visit_map(MapDeserializer::new(
        fields.iter().map(|name| (*name, dummy)),
    ))
}

//! Reads a checked document into a type, and knows where it is.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::document::Node;
use super::dummy::Dummy;
use super::fault::{Fault, address};

/// The names of each struct's fields on the wire, by the address of the object that it was read from.
pub(crate) type Shapes = HashMap<usize, &'static [&'static str]>;

/// What earlier passes found wrong, so that the next one finds something else.
#[derive(Debug, Default)]
pub(crate) struct Patches {
    /// Nodes that are replaced by a value of whatever type is asked for.
    pub(crate) replaced: HashSet<usize>,
    /// Fields that are added to an object.
    pub(crate) added: Vec<(usize, &'static str)>,
    /// Fields that are left out of an object.
    pub(crate) left_out: HashSet<(usize, String)>,
}

impl Patches {
    /// Whether the node was touched: another fault of the same place is of our own making.
    pub(crate) fn touches(&self, node: usize) -> bool {
        self.replaced.contains(&node) || self.added.iter().any(|(at, _)| *at == node)
    }
}

/// One pass over the document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass<'a> {
    pub(crate) from_text: bool,
    pub(crate) patches: Option<&'a Patches>,
    pub(crate) shapes: Option<&'a RefCell<Shapes>>,
}

impl<'a> Pass<'a> {
    /// Reads a node, or a stand-in where an earlier pass failed; notes the place of a new fault.
    pub(crate) fn read<'de, S: DeserializeSeed<'de>>(
        self,
        seed: S,
        node: &'a Node,
        segment: impl FnOnce() -> Option<String>,
    ) -> Result<S::Value, Fault> {
        let replaced = self
            .patches
            .is_some_and(|p| p.replaced.contains(&address(node)));
        let result = if replaced {
            seed.deserialize(Dummy::default())
        } else {
            seed.deserialize(Reader { node, pass: self })
        };
        result.map_err(|fault| fault.leaving(node, segment()))
    }

    fn shape(self, node: &Node, fields: &'static [&'static str]) {
        if let Some(shapes) = self.shapes {
            shapes.borrow_mut().insert(address(node), fields);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    node: &'a Node,
    pass: Pass<'a>,
}

impl<'a> Reader<'a> {
    fn entries(self, entries: &'a [(String, Node)]) -> Entries<'a> {
        let added = match self.pass.patches {
            Some(patches) => {
                let here = address(self.node);
                let of_this = patches.added.iter().filter(|(at, _)| *at == here);
                of_this.map(|(_, name)| *name).collect()
            }
            None => Vec::new(),
        };
        Entries {
            reader: self,
            rest: entries.iter(),
            added,
            value: None,
        }
    }

    fn mismatch(self, expected: &dyn Expected) -> Fault {
        Fault::invalid_type(Unexpected::Other("another type"), expected)
    }
}

/// In forms and queries a number is text that reads as one.
macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.node {
                Node::Text(text) if self.pass.from_text => match text.parse::<$type>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => Err(self.mismatch(&visitor)),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Unsigned(value) => visitor.visit_u64(*value),
            Node::Signed(value) => visitor.visit_i64(*value),
            Node::Float(value) => visitor.visit_f64(*value),
            Node::Text(value) => visitor.visit_str(value),
            Node::List(items) => visitor.visit_seq(Items {
                reader: self,
                items,
                at: 0,
            }),
            Node::Map(entries) => visitor.visit_map(self.entries(entries)),
        }
    }

    parsed! {
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i64 i64,
        deserialize_i16 visit_i64 i64,
        deserialize_i32 visit_i64 i64,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u64 u64,
        deserialize_u16 visit_u64 u64,
        deserialize_u32 visit_u64 u64,
        deserialize_u64 visit_u64 u64,
        deserialize_f32 visit_f64 f64,
        deserialize_f64 visit_f64 f64,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// A struct is an object. serde_json would also take a list of its fields by position.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Node::Map(entries) = self.node else {
            return Err(self.mismatch(&"a map"));
        };
        self.pass.shape(self.node, fields);
        visitor.visit_map(self.entries(entries))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.node {
            Node::Text(name) => visitor.visit_enum(StrDeserializer::<Fault>::new(name)),
            Node::Map(entries) => match entries.as_slice() {
                [(name, node)] => visitor.visit_enum(Variant {
                    name,
                    node,
                    pass: self.pass,
                }),
                _ => Err(self.mismatch(&"an enum")),
            },
            _ => Err(self.mismatch(&"an enum")),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        identifier ignored_any
    }
}

struct Items<'a> {
    reader: Reader<'a>,
    items: &'a [Node],
    at: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some(node) = self.items.get(self.at) else {
            return Ok(None);
        };
        let at = self.at;
        self.at = at.saturating_add(1);
        self.reader
            .pass
            .read(seed, node, || Some(at.to_string()))
            .map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len().saturating_sub(self.at))
    }
}

struct Entries<'a> {
    reader: Reader<'a>,
    rest: std::slice::Iter<'a, (String, Node)>,
    added: Vec<&'static str>,
    value: Option<&'a (String, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let here = address(self.reader.node);
        let left_out = |name: &str| {
            self.reader.pass.patches.is_some_and(|patches| {
                !patches.left_out.is_empty() && patches.left_out.contains(&(here, name.to_owned()))
            })
        };
        self.value = self.rest.by_ref().find(|(name, _)| !left_out(name));
        match self.value {
            Some((name, _)) => seed.deserialize(Key(name)).map(Some),
            None => match self.added.pop() {
                Some(name) => seed.deserialize(Key(name)).map(Some),
                None => Ok(None),
            },
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        match self.value.take() {
            Some((name, node)) => self.reader.pass.read(seed, node, || Some(name.clone())),
            None => seed.deserialize(Dummy::default()),
        }
    }
}

/// A name in an object. Maps may have keys that are no strings: they are read from the text.
struct Key<'a>(&'a str);

macro_rules! parsed_keys {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.0.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(Fault::invalid_type(Unexpected::Other("text"), &visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.0)
    }

    parsed_keys! {
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(StrDeserializer::<Fault>::new(self.0))
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

struct Variant<'a> {
    name: &'a str,
    node: &'a Node,
    pass: Pass<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.node {
            Node::Null => Ok(()),
            _ => Err(Fault::invalid_type(
                Unexpected::Other("content"),
                &"a string",
            )),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        self.pass
            .read(seed, self.node, || Some(self.name.to_owned()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        let reader = Reader {
            node: self.node,
            pass: self.pass,
        };
        let result = reader.deserialize_seq(visitor);
        result.map_err(|fault| fault.leaving(self.node, Some(self.name.to_owned())))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let reader = Reader {
            node: self.node,
            pass: self.pass,
        };
        let result = reader.deserialize_struct("", fields, visitor);
        result.map_err(|fault| fault.leaving(self.node, Some(self.name.to_owned())))
    }
}

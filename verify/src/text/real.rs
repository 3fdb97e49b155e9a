//! `f64` in JSON when it may not be finite. JSON has no NaN and no infinity, and a reader that finds `null` where a
//! number belongs cannot tell which it was: they are written as the strings `NaN`, `inf` and `-inf` and read back.
//! Use as `#[serde(with = "crate::text::real")]` on a field of floats: alone, in pairs, optional, in lists.

use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One number on its way to or from JSON.
pub(crate) struct Real(f64);

impl Serialize for Real {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            serializer.collect_str(&self.0) // `NaN`, `inf`, `-inf`
        }
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyReal;
        impl Visitor<'_> for AnyReal {
            type Value = f64;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or one of the strings \"NaN\", \"inf\", \"-inf\"")
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<f64, E> {
                Ok(v)
            }
            // Other writers print 1.0 as 1.
            fn visit_i64<E: Error>(self, v: i64) -> Result<f64, E> {
                Ok(v as f64)
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<f64, E> {
                Ok(v as f64)
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<f64, E> {
                match v {
                    "NaN" => Ok(f64::NAN),
                    "inf" => Ok(f64::INFINITY),
                    "-inf" => Ok(f64::NEG_INFINITY),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(v), &self)),
                }
            }
        }
        deserializer.deserialize_any(AnyReal).map(Real)
    }
}

/// A shape of floats, and the same shape on the wire.
pub(crate) trait Shape: Sized {
    type Wire: Serialize + DeserializeOwned;
    fn to_wire(&self) -> Self::Wire;
    fn from_wire(wire: Self::Wire) -> Self;
}

impl Shape for f64 {
    type Wire = Real;
    fn to_wire(&self) -> Real {
        Real(*self)
    }
    fn from_wire(wire: Real) -> Self {
        wire.0
    }
}

impl Shape for [f64; 2] {
    type Wire = [Real; 2];
    fn to_wire(&self) -> Self::Wire {
        self.map(Real)
    }
    fn from_wire(wire: Self::Wire) -> Self {
        wire.map(|r| r.0)
    }
}

impl<T: Shape> Shape for Option<T> {
    type Wire = Option<T::Wire>;
    fn to_wire(&self) -> Self::Wire {
        self.as_ref().map(T::to_wire)
    }
    fn from_wire(wire: Self::Wire) -> Self {
        wire.map(T::from_wire)
    }
}

impl<T: Shape> Shape for Vec<T> {
    type Wire = Vec<T::Wire>;
    fn to_wire(&self) -> Self::Wire {
        self.iter().map(T::to_wire).collect()
    }
    fn from_wire(wire: Self::Wire) -> Self {
        wire.into_iter().map(T::from_wire).collect()
    }
}

pub(crate) fn serialize<T: Shape, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_wire().serialize(serializer)
}

pub(crate) fn deserialize<'de, T: Shape, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::Wire::deserialize(deserializer).map(T::from_wire)
}

//! The JSON schemas of bodies and answers, for the API description.

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Generates the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The [`SchemaOf`] a type.
pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

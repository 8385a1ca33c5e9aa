//! JSON schemas of bodies and answers, for the API description.

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Generates the schema of a type.
pub(super) type SchemaFn = fn(&mut SchemaGenerator) -> Schema;

/// Generates the schema of `T`. As a value, it is the [`SchemaFn`] of that type.
pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

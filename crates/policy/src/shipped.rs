//! The policies and the schema that are built into the program. `cedargate dev` uses them if there are no
//! folders.

/// The gateway's own schema, which `cedargate policy schema` writes.
pub const GATE_SCHEMA: &str = include_str!("../../../schema/gate.cedarschema");

/// The content of `schema/site.cedarschema`.
pub const SITE_SCHEMA: &str = include_str!("../../../schema/site.cedarschema");

macro_rules! policies {
    ($($name:literal),* $(,)?) => {
        /// The files of `policies/`: each with its path in the folder and its content.
        pub const POLICIES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../policies/", $name)))),*];
    };
}

policies![
    "00-open-doors.cedar",
    "10-tenant-isolation.cedar",
    "20-security-keys.cedar",
    "30-step-up.cedar",
    "40-admins.cedar",
    "dev.links.json",
    "examples/admins.cedar",
    "examples/contractors.cedar",
    "examples/one-network.cedar",
    "examples/security-keys-only.cedar",
    "examples/strong-first-enrolment.cedar",
    "examples/two-models.cedar",
];

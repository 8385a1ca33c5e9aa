//! The structure of the source code: which modules and files use each other, and which crates each
//! package depends on.

mod circles;
mod dependencies;
mod layers;
mod paths;

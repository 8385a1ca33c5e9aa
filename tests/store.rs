//! The store's contract on both backends, and the failures that each must survive.

mod admin_removals;
mod authentications;
mod changes;
mod codes;
mod contract;
mod embedded;
mod embedded_clock;
mod epochs;
mod fixture;
mod health;
mod limits;
mod lost_changes;
mod model;
mod older_records;
mod previous_release;
mod recovery;
mod redis_faults;
mod redis_keys;
mod sessions;

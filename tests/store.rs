//! The store's contract over both backends, and what each must survive.

mod changes;
mod codes;
mod contract;
mod embedded;
mod embedded_clock;
mod fixture;
mod health;
mod lost_changes;
mod model;
mod older_records;
mod recovery;
mod redis_faults;
mod redis_keys;
mod sessions;

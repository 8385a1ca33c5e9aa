//! The commands of `cedargate policy`, run as a person, a script and a CI workflow run them.

mod cedar;
mod check;
mod diff;
mod explain;
mod flags;
mod format;
mod replay;
mod test;

//! The other commands of the binary: `dev`, `serve`, `init`, `config check`, `token`, `recovery-code`,
//! completions and the manual.

mod commands;
mod init;
mod recovery_code;

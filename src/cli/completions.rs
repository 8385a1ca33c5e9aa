//! `cedargate completions`: scripts that make shells complete commands and flags.

use clap::{Args, Command};
use clap_complete::Shell;

use super::failure::Failure;
use super::output;

/// Print a script that makes a shell complete commands and flags.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate completions bash > ~/.local/share/bash-completion/completions/cedargate
  cedargate completions zsh > ~/.zfunc/_cedargate     where ~/.zfunc is in $fpath
  cedargate completions fish > ~/.config/fish/completions/cedargate.fish")]
pub(super) struct Arguments {
    /// The shell that the script is for.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, mut command: Command) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

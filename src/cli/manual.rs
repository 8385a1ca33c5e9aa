//! `cedargate manual`: prints the manual page, generated from the same definitions as `--help`.

use std::io;

use clap::{Args, Command};
use clap_mangen::Man;

use super::failure::Failure;
use super::output;

/// Print the manual page of all commands, in the format of man.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate manual > /usr/local/share/man/man1/cedargate.1
  cedargate manual | man -l -                         read it without installing it")]
pub(super) struct Arguments {}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    let page = page(command).map_err(|error| {
        Failure::usage(
            "internal",
            format!("the manual page cannot be written: {error}"),
        )
    })?;
    output::print(&page)
}

fn page(command: Command) -> io::Result<String> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone());
    let mut title = Vec::new();
    man.render_title(&mut title)?;
    let mut page = String::from_utf8(title).map_err(io::Error::other)?;
    page.push_str(&section(|to| man.render_name_section(to))?);
    page.push_str(&body(&command)?);
    subcommands(&command, &mut page)?;
    Ok(page)
}

/// Appends a section for each subcommand. clap_mangen itself would write a page for each.
fn subcommands(command: &Command, page: &mut String) -> io::Result<()> {
    for subcommand in command.get_subcommands() {
        let name = subcommand.get_bin_name().unwrap_or_default();
        page.push_str(&format!(".SH \"{}\"\n", name.to_uppercase()));
        for line in body(subcommand)?.lines() {
            match line.strip_prefix(".SH ") {
                Some(heading) => page.push_str(&format!(".SS {heading}\n")),
                None => page.push_str(&format!("{line}\n")),
            }
        }
        subcommands(subcommand, page)?;
    }
    Ok(())
}

/// Renders the synopsis, description, options and examples of a command.
fn body(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone());
    let mut body = section(|to| man.render_synopsis_section(to))?;
    body.push_str(&section(|to| man.render_description_section(to))?);
    body.push_str(&section(|to| man.render_options_section(to))?);
    if let Some(help) = command.get_after_help() {
        body.push_str(&verbatim("NOTES", &help.to_string()));
    }
    Ok(body)
}

/// Renders a section without the definitions that clap_mangen writes before each heading.
fn section(render: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<String> {
    let mut bytes = Vec::new();
    render(&mut bytes)?;
    let mut text = String::from_utf8(bytes).map_err(io::Error::other)?;
    text.drain(..text.find(".SH ").unwrap_or(text.len()));
    Ok(text)
}

/// Writes a section whose line breaks stay. clap_mangen would join the lines of examples.
fn verbatim(heading: &str, text: &str) -> String {
    let mut section = format!(".SH {heading}\n.nf\n");
    for line in text.lines() {
        // roff takes a line that starts with a dot or a quote as a request.
        let guard = if line.starts_with(['.', '\'']) {
            "\\&"
        } else {
            ""
        };
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        section.push_str(&format!("{guard}{line}\n"));
    }
    section.push_str(".fi\n");
    section
}

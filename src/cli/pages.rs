//! `auricle generate`: man pages and completions, from the definitions of the flags.
//!
//! In: the definitions. Out: a page for every command, completions for a shell.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::{Arguments, Generate, GenerateCommand};
use super::{config, table};

/// Section of the manual.
const SECTION: &str = "1";

/// Runs the command.
pub fn run(arguments: &Generate) -> Result<ExitCode> {
    match &arguments.what {
        GenerateCommand::Man { folder: Some(folder), .. } => {
            fs::create_dir_all(folder).with_context(|| format!("{}: cannot be created", folder.display()))?;
            for (name, text) in pages()? {
                let path = folder.join(format!("{name}.{SECTION}"));
                fs::write(&path, text).with_context(|| format!("{}: cannot be written", path.display()))?;
            }
        }
        GenerateCommand::Man { folder: None, command } => {
            let wanted = [&["auricle".to_owned()], command.as_slice()].concat().join("-");
            let page = pages()?.into_iter().find(|(name, _)| *name == wanted);
            let (_, text) = page.ok_or_else(|| {
                anyhow!("there is no command '{}'; 'auricle --help' shows those there are", command.join(" ").escape_debug())
            })?;
            table::print(&String::from_utf8(text)?)?;
        }
        GenerateCommand::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "auricle", &mut text);
            table::print(&String::from_utf8(text)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Words of a heading in the text after a command's help; more before a colon are a sentence.
const HEADING_WORDS: usize = 2;

/// Every page by its name, `auricle-models-add`.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    let mut root = config::with_variables(Arguments::command()).disable_help_subcommand(true);
    root = all_shown(root);
    root.build();
    let mut pages = Vec::new();
    collect(&root, "auricle", &mut pages)?;
    Ok(pages)
}

/// A page is long anyway: it has what the short help leaves out.
fn all_shown(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let command = command.mut_args(|argument| argument.hide_short_help(false));
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, all_shown))
}

fn collect(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let mut text = Vec::new();
    page(command, name, &mut text).with_context(|| format!("{name}: cannot be rendered"))?;
    pages.push((name.to_owned(), text));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        collect(below, &format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone()).title(name.to_uppercase()).section(SECTION).source(format!("Auricle {version}"));
    let man = man.manual("Auricle");
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    if let Some(extra) = command.get_after_long_help() {
        out.write_all(blocks(&extra.to_string()).to_roff().as_bytes())?;
    }
    see_also(command, name).to_writer(out)
}

/// The words after a command's help: what is indented under a heading stays as it is, line by line; the rest is text.
fn blocks(text: &str) -> Roff {
    let mut roff = Roff::default();
    let mut as_it_is = false;
    let mut begun = false;
    for line in text.lines() {
        let indented = line.starts_with("  ");
        if as_it_is && !indented {
            roff.control("fi", []);
            as_it_is = false;
        }
        match line.split_once(':') {
            Some((heading, rest)) if !indented && heading.split(' ').count() <= HEADING_WORDS => {
                roff.control("SH", [heading.to_uppercase().as_str()]);
                begun = true;
                if !rest.is_empty() {
                    roff.text([roman(rest.trim_start())]);
                }
            }
            _ if line.trim().is_empty() => {
                roff.control("PP", []);
            }
            _ => {
                if !begun {
                    roff.control("SH", ["NOTES"]);
                    begun = true;
                }
                if indented && !as_it_is {
                    roff.control("nf", []);
                    as_it_is = true;
                }
                roff.text([roman(line)]);
            }
        }
    }
    if as_it_is {
        roff.control("fi", []);
    }
    roff
}

/// The page above, and of the first page nothing: its commands are listed.
fn see_also(command: &Command, name: &str) -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["SEE ALSO"]);
    let above = name.rsplit_once('-').map_or("auricle-doctor", |(above, _)| above);
    roff.text([bold(above), roman(format!("({SECTION})"))]);
    if !command.has_subcommands() && name != "auricle-config" {
        roff.text([bold("auricle-config"), roman(format!("({SECTION})"))]);
    }
    roff
}

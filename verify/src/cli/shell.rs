//! `ratecheck completions` and `ratecheck man`: both are made from the command line itself.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap_complete::Shell;

use super::console::Console;
use super::{Claims, Exit, Stopped, command};
use crate::lab::experiment::Figure;
use crate::lab::problem::INSTANCES;
use crate::paper::manifest::MANIFEST;
use crate::text::{plain, write};

const COMPLETIONS: &str = "\
Examples:
  ratecheck completions bash > ~/.local/share/bash-completion/completions/ratecheck
  ratecheck completions zsh > ~/.zfunc/_ratecheck       ~/.zfunc must be in fpath before compinit
  ratecheck completions fish > ~/.config/fish/completions/ratecheck.fish";

const MAN: &str = "\
Examples:
  ratecheck man | man -l -                                 read it now
  ratecheck man --out ~/.local/share/man/man1              for good: then `man ratecheck-verify`";

/// Which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

/// Which pages.
#[derive(Debug, clap::Args)]
#[command(after_help = MAN)]
pub(super) struct Man {
    /// Write the page of the command, and of every subcommand, into this directory.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// The script for one shell.
pub(super) fn completions(arguments: &Completions, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let ids: Vec<&'static str> = claims.iter().map(|claim| claim.statement().id).collect();
    // Only here are names values that the parser knows: elsewhere a wrong one ends with a code of its own, and a
    // suggestion, and the file of a plan may stand where an experiment is named.
    let mut command = command().mut_subcommands(|one| {
        one.mut_args(|argument| match argument.get_id().as_str() {
            "claims" | "claim" if argument.get_action().takes_values() => {
                argument.value_parser(PossibleValuesParser::new(ids.clone()))
            }
            "instance" => argument.value_parser(PossibleValuesParser::new(INSTANCES.iter().map(|one| one.name))),
            "what" => argument.value_parser(PossibleValuesParser::new(Figure::ALL.iter().map(|(name, _)| *name))),
            "section" => {
                let numbers = MANIFEST.iter().filter_map(|section| section.title.split(' ').next());
                argument.value_parser(PossibleValuesParser::new(numbers))
            }
            _ => argument,
        })
    });
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "ratecheck", &mut script);
    console.answer(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Holds)
}

/// The page of the whole command, or all pages into a directory.
pub(super) fn man(arguments: &Man, console: Console) -> Result<Exit, Stopped> {
    let mut whole = command().disable_help_subcommand(true);
    whole.build();
    let Some(directory) = &arguments.out else {
        console.answer(&String::from_utf8_lossy(&page(whole, "ratecheck")?))?;
        return Ok(Exit::Holds);
    };
    let mut n_pages = 0;
    let named = whole.get_subcommands().map(|one| (format!("ratecheck-{}", one.get_name()), one.clone()));
    for (name, command) in [("ratecheck".to_owned(), whole.clone())].into_iter().chain(named) {
        let file = directory.join(format!("{name}.1"));
        write(file, &page(command, &name)?).map_err(|error| (Exit::Output, error.to_string()))?;
        n_pages += 1;
    }
    console.answer(&format!("{n_pages} pages in {}\n", plain::path(directory)))?;
    Ok(Exit::Holds)
}

/// One page in roff. What stands below the help is set as it is: examples are lines.
fn page(command: clap::Command, name: &str) -> Result<Vec<u8>, Stopped> {
    let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let has_subcommands = command.has_subcommands();
    let page = clap_mangen::Man::new(command.display_name(name.to_owned())).title(name);
    let mut roff = Vec::new();
    let rendered = page
        .render_title(&mut roff)
        .and_then(|()| page.render_name_section(&mut roff))
        .and_then(|()| page.render_synopsis_section(&mut roff))
        .and_then(|()| page.render_description_section(&mut roff))
        .and_then(|()| page.render_options_section(&mut roff))
        .and_then(|()| if has_subcommands { page.render_subcommands_section(&mut roff) } else { Ok(()) });
    rendered.map_err(|error| (Exit::Internal, format!("the manual page {name} cannot be made: {error}")))?;
    roff.extend(format!(".SH NOTES\n.nf\n{}\n.fi\n", verbatim(&below)).into_bytes());
    Ok(roff)
}

/// Lines that roff prints as they are.
fn verbatim(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // A dot or an apostrophe in front would be a request.
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

//! `completions` and `man`: what a shell and a reader of manuals want to know of the command line, made of itself.

use std::fmt::Write;
use std::io;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, print};

#[derive(Args, Debug)]
pub(super) struct Completions {
    /// For which shell
    shell: Known,
}

/// The shells whose completions are tried out.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let shell = match self.shell {
            Known::Bash => Shell::Bash,
            Known::Zsh => Shell::Zsh,
            Known::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
        print(&String::from_utf8(script)?)
    }
}

/// One page of all commands, as `man` reads it.
pub(super) fn man() -> anyhow::Result<()> {
    let mut command = Cli::command();
    command.build();
    let whole = Man::new(command.clone());
    let mut page = rendered(|out| {
        whole.render_title(out)?;
        whole.render_name_section(out)?;
        whole.render_synopsis_section(out)?;
        whole.render_description_section(out)
    })?;
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        // Writing to a String cannot fail.
        let _ = writeln!(page, ".SH \"{}\"", command.get_name().to_uppercase());
        let of_command = Man::new(command.clone());
        let text = rendered(|out| {
            of_command.render_synopsis_section(out)?;
            of_command.render_description_section(out)?;
            of_command.render_options_section(out)?;
            of_command.render_extra_section(out)
        })?;
        // Sections of the command's own part.
        page.push_str(&text.replace("\n.SH ", "\n.SS "));
        if let Some(after) = command.get_after_help() {
            let _ = writeln!(page, ".PP\n{}", after.to_string().replace('-', "\\-"));
        }
    }
    print(&page)
}

fn rendered(render: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> anyhow::Result<String> {
    let mut out = Vec::new();
    render(&mut out)?;
    Ok(String::from_utf8(out)?)
}

const NAME: &str = env!("CARGO_PKG_NAME");

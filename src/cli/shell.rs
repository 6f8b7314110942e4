//! `clocklab completions` and `clocklab man`: clap's own generators.

use clap::CommandFactory;

use super::{Arguments, Exit, print};

pub(super) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "clocklab", &mut text);
    print(&String::from_utf8_lossy(&text)).map(|()| Exit::Valid)
}

pub(super) fn man() -> anyhow::Result<Exit> {
    let command = Arguments::command();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for subcommand in command.get_subcommands() {
        let name = format!("clocklab-{}", subcommand.get_name());
        clap_mangen::Man::new(
            subcommand
                .clone()
                .bin_name(format!("clocklab {}", subcommand.get_name())),
        )
        .title(name)
        .render(&mut text)?;
    }
    print(&String::from_utf8_lossy(&text)).map(|()| Exit::Valid)
}

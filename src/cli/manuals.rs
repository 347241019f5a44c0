//! `manuals --out DIR`: manual pages and completions for shells, for whoever makes a package.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::unusable::Unusable;
use crate::atomic_file::{self, plain_reason};

#[derive(Debug, Args)]
pub(super) struct ManualsArgs {
    /// Folder to write to; made if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes those of the program that takes these arguments.
pub(super) fn run(args: &ManualsArgs, program: &Command) -> anyhow::Result<()> {
    for (name, text) in files(program).context("the manuals cannot be written")? {
        let path = args.out.join(name);
        let folder = path.parent().unwrap_or(&args.out);
        std::fs::create_dir_all(folder).map_err(|error| {
            Unusable(format!("{}: the folder cannot be made: {}", folder.display(), plain_reason(&error)))
        })?;
        atomic_file::write(&path, &text)
            .map_err(|error| anyhow!("{}: cannot be written: {}", path.display(), plain_reason(&error)))?;
    }
    super::output::say(args.out.display())
}

/// Paths below the folder, and what stands there.
fn files(program: &Command) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut built = program.clone().disable_help_subcommand(true);
    built.build();
    let verbs = built.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    for page in std::iter::once(built.clone()).chain(verbs) {
        let page = Man::new(page).manual("Unlearn Studio");
        let mut text = Vec::new();
        page.render(&mut text)?;
        files.push((Path::new("man1").join(page.get_filename()), text));
    }
    let name = program.get_name();
    for (shell, path) in [
        (Shell::Bash, format!("bash/{name}")),
        (Shell::Zsh, format!("zsh/_{name}")),
        (Shell::Fish, format!("fish/{name}.fish")),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut program.clone(), name, &mut text);
        files.push((path.into(), text));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_and_every_shell_knows_it() {
        let program = crate::cli::command();
        let files = files(&program).unwrap();
        let text = |name: &str| {
            let (_, text) = files.iter().find(|(path, _)| path == Path::new(name)).expect(name);
            // Hyphens are escaped in manual pages.
            String::from_utf8(text.clone()).unwrap().replace('\\', "")
        };
        let shells = [text("bash/unlearn-studio"), text("zsh/_unlearn-studio"), text("fish/unlearn-studio.fish")];
        let verbs: Vec<_> = program.get_subcommands().filter(|verb| !verb.is_hide_set()).collect();
        assert_eq!(files.len(), 1 + verbs.len() + shells.len());
        let main = text("man1/unlearn-studio.1");
        for verb in verbs {
            let name = verb.get_name();
            assert!(main.contains(&format!("unlearn-studio-{name}(1)")), "{name}");
            assert!(shells.iter().all(|shell| shell.contains(name)), "{name}");
            let page = text(&format!("man1/unlearn-studio-{name}.1"));
            for option in verb.get_arguments().filter_map(|argument| argument.get_long()) {
                assert!(page.contains(&format!("--{option}")), "{name} --{option}");
            }
        }
        assert!(!main.contains("manuals"));
    }
}

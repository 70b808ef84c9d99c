//! The manual: one page, with every subcommand in it.

use std::io;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::Cli;

/// The manual page, in roff.
pub fn man() -> io::Result<Vec<u8>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let page = Man::new(command.clone()).source(concat!("sharer ", env!("CARGO_PKG_VERSION")));
    let mut out = Roff::new().render();
    out += &part(|out| page.render_title(out))?;
    // Long words, such as paths and JSON, would tear gaps into lines that end at the same column.
    out += ".ad l\n.na\n";
    out += &part(|out| page.render_name_section(out))?;
    out += ".SH SYNOPSIS\n";
    out += &lines(|roff| usage(roff, &mut command));
    out += &part(|out| page.render_options_section(out))?;

    // What each takes besides `--help`, which the page would say some thirty times.
    let mut bare = Cli::command().disable_help_subcommand(true).disable_help_flag(true);
    bare.build();
    let all = below(&bare);
    out += ".SH SUBCOMMANDS\n";
    out += &lines(|roff| {
        for command in &all {
            roff.control("TP", []).text([bold(called(command))]);
            if let Some(about) = command.get_about() {
                roff.text([roman(about.to_string())]);
            }
        }
    });
    out += ".SH OPTIONS OF SUBCOMMANDS\n";
    for command in all {
        let takes = command.get_arguments().any(|argument| !argument.is_hide_set());
        if !takes && command.get_after_help().is_none() {
            continue;
        }
        out += &lines(|roff| {
            roff.control("SS", [called(&command).as_str()]);
            usage(roff, &mut command.clone());
        });
        let options = part(|out| Man::new(command.clone()).render_options_section(out))?;
        out += options.strip_prefix(".SH OPTIONS\n").unwrap_or(&options);
        out += &lines(|roff| after(roff, &command));
    }
    out += ".SH EXAMPLES AND EXIT STATUS\n";
    out += &lines(|roff| after(roff, &command));
    Ok(out.into_bytes())
}

/// What is below a command, however deep, without what is hidden.
fn below(command: &Command) -> Vec<Command> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.flat_map(|command| [vec![command.clone()], below(command)].concat()).collect()
}

/// All its words: `sharer driver add`.
fn called(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).to_owned()
}

fn usage(roff: &mut Roff, command: &mut Command) {
    let usage = command.render_usage().to_string();
    roff.control("nf", []);
    for line in usage.trim_start_matches("Usage:").lines() {
        roff.text([bold(line.trim())]);
    }
    roff.control("fi", []);
}

/// What its help ends with: lines that begin with blanks stay lines, the rest is filled.
fn after(roff: &mut Roff, command: &Command) {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut verbatim = false;
    roff.control("PP", []);
    for line in text.lines() {
        let is_example = line.starts_with(' ');
        if is_example != verbatim {
            roff.control(if is_example { "nf" } else { "fi" }, []);
            verbatim = is_example;
        }
        match line {
            "" => roff.control("PP", []),
            line => roff.text([roman(line)]),
        };
    }
    if verbatim {
        roff.control("fi", []);
    }
}

fn lines(write: impl FnOnce(&mut Roff)) -> String {
    let mut roff = Roff::new();
    write(&mut roff);
    without_preamble(roff.render())
}

/// A part that the renderer knows how to write.
fn part(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut out = Vec::new();
    write(&mut out)?;
    Ok(without_preamble(String::from_utf8_lossy(&out).into_owned()))
}

/// How apostrophes are written is said once, at the top of the page; the renderer begins everything with it.
fn without_preamble(text: String) -> String {
    text.strip_prefix(Roff::new().render().as_str()).map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a reader has it: without fonts and escapes.
    fn read(page: &str) -> String {
        let plain = [("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\-", "-"), ("\\*(Aq", "'")];
        plain.iter().fold(page.to_owned(), |text, (roff, is)| text.replace(roff, is))
    }

    #[test]
    fn the_manual_has_every_subcommand_with_all_it_takes_and_points_to_no_other_page() {
        let page = read(&String::from_utf8(man().unwrap()).unwrap());
        assert!(!page.contains("(1)"), "another page");
        assert_eq!(page.matches(".ds Aq").count(), 2, "a preamble, once");
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let all = below(&command);
        assert!(all.iter().any(|command| called(command) == "sharer driver add"), "nested ones as well");
        let (list, options) = page.split_once(".SH OPTIONS OF SUBCOMMANDS").unwrap();
        for command in all {
            let name = called(&command);
            assert!(list.contains(&format!(".TP\n{name}\n")), "{name} is in the list");
            let section = format!(".SS \"{name}\"\n");
            let section = options.split(&section).nth(1).and_then(|section| section.split("\n.S").next());
            let takes = command.get_arguments().filter(|argument| !argument.is_hide_set());
            for argument in takes.filter(|argument| argument.get_long() != Some("help")) {
                let section = section.unwrap_or_else(|| panic!("{name} takes something"));
                if let Some(long) = argument.get_long() {
                    assert!(section.contains(&format!("--{long}")), "{name} --{long}: {section}");
                }
                let help = argument.get_help().unwrap().to_string();
                assert!(section.contains(help.lines().next().unwrap()), "{name}: {help}");
            }
        }
        assert!(!page.contains("orphans") && !page.contains("acp-seat"), "sharer starts these itself");
    }

    #[test]
    fn examples_in_the_manual_stay_lines() {
        let page = read(&String::from_utf8(man().unwrap()).unwrap());
        let examples = page.split(".SH EXAMPLES").nth(1).unwrap();
        let block = examples.split("\n.nf\n").nth(1).and_then(|block| block.split("\n.fi\n").next()).unwrap();
        let lines: Vec<_> = block.lines().collect();
        assert!(lines.len() > 4 && lines.iter().all(|line| line.starts_with("  sharer")), "{block}");
        assert_eq!(page.matches("\n.nf\n").count(), page.matches("\n.fi\n").count());
    }
}

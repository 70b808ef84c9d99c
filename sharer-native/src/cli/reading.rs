//! From words to a command line: where a wrong value stands, and which of two relays is meant.
//!
//! What was typed wins over what is in the environment, and of two things that were typed and exclude each other none
//! is dropped in silence.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, Error, FromArgMatches as _};

use super::{Cli, ShareArgs};

/// Options whose value may stand in the environment, and where.
const VARIABLES: [(&str, &str); 3] =
    [("--relay", "SHARER_RELAY"), ("--listen", "SHARER_LISTEN"), ("--public-url", "SHARER_PUBLIC_URL")];
/// What is about the embedded relay, by field and as it is typed.
const EMBEDDED: [(&str, &str); 3] =
    [("listen", "--listen"), ("public_url", "--public-url"), ("allow_insecure", "--allow-insecure")];

/// What a program that becomes a task of the session around it cannot have, by field: that session's has it, or nobody.
const APART: [&str; 11] = [
    "relay",
    "listen",
    "public_url",
    "allow_insecure",
    "scrollback",
    "keep_children",
    "no_compress",
    "show_viewers",
    "keep",
    "record_max",
    "record_total",
];

impl Cli {
    /// Reads the words of a command line, the program's name first.
    pub fn read(words: &[OsString]) -> Result<Self, Error> {
        let matches = Self::command().try_get_matches_from(words).map_err(|error| blame(error, words))?;
        let mut cli = Self::from_arg_matches(&matches)?;
        choose_relay(&mut cli.share, &matches)?;
        if cli.other.is_none() {
            // What is in the environment was not said of this program.
            let typed = |field: &&str| matches.value_source(field) == Some(ValueSource::CommandLine);
            let apart = APART.into_iter().filter(typed);
            cli.share.apart = apart.map(|field| format!("--{}", field.replace('_', "-"))).collect();
        }
        Ok(cli)
    }
}

/// Names the variable that a wrong value stands in, if the option was not typed.
fn blame(mut error: Error, words: &[OsString]) -> Error {
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(shown)) => shown.split(' ').next().unwrap_or_default().to_owned(),
        _ => return error,
    };
    let mut own = words.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--");
    let typed = own.any(|word| word.split('=').next() == Some(&option));
    if let (Some((_, variable)), false) = (VARIABLES.iter().find(|(known, _)| *known == option), typed) {
        error.insert(ContextKind::InvalidArg, ContextValue::String((*variable).to_owned()));
    }
    error
}

fn choose_relay(share: &mut ShareArgs, matches: &ArgMatches) -> Result<(), Error> {
    let typed = |field: &str| matches.value_source(field) == Some(ValueSource::CommandLine);
    match (EMBEDDED.iter().find(|(field, _)| typed(field)), typed("relay")) {
        (Some((_, option)), true) => {
            let why = format!(
                "{option} is about the relay inside sharer, and --relay uses another one instead: leave one of them out"
            );
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, why));
        }
        (Some(_), false) => share.relay = None,
        (None, _) => {}
    }
    if share.relay.is_some() {
        (share.listen, share.public_url) = (None, None);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Cli, Error> {
        Cli::read(&words.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn another_relay_has_no_options_of_the_embedded_one() {
        for option in ["--listen 127.0.0.1:1", "--public-url https://h", "--allow-insecure"] {
            let error = read(&format!("sharer --relay https://r {option} -- ls")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
            let said = error.to_string();
            assert!(said.contains(option.split(' ').next().unwrap()) && said.contains("leave one"), "{said}");
            assert!(read(&format!("sharer {option} -- ls --relay")).unwrap().share.relay.is_none());
        }
        assert!(read("sharer --relay https://r").unwrap().share.relay.is_some());
    }

    #[test]
    fn what_a_task_cannot_have_is_known_by_its_option() {
        let apart = |words: &str| read(words).unwrap().share.apart;
        assert_eq!(
            apart("sharer --keep 7d -q --relay https://r --title t --keep-children -- true --no-compress"),
            ["--relay", "--keep-children", "--keep"]
        );
        assert_eq!(apart("sharer -- true"), [""; 0], "what is so by default was not typed");
        let command = Cli::command();
        for field in APART {
            let option = command.get_arguments().find(|argument| argument.get_id() == field);
            let option = option.and_then(|argument| argument.get_long());
            assert_eq!(option, Some(field.replace('_', "-").as_str()));
        }
    }
}

//! What an agent reads to use `sharer` from inside a shared session.

/// The guide, in Markdown; at most 40 lines.
pub const GUIDE: &str = "\
## Running tasks beside you with `sharer`

This applies when `$SHARER_SOCKET` is set: then this terminal is shared, and people watch it in a browser. Start
whatever runs beside your own work (another agent, a build, a test run) as a *task*: people then see it beside you,
under its own name and state, and can answer its questions. `\"$SHARER_BIN\"` is the program if `sharer` is not in PATH.

Start a task; its id is printed at once and the task runs on:

    id=$(sharer spawn --name tests --prompt \"run the tests\" -- make test)
    id=$(sharer spawn --name docs --prompt \"write the docs\" -- claude -p \"write the docs\")

Give each task a short name of its own. It runs in this directory with your environment. Ids may be shortened, and
names work instead of ids. Then:

    sharer wait $id              wait for its end; the exit status is the task's own
    sharer wait                  wait for all of them
    sharer spawn --wait -- CMD   both at once
    sharer ps                    your tasks and their states; --tree with theirs; --json for programs
    sharer tell $id \"text\"       type text and Enter into it; `-` reads the text from stdin
    sharer kill $id              end it

A task is done when its program exits with 0, in error with any other status, and cancelled when it is killed.
Say about yourself how you are getting on, so that people see when they are needed:

    sharer state blocked --reason \"which database?\"     you need a person
    sharer state waiting --reason \"for the build\"       it goes on by itself
    sharer state running                                you work again

Tasks end when you end. A task can start tasks too; people do not see those. Links, and who may watch or type, are
the user's affair: do not look for them. Never print `$SHARER_CONTROL_TOKEN`.
As tools instead of commands: the MCP server `sharer mcp` (stdio) has spawn, wait, ps, tell, kill and state; it needs
the variables SHARER_SOCKET and SHARER_CONTROL_TOKEN.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_is_short_and_names_commands_that_are_there() {
        assert!(GUIDE.lines().count() <= 40, "{}", GUIDE.lines().count());
        assert!(GUIDE.lines().all(|line| line.chars().count() <= 120));
        let commands = ["spawn", "wait", "ps", "tell", "kill", "state", "mcp"];
        for command in commands {
            assert!(GUIDE.contains(&format!("sharer {command}")), "{command}");
            let help = crate::cli::has_command(command);
            assert!(help, "{command}");
        }
    }
}

//! The binary `sharer`.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use sharer_native::cli::{Cli, Other, completions, man, meant_command, version};
use sharer_native::commands::{
    self, attach, checkpoints, emit, guide, join, kept, open, recorded, replay, sessions, tasks,
};
use sharer_native::config::Config;
use sharer_native::driver::args::DriveArgs;
use sharer_native::{acp, checkpoint, driver, exit, log, mcp, relay, share};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(word) = meant_command(&arguments) {
        complain(&anyhow::anyhow!(
            "`{word}` is no command of sharer (`sharer --help` lists them); to share a program: sharer -- {word}"
        ));
        return ExitCode::from(exit::USAGE);
    }
    let cli = Cli::read(&arguments).unwrap_or_else(|error| error.exit());
    match run(cli) {
        Ok(code) => code,
        // Who reads what is printed has enough.
        Err(error) if is_broken_pipe(&error) && exit::nobody_reads() => ExitCode::from(exit::BROKEN_PIPE),
        Err(error) => {
            complain(&error);
            ExitCode::from(exit::FAILED)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = match cause.downcast_ref() {
            Some(checkpoint::Error::File { error, .. }) => Some(error),
            _ => cause.downcast_ref::<std::io::Error>(),
        };
        cause.is_some_and(|cause| cause.kind() == ErrorKind::BrokenPipe)
    })
}

fn complain(error: &anyhow::Error) {
    // It may quote what somebody else wrote.
    let said = format!("{error:#}");
    let lines: Vec<String> = said.lines().map(commands::plain).collect();
    drop(writeln!(std::io::stderr(), "sharer: {}", lines.join("\n")));
}

fn print(bytes: &[u8]) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(bytes)?;
    Ok(ExitCode::SUCCESS)
}

fn ok(done: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    done.map(|()| ExitCode::SUCCESS)
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.other {
        Some(Other::Relay(args)) => relay_alone(*args),
        Some(Other::Driver(args)) => match args.other {
            Some(other) => ok(driver::ask::driver(other)),
            None => drive(&args.run).map(ExitCode::from),
        },
        Some(Other::Run(args)) => driver::ask::run(*args).map(ExitCode::from),
        Some(Other::Status { json, secrets }) => ok(sessions::status(json, secrets)),
        Some(Other::Share { from_start, session }) => ok(sessions::share(from_start, session.as_deref())),
        Some(Other::Unshare { session }) => ok(sessions::unshare(session.as_deref())),
        Some(Other::Ls { json, recorded: true, .. }) => ok(recorded::ls(json)),
        Some(Other::Ls { json, kept: true, .. }) => ok(kept::ls(json)),
        Some(Other::Ls { json, .. }) => ok(sessions::ls(json)),
        Some(Other::Rm { id, json }) => ok(recorded::rm(&id, json)),
        Some(Other::Export(args)) => ok(recorded::export(&args)),
        Some(Other::Revoke { which, session }) => ok(sessions::revoke(which, session.as_deref())),
        Some(Other::Link { session }) => ok(sessions::link(session.as_deref())),
        Some(Other::Join { link }) => join::join(link.as_deref()).map(ExitCode::from),
        Some(Other::Open { link, no_browser }) => ok(open::open(&link, !no_browser)),
        Some(Other::Attach(args)) => attach::attach(&args).map(ExitCode::from),
        Some(Other::Checkpoints(command)) => checkpoints::checkpoints(&command).map(ExitCode::from),
        Some(Other::Replay { what, no_browser }) => ok(replay::replay(&what, !no_browser)),
        Some(Other::Spawn(args)) => tasks::spawn(args).map(ExitCode::from),
        Some(Other::Wait { tasks, json }) => tasks::wait(&tasks, json).map(ExitCode::from),
        Some(Other::Ps { tree, json }) => ok(tasks::ps(tree, json)),
        Some(Other::Tell { task, text }) => ok(tasks::tell(task, text)),
        Some(Other::Kill { task }) => ok(tasks::kill(task)),
        Some(Other::State { state, reason }) => ok(tasks::state(state, reason)),
        Some(Other::Guide(args)) => ok(guide::guide(&args)),
        Some(Other::Mcp) => ok(mcp::serve()),
        Some(Other::Emit) => emit::emit().map(ExitCode::from),
        Some(Other::Acp { command }) => acp::proxy::run(&command).map(ExitCode::from),
        Some(Other::AcpSeat { path, name }) => ok(acp::seats::sit(&path, &name)),
        Some(Other::Orphans) => ok(share::orphans::watch().map_err(Into::into)),
        Some(Other::Completions { shell }) => print(&completions(shell)),
        Some(Other::Man) => print(&man()?),
        None if cli.share.version => print(format!("{}\n", version()).as_bytes()),
        None => {
            if let Some(path) = &cli.share.log_file {
                log::begin(path).with_context(|| format!("cannot write the log {}", path.display()))?;
            }
            let apart = cli.share.apart.clone();
            match Config::from_args(cli.share) {
                Ok(config) => share::run(&config, &apart).map(ExitCode::from),
                Err(error) => {
                    complain(&error);
                    Ok(ExitCode::from(exit::USAGE))
                }
            }
        }
    }
}

fn drive(args: &DriveArgs) -> anyhow::Result<u8> {
    if let Some(path) = &args.log_file {
        log::begin(path).with_context(|| format!("cannot write the log {}", path.display()))?;
    }
    let (config, driving) = driver::serve::prepare(args)?;
    share::drive(&config, driving)
}

fn relay_alone(args: relay::RelayArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let handle = relay::serve(args.into()).await?;
        writeln!(std::io::stdout(), "sharer relay: {}", handle.base_url())?;
        sharer_native::shutdown::asked().await?;
        handle.shutdown().await;
        Ok(ExitCode::SUCCESS)
    })
}

//! `sharer mcp`: the commands of a task as tools, for agents that prefer tools (MCP over stdio).

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::schemars::{self, JsonSchema};
use rmcp::{ServiceExt as _, tool, tool_handler, tool_router};
use serde::Deserialize;

use crate::commands::tasks::{Session, Spawned, spawn_here};
use crate::control::request::Request;

/// Hosts give up on tools that take longer than a minute.
const WAIT: Duration = Duration::from_secs(50);
/// The longest that a host may ask to wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

#[derive(Debug, Clone)]
struct Tools;

/// A task to start.
#[derive(Debug, Deserialize, JsonSchema)]
struct SpawnTool {
    /// The program and its arguments, each a string; there is no shell around it
    command: Vec<String>,
    /// A short name that people see
    name: Option<String>,
    /// What it is asked to do, for people; the program gets it as $`SHARER_PROMPT` too
    prompt: Option<String>,
    /// Where it runs; without one: here
    dir: Option<PathBuf>,
}

/// A task.
#[derive(Debug, Deserialize, JsonSchema)]
struct TaskTool {
    /// Its id, a unique beginning of it, or its name
    task: String,
}

/// A task to wait for.
#[derive(Debug, Deserialize, JsonSchema)]
struct WaitTool {
    /// Its id, a unique beginning of it, or its name
    task: String,
    /// How long, in seconds; without this: 50
    seconds: Option<u32>,
}

/// A text for a task.
#[derive(Debug, Deserialize, JsonSchema)]
struct TellTool {
    /// Its id, a unique beginning of it, or its name
    task: String,
    /// What is typed into it; Enter follows
    text: String,
}

/// How an agent is getting on.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Standing {
    /// It works
    Running,
    /// It waits for something that comes by itself
    Waiting,
    /// It waits for a person
    Blocked,
}

/// What an agent says of itself.
#[derive(Debug, Deserialize, JsonSchema)]
struct StateTool {
    /// How it is getting on
    state: Standing,
    /// Why, for people
    reason: Option<String>,
}

type Answer = Result<String, String>;

#[tool_router]
impl Tools {
    #[tool(
        description = "Start a program as a task that runs beside you; people who watch see it. Gives its id at once."
    )]
    async fn spawn(&self, Parameters(asked): Parameters<SpawnTool>) -> Answer {
        let SpawnTool { command, name, prompt, dir } = asked;
        answer(move |session| {
            let command: Vec<_> = command.into_iter().map(Into::into).collect();
            let mut spawn = spawn_here(name, prompt, &command)?;
            if let Some(dir) = dir {
                spawn.dir = spawn.dir.join(dir);
            }
            match session.spawn(spawn)? {
                Spawned::Task { row, .. } => json(&row),
                Spawned::NotStarted { why, .. } => anyhow::bail!(why),
            }
        })
        .await
    }

    #[tool(
        description = "Wait until a task has ended, and give its state and exit status; after the time is up, its state so far."
    )]
    async fn wait(&self, Parameters(asked): Parameters<WaitTool>) -> Answer {
        let WaitTool { task, seconds } = asked;
        let patience = seconds.map_or(WAIT, |seconds| Duration::from_secs(seconds.into())).min(LONGEST_WAIT);
        answer(move |session| json(&session.wait_within(&task, patience)?)).await
    }

    #[tool(description = "List the tasks below you, with their states.")]
    async fn ps(&self) -> Answer {
        answer(|session| json(&session.tasks()?)).await
    }

    #[tool(description = "Type a text and Enter into a task.")]
    async fn tell(&self, Parameters(asked): Parameters<TellTool>) -> Answer {
        let TellTool { task, text } = asked;
        answer(move |session| {
            session.order(Request::Tell { task, text })?;
            Ok("told".to_owned())
        })
        .await
    }

    #[tool(
        description = "Say about yourself how you are getting on, so that people see when they are needed: blocked until one answers, waiting for what comes by itself, running again."
    )]
    async fn state(&self, Parameters(asked): Parameters<StateTool>) -> Answer {
        let state = match asked.state {
            Standing::Running => "running",
            Standing::Waiting => "waiting",
            Standing::Blocked => "blocked",
        };
        answer(move |session| {
            session.order(Request::State { state: state.to_owned(), reason: asked.reason })?;
            Ok("said".to_owned())
        })
        .await
    }

    #[tool(description = "End a task, if need be by force after 5 seconds.")]
    async fn kill(&self, Parameters(asked): Parameters<TaskTool>) -> Answer {
        answer(move |session| {
            session.order(Request::Kill { task: asked.task })?;
            Ok("it is ending".to_owned())
        })
        .await
    }
}

#[tool_handler(
    name = "sharer",
    instructions = "Runs programs as tasks beside you, in the shared terminal session around you. Task states: running, waiting, blocked (needs a person), done, error, cancelled."
)]
impl rmcp::ServerHandler for Tools {}

fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string(value)?)
}

/// Asks the session from a thread that may wait.
async fn answer(ask: impl FnOnce(&Session) -> anyhow::Result<String> + Send + 'static) -> Answer {
    let asked = tokio::task::spawn_blocking(move || ask(&Session::around()?));
    match asked.await {
        Ok(answered) => answered.map_err(|error| format!("{error:#}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Serves until stdin ends.
pub fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let service = Tools
            .serve(rmcp::transport::stdio())
            .await
            .context("no MCP client speaks on stdin: have one start this, inside a shared session")?;
        service.waiting().await?;
        Ok(())
    })
}

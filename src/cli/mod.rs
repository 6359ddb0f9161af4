//! What was typed → a call → a view. One file per command; no logic here.

mod abort;
mod address;
mod apply;
mod approve;
mod args;
mod audit;
mod completions;
mod context;
mod create;
mod demo;
mod doctor;
mod exit;
mod explain;
mod force;
mod freeze;
mod generate;
mod help;
mod init;
mod mcp;
mod mute;
mod notifying;
mod pause;
mod plan;
mod resume;
mod rollback;
mod run;
mod schema;
mod serve;
mod signal;
mod signals;
mod stale;
mod start;
mod status;
mod usage;
mod validate;
mod wait;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::args::Global;
use self::context::Context;
use self::exit::{Exit, Failure};
use crate::view::printer;

/// Release features behind flags, a stage at a time, by rules written beforehand
#[derive(Debug, Parser)]
#[command(name = "flagstaff", version, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Create(create::Create),
    Validate(validate::Validate),
    Schema(schema::Schema),
    Plan(plan::Plan),
    Apply(apply::Apply),
    Doctor(doctor::Doctor),
    Start(start::Start),
    Run(run::Run),
    Serve(serve::Serve),
    Status(status::Status),
    Watch(watch::Watch),
    Wait(wait::Wait),
    Explain(explain::Explain),
    Approve(approve::Approve),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Abort(abort::Abort),
    Force(force::Force),
    Rollback(rollback::Rollback),
    Mute(mute::Mute),
    Freeze(freeze::Freeze),
    Signal(signal::Signal),
    Stale(stale::Stale),
    Mcp(mcp::Mcp),
    Audit(audit::Audit),
    Demo(demo::Demo),
    Completions(completions::Completions),
    Help(help::Help),
    #[command(hide = true)]
    Generate(generate::Generate),
}

/// Parses, runs, and turns the result into an exit code.
pub fn main() -> ExitCode {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // help and version are answers, and text whatever the format; everything else is wrong usage
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return ExitCode::from(usage::tell(&error).code()),
    };
    address::take_apart(&mut cli.global, &mut cli.command);
    let context = Context::new(cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            context.printer.err(&format!("error: cannot start: {error}"));
            return ExitCode::from(Exit::Failed.code());
        }
    };
    let result = runtime.block_on(run(&context, cli.command));
    // a page or file that hangs must not keep the process
    runtime.shutdown_background();
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => context.fail(&failure),
    };
    if exit == Exit::Done && printer::lost() {
        context.printer.err("error: the answer could not be written");
        return ExitCode::from(Exit::Failed.code());
    }
    ExitCode::from(exit.code())
}

async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => args.run(context),
        Command::Create(args) => args.run(context).await,
        Command::Validate(args) => args.run(context).await,
        Command::Schema(args) => args.run(context),
        Command::Plan(args) => args.run(context).await,
        Command::Apply(args) => args.run(context).await,
        Command::Doctor(args) => args.run(context).await,
        Command::Start(args) => args.run(context).await,
        Command::Run(args) => args.run(context).await,
        Command::Serve(args) => args.run(context).await,
        Command::Stale(args) => args.run(context).await,
        Command::Status(args) => args.run(context).await,
        Command::Watch(args) => args.run(context).await,
        Command::Wait(args) => args.run(context).await,
        Command::Explain(args) => args.run(context).await,
        Command::Approve(args) => args.run(context).await,
        Command::Pause(args) => args.run(context).await,
        Command::Resume(args) => args.run(context).await,
        Command::Abort(args) => args.run(context).await,
        Command::Force(args) => args.run(context).await,
        Command::Rollback(args) => args.run(context).await,
        Command::Mute(args) => args.run(context).await,
        Command::Freeze(args) => args.run(context).await,
        Command::Signal(args) => args.run(context).await,
        Command::Mcp(args) => args.run(context).await,
        Command::Audit(args) => args.run(context),
        Command::Demo(args) => args.run(context).await,
        Command::Completions(args) => args.run(context),
        Command::Help(args) => args.run(context),
        Command::Generate(args) => args.run(),
    }
}

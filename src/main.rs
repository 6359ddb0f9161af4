//! flagstaff: parse, run, turn the result into an exit code.

fn main() -> std::process::ExitCode {
    flagstaff::cli::main()
}

//! The `cedargate` program. All of it is in the library: see `cedargate::cli`.

fn main() -> std::process::ExitCode {
    cedargate::cli::main()
}

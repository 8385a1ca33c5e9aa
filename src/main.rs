//! The `cedargate` program. Its code is in the library, in `cedargate::cli`.

fn main() -> std::process::ExitCode {
    cedargate::cli::main()
}

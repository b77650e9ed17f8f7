fn main() -> std::process::ExitCode {
    tidegate::daemon::main()
}

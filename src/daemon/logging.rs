//! Where log lines go: to journald when systemd started us, to stderr otherwise.

use log::LevelFilter;

/// Installs the logger; called once, before anything is logged.
pub fn start(level: LevelFilter) {
    let installed = if systemd_journal_logger::connected_to_journal() {
        systemd_journal_logger::JournalLog::new().is_ok_and(|journal| journal.install().is_ok())
    } else {
        false
    };
    if !installed {
        // A second logger in one process (a test) is not worth an error.
        let _ = env_logger::Builder::new().filter_level(level).format_target(false).try_init();
    }
    log::set_max_level(level);
}

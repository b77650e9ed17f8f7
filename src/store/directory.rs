//! What lies in `data_dir` beside the database: the lock, the reserve, the mark of a damaged database, databases that
//! were moved aside.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{StoreError, schema};

/// Freed when the disk is full, so that a trim can be committed.
const RESERVE_FILE: &str = "reserve";

/// Left behind when the database turned out to be damaged while in use: the next start moves it aside.
const DAMAGED_MARK: &str = "damaged";

const LOCK_FILE: &str = "lock";

/// A database that was moved aside is called this and a date.
pub(super) const ASIDE_PREFIX: &str = "tidegate.damaged-";

fn io(path: &Path) -> impl Fn(std::io::Error) -> StoreError + '_ {
    |error| StoreError::Io(path.to_owned(), error)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options
}

/// Makes the directory if need be, for us alone, and takes its lock. One process a directory: the lock goes with the
/// process, however that ends.
pub(super) fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK_FILE);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    let opened = made.and_then(|()| private().open(&path));
    let file = opened.map_err(|error| StoreError::Directory(directory.to_owned(), error))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Locked(directory.to_owned())),
        Err(error) => Err(io(&path)(error.into())),
    }
}

/// Makes an empty database file for us alone; SQLite gives its companions the same mode.
pub(super) fn make_private(database: &Path) -> Result<(), StoreError> {
    private().open(database).map_err(io(database))?;
    database.parent().map_or(Ok(()), sync)
}

pub(super) fn sync(directory: &Path) -> Result<(), StoreError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(io(directory))
}

/// Why the last run called the database damaged.
pub(super) fn damaged_mark(directory: &Path) -> Option<String> {
    std::fs::read(directory.join(DAMAGED_MARK)).ok().map(|why| String::from_utf8_lossy(&why).into_owned())
}

/// Best effort: a disk that takes not even this will show its damage again.
pub(super) fn mark_damaged(directory: &Path, why: &str) {
    let marked = private().open(directory.join(DAMAGED_MARK)).and_then(|mut file| {
        std::io::Write::write_all(&mut file, why.as_bytes())?;
        file.sync_all()
    });
    if marked.is_ok() {
        let _ = sync(directory);
    }
}

pub(super) fn clear_damaged_mark(directory: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(directory.join(DAMAGED_MARK)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(directory)(error)),
        _ => sync(directory),
    }
}

/// Takes `bytes` of the disk for an emergency; gives how many it got. Without space there is none to keep.
pub(super) fn keep_reserve(directory: &Path, bytes: u64) -> u64 {
    let path = directory.join(RESERVE_FILE);
    let kept = private().open(&path).is_ok_and(|file| {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes).is_ok()
            && file.set_len(bytes).is_ok()
    });
    if kept {
        return bytes;
    }
    free_reserve(directory);
    0
}

pub(super) fn free_reserve(directory: &Path) {
    let _ = std::fs::remove_file(directory.join(RESERVE_FILE));
}

/// Bytes of everything that is not the database in use, its companions, or the reserve.
pub(super) fn foreign_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let ours = |name: &str| name == RESERVE_FILE || name == schema::FILE || is_companion(name);
    entries
        .flatten()
        .filter(|entry| !ours(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}

fn is_companion(name: &str) -> bool {
    name.strip_prefix(schema::FILE).is_some_and(|rest| rest == "-wal" || rest == "-shm")
}

/// Databases that were moved aside, the oldest first, and their companions.
fn moved_aside(directory: &Path) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<(PathBuf, u64)> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(ASIDE_PREFIX))
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len())))
        .collect();
    files.sort();
    files
}

/// Removes the oldest of what was moved aside until the rest takes no more than `bytes_max`; gives what went.
pub(super) fn limit_moved_aside(directory: &Path, bytes_max: u64) -> Vec<PathBuf> {
    let files = moved_aside(directory);
    let mut bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let mut gone = Vec::new();
    for (path, size) in files {
        if bytes <= bytes_max {
            break;
        }
        if std::fs::remove_file(&path).is_ok() {
            bytes -= size;
            gone.push(path);
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_moved_aside_is_bounded_and_the_newest_stay() {
        let directory = tempfile::tempdir().unwrap();
        for (day, bytes) in [(3, 30), (1, 10), (2, 20)] {
            let name = format!("{ASIDE_PREFIX}2026010{day}-000000");
            std::fs::write(directory.path().join(name), vec![0; bytes]).unwrap();
        }
        std::fs::write(directory.path().join("other"), [0; 5]).unwrap();
        assert_eq!(foreign_bytes(directory.path()), 65);
        assert_eq!(limit_moved_aside(directory.path(), 60), Vec::<PathBuf>::new());
        assert_eq!(limit_moved_aside(directory.path(), 45).len(), 2);
        assert_eq!(foreign_bytes(directory.path()), 35);
    }

    #[test]
    fn what_can_be_no_directory_is_named_as_data_dir() {
        let place = tempfile::NamedTempFile::new().unwrap();
        for directory in [place.path().to_owned(), place.path().join("below")] {
            let error = lock(&directory).unwrap_err().to_string();
            assert!(error.starts_with(&format!("data_dir {} cannot be made", directory.display())), "{error}");
        }
    }

    #[test]
    fn what_we_make_is_ours_alone() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("a/b");
        let _lock = lock(&directory).unwrap();
        make_private(&directory.join(schema::FILE)).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join(schema::FILE)), 0o600);
        assert_eq!(mode(&directory.join(LOCK_FILE)), 0o600);
        assert!(matches!(lock(&directory), Err(StoreError::Locked(_))));
    }

    #[test]
    fn the_mark_comes_and_goes() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(damaged_mark(directory.path()), None);
        clear_damaged_mark(directory.path()).unwrap();
        mark_damaged(directory.path(), "why");
        assert_eq!(damaged_mark(directory.path()).as_deref(), Some("why"));
        clear_damaged_mark(directory.path()).unwrap();
        assert_eq!(damaged_mark(directory.path()), None);
    }
}

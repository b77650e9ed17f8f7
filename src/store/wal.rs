//! Writes of the WAL in few large pieces: an SQLite VFS over the one that is there.
//!
//! SQLite writes each frame of the WAL with two calls of `pwrite`, its header and its page. With pages of 1 KiB those
//! calls cost a commit more than the disk does. Here they gather in memory until SQLite syncs the file, which it does
//! before it publishes a commit (`synchronous=FULL`); so nobody can look for a frame that is not in the file yet.
//! Whatever else is done with the file writes what has gathered first.
//!
//! <https://sqlite.org/vfs.html>, <https://sqlite.org/walformat.html>

use std::ffi::{CString, c_int, c_void};
use std::sync::{Mutex, PoisonError};

use rusqlite::ffi;

use super::StoreError;

/// What gathers at most before it is written. SQLite's VFS for unix takes less than 128 KiB at once.
const GATHER_BYTES: usize = 64 << 10;

/// The name of the VFS that gathers for `base` (SQLite's default without one); registers it at first.
pub(super) fn gathering(base: Option<&str>) -> Result<String, StoreError> {
    static REGISTERING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = REGISTERING.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("tidegate-{}", base.unwrap_or("wal"));
    let (Ok(c_name), Ok(c_base)) = (CString::new(name.as_str()), CString::new(base.unwrap_or_default())) else {
        return Err(StoreError::Stopped(format!("{name:?} cannot be the name of a VFS")));
    };
    // SAFETY: the strings end in a zero byte and outlive the calls; what is handed to SQLite for good is leaked.
    let status = unsafe {
        if !ffi::sqlite3_vfs_find(c_name.as_ptr()).is_null() {
            return Ok(name);
        }
        let base = ffi::sqlite3_vfs_find(if base.is_some() { c_base.as_ptr() } else { std::ptr::null() });
        if base.is_null() {
            ffi::SQLITE_NOTFOUND
        } else {
            let mut vfs = *base;
            vfs.szOsFile = size_of::<File>() as c_int + (*base).szOsFile;
            vfs.pNext = std::ptr::null_mut();
            vfs.zName = c_name.into_raw();
            vfs.xOpen = Some(open);
            ffi::sqlite3_vfs_register(&raw mut Box::leak(Box::new(Vfs { vfs, base })).vfs, 0)
        }
    };
    match status {
        ffi::SQLITE_OK => Ok(name),
        failed => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(failed), None).into()),
    }
}

/// SQLite sees the first field, a copy of the base's but for its `xOpen`.
#[repr(C)]
struct Vfs {
    vfs: ffi::sqlite3_vfs,
    base: *mut ffi::sqlite3_vfs,
}

/// A WAL as SQLite holds it open; the base's own file lies right behind it. Other files are the base's alone.
#[repr(C)]
struct File {
    methods: *const ffi::sqlite3_io_methods,
    /// What has gathered, and where in the file it belongs.
    gathered: Vec<u8>,
    at: i64,
}

// SAFETY (all functions below): SQLite calls them with files that `open` initialised, one thread at a time, and with
// buffers of the lengths it says. The memory behind ours is as large as the base asked for, and aligned as ours is.

unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<File>().add(1).cast() }
}

/// Calls a method of the base's file; one that it does not have is an error of the disk.
macro_rules! base {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let real = real($file);
        match (*(*real).pMethods).$method {
            Some(method) => method(real $(, $argument)*),
            None => ffi::SQLITE_IOERR,
        }
    }};
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    unsafe {
        let base = (*vfs.cast::<Vfs>()).base;
        let Some(open) = (*base).xOpen else { return ffi::SQLITE_CANTOPEN };
        if flags & ffi::SQLITE_OPEN_WAL == 0 {
            return open(base, name, file, flags, out_flags);
        }
        // Without methods, SQLite does not close a file.
        (*file).pMethods = std::ptr::null();
        let opened = open(base, name, real(file), flags, out_flags);
        if opened == ffi::SQLITE_OK {
            file.cast::<File>().write(File { methods: &raw const METHODS, gathered: Vec::new(), at: 0 });
        }
        opened
    }
}

/// Writes what has gathered. What cannot be written is forgotten: SQLite rolls its transaction back.
unsafe fn flush(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe {
        let ours = &mut *file.cast::<File>();
        if ours.gathered.is_empty() {
            return ffi::SQLITE_OK;
        }
        let (from, length, at) = (ours.gathered.as_ptr(), ours.gathered.len(), ours.at);
        let written = base!(file, xWrite, from.cast(), length as c_int, at);
        ours.gathered.clear();
        written
    }
}

macro_rules! flushed {
    ($file:expr, $method:ident $(, $argument:expr)*) => {
        match flush($file) {
            ffi::SQLITE_OK => base!($file, $method $(, $argument)*),
            failed => failed,
        }
    };
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, at: i64) -> c_int {
    unsafe {
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), length as usize);
        let ours = &mut *file.cast::<File>();
        let follows = at == ours.at + ours.gathered.len() as i64;
        if !follows || ours.gathered.len() + bytes.len() > GATHER_BYTES {
            let flushed = flush(file);
            if flushed != ffi::SQLITE_OK {
                return flushed;
            }
            ours.at = at;
        }
        if bytes.len() > GATHER_BYTES {
            return base!(file, xWrite, from, length, at);
        }
        ours.gathered.extend_from_slice(bytes);
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, at: i64) -> c_int {
    unsafe { flushed!(file, xRead, to, length, at) }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    unsafe { flushed!(file, xTruncate, length) }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    unsafe { flushed!(file, xSync, flags) }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    unsafe { flushed!(file, xFileSize, size) }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe {
        // What was never synced belongs to no commit.
        file.cast::<File>().drop_in_place();
        base!(file, xClose)
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    unsafe { base!(file, xLock, level) }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    unsafe { base!(file, xUnlock, level) }
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    unsafe { base!(file, xCheckReservedLock, out) }
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, op: c_int, argument: *mut c_void) -> c_int {
    unsafe { flushed!(file, xFileControl, op, argument) }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { base!(file, xSectorSize) }
}

unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { base!(file, xDeviceCharacteristics) }
}

/// Those of a file that is neither shared memory nor mapped.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

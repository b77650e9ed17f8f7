//! A disk that can lose power: an SQLite VFS over SQLite's own.
//!
//! What SQLite writes goes to real files, and beside that each file's content is kept as it surely is on the disk
//! (fsynced) together with the changes since. When the power fails, every sector of 512 bytes that is not fsynced is
//! kept, lost, torn or turned into noise at random, and so is each directory entry that was made or removed since the
//! directory was last synced. What is left is written to a new directory.
//!
//! The model is that of POSIX with SQLite's assumption of "powersafe overwrite": a write that fails leaves the bytes
//! before and after it alone. The same disk can also be full, and can fail an fsync.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

const SECTOR_BYTES: usize = 512;

/// SplitMix64 (Steele, Lea, Flood, 2014): small, seeded, good enough for a test.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

#[derive(Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

/// A file's content, whatever its name.
#[derive(Default)]
struct Inode {
    durable: Vec<u8>,
    since: Vec<Change>,
    length: usize,
}

impl Inode {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.since) {
            apply(&mut self.durable, &change);
        }
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes } => {
            if content.len() < at + bytes.len() {
                content.resize(at + bytes.len(), 0);
            }
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Change::Truncate { length } => content.truncate(*length),
    }
}

/// How the disk's cache met the power failure.
#[derive(Clone, Copy, PartialEq)]
enum Cache {
    Written,
    Lost,
    /// Each sector for itself.
    Random,
}

/// What the power failure leaves of a file.
fn remains(inode: &Inode, cache: Cache, random: &mut Random) -> Vec<u8> {
    let mut content = inode.durable.clone();
    if cache == Cache::Lost {
        return content;
    }
    for change in &inode.since {
        let Change::Write { at, bytes } = change else {
            if cache == Cache::Written || random.below(2) == 0 {
                apply(&mut content, change);
            }
            continue;
        };
        let mut from = 0;
        while from < bytes.len() {
            let to = bytes.len().min(from + SECTOR_BYTES - (at + from) % SECTOR_BYTES);
            let sector = &bytes[from..to];
            let kept = match random.below(8) {
                _ if cache == Cache::Written => Some(sector.to_vec()),
                0..4 => Some(sector.to_vec()),
                // Only its beginning reached the disk.
                4 => Some(sector[..random.below(sector.len() as u64) as usize].to_vec()),
                5 => Some(random.bytes(sector.len())),
                _ => None,
            };
            if let Some(bytes) = kept {
                apply(&mut content, &Change::Write { at: at + from, bytes });
            }
            from = to;
        }
    }
    content
}

/// The directory, its files, and what is to happen to them.
pub struct World {
    random: Random,
    inodes: Vec<Inode>,
    /// Names as programs see them, and as they surely are on the disk.
    entries: BTreeMap<PathBuf, usize>,
    durable_entries: BTreeMap<PathBuf, usize>,
    /// Operations until the power fails.
    left: Option<u64>,
    dead: bool,
    /// What all files together may hold, and one that SQLite does not know but that takes its room.
    quota_bytes: Option<u64>,
    pub other: Option<PathBuf>,
    /// What is left of that without `other`.
    pub left_bytes: Arc<AtomicU64>,
    pub syncs_fail: bool,
}

impl World {
    fn new() -> World {
        World {
            random: Random(0),
            inodes: Vec::new(),
            entries: BTreeMap::new(),
            durable_entries: BTreeMap::new(),
            left: None,
            dead: false,
            quota_bytes: None,
            other: None,
            left_bytes: Arc::new(AtomicU64::new(u64::MAX)),
            syncs_fail: false,
        }
    }

    /// How many more operations the power lasts.
    pub fn operations_left(&self) -> u64 {
        self.left.unwrap_or(u64::MAX)
    }

    /// Counts an operation that changes something; false once the power has failed.
    fn powered(&mut self) -> bool {
        match &mut self.left {
            Some(0) => self.dead = true,
            Some(left) => *left -= 1,
            None => {}
        }
        !self.dead
    }

    pub fn set_quota(&mut self, bytes: u64) {
        self.quota_bytes = Some(bytes);
        self.left_bytes.store(bytes.saturating_sub(self.used_bytes()), Ordering::Relaxed);
    }

    fn used_bytes(&self) -> u64 {
        self.entries.values().map(|inode| self.inodes[*inode].length as u64).sum()
    }

    pub fn is_dead(&self) -> bool {
        self.dead
    }

    fn inode(&mut self, path: &Path, created: bool) -> usize {
        if let Some(inode) = self.entries.get(path) {
            return *inode;
        }
        // What was there before this world began is on the disk; what was not is new.
        let before = std::fs::read(path).unwrap_or_default();
        self.inodes.push(Inode { length: before.len(), durable: before, since: Vec::new() });
        let inode = self.inodes.len() - 1;
        self.entries.insert(path.to_owned(), inode);
        if !created {
            self.durable_entries.insert(path.to_owned(), inode);
        }
        inode
    }

    fn sync_directory(&mut self) {
        self.durable_entries.clone_from(&self.entries);
    }

    fn write(&mut self, inode: usize, at: usize, bytes: &[u8]) -> c_int {
        if !self.powered() {
            return ffi::SQLITE_IOERR_WRITE;
        }
        let end = at + bytes.len();
        let grown = end.saturating_sub(self.inodes[inode].length);
        if let Some(quota_bytes) = self.quota_bytes {
            let other = self.other.as_ref().and_then(|path| std::fs::metadata(path).ok()).map_or(0, |file| file.len());
            let used = self.used_bytes();
            if grown > 0 && used + grown as u64 + other > quota_bytes {
                return ffi::SQLITE_FULL;
            }
            self.left_bytes.store(quota_bytes.saturating_sub(used + grown as u64), Ordering::Relaxed);
        }
        let inode = &mut self.inodes[inode];
        inode.length = inode.length.max(end);
        inode.since.push(Change::Write { at, bytes: bytes.to_vec() });
        ffi::SQLITE_OK
    }

    /// Writes what the power failure leaves into `directory`.
    fn leave(&mut self, directory: &Path) {
        let mut names: Vec<PathBuf> = self.entries.keys().chain(self.durable_entries.keys()).cloned().collect();
        names.sort();
        names.dedup();
        let cache = match self.random.below(6) {
            0 => Cache::Written,
            1 => Cache::Lost,
            _ => Cache::Random,
        };
        for name in names {
            let (now, durable) = (self.entries.get(&name), self.durable_entries.get(&name));
            let inode = if now == durable || self.random.below(2) == 0 { now } else { durable };
            if let Some(inode) = inode {
                let content = remains(&self.inodes[*inode], cache, &mut self.random);
                let file = name.file_name().expect("SQLite names files");
                std::fs::write(directory.join(file), content).expect("the test's own directory");
            }
        }
    }
}

/// One such disk, registered with SQLite under `name`.
pub struct Disk {
    pub name: String,
    shared: &'static Shared,
}

struct Shared {
    base: *mut ffi::sqlite3_vfs,
    world: Mutex<World>,
}

// SAFETY: `base` is SQLite's own default VFS, which is thread-safe and lives as long as the process.
unsafe impl Sync for Shared {}

impl Disk {
    /// # Panics
    /// If SQLite refuses it.
    pub fn register(name: &str) -> Disk {
        // SAFETY: the default VFS exists once SQLite is initialised, which `find` does; everything handed to SQLite is
        // leaked, so it lives as long as the process.
        unsafe {
            let base = ffi::sqlite3_vfs_find(std::ptr::null());
            assert!(!base.is_null(), "SQLite has a default VFS");
            let shared: &'static Shared = Box::leak(Box::new(Shared { base, world: Mutex::new(World::new()) }));
            let mut vfs = *base;
            vfs.szOsFile = size_of::<File>() as c_int + (*base).szOsFile;
            vfs.pNext = std::ptr::null_mut();
            vfs.zName = CString::new(name).expect("no zero byte").into_raw();
            vfs.pAppData = std::ptr::from_ref(shared).cast_mut().cast();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            let registered = ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0);
            assert_eq!(registered, ffi::SQLITE_OK);
            Disk { name: name.to_owned(), shared }
        }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts anew; the power fails after this many operations, if at all.
    pub fn power_on(&self, seed: u64, operations: Option<u64>) {
        *self.world() = World { random: Random(seed), left: operations, ..World::new() };
    }

    /// Ends the power, if that has not happened yet, and writes what is left into `directory`.
    pub fn power_off(&self, directory: &Path) {
        let mut world = self.world();
        world.dead = true;
        world.leave(directory);
    }
}

/// What SQLite holds as an open file: ours first, the default VFS's behind it.
#[repr(C)]
struct File {
    methods: *const ffi::sqlite3_io_methods,
    shared: *const Shared,
    inode: usize,
    /// Its first fsync takes the directory with it, as SQLite's unix VFS does for new journals and WALs.
    syncs_directory: bool,
}

// SAFETY (all functions below): SQLite calls them with files that `open` initialised, and with buffers of the lengths it
// says. The default VFS's file lies right behind ours, in memory that SQLite allocated by `szOsFile`.

unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

unsafe fn world<'a>(file: *mut ffi::sqlite3_file) -> (&'a mut File, MutexGuard<'a, World>) {
    unsafe {
        let file = &mut *file.cast::<File>();
        let world = (*file.shared).world.lock().unwrap_or_else(PoisonError::into_inner);
        (file, world)
    }
}

macro_rules! base {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let real = real($file);
        ((*(*real).pMethods).$method.expect("the default VFS has it"))(real $(, $argument)*)
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
        let shared = (*vfs).pAppData.cast::<Shared>();
        (*file.cast::<File>()).methods = std::ptr::null();
        let mut world = (*shared).world.lock().unwrap_or_else(PoisonError::into_inner);
        if world.dead {
            return ffi::SQLITE_CANTOPEN;
        }
        let path = if name.is_null() { None } else { Some(PathBuf::from(text(name))) };
        let created = path.as_ref().is_some_and(|path| !path.exists());
        if created && !world.powered() {
            return ffi::SQLITE_CANTOPEN;
        }
        let base = (*shared).base;
        let opened = ((*base).xOpen.expect("the default VFS opens"))(base, name, real(file), flags, out_flags);
        if opened != ffi::SQLITE_OK {
            return opened;
        }
        let inode = match &path {
            Some(path) => world.inode(path, created),
            None => {
                world.inodes.push(Inode::default());
                world.inodes.len() - 1
            }
        };
        let journals = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_WAL;
        let syncs_directory = created && flags & journals != 0;
        file.cast::<File>().write(File { methods: &raw const METHODS, shared, inode, syncs_directory });
        ffi::SQLITE_OK
    }
}

unsafe fn text(name: *const c_char) -> String {
    unsafe { CStr::from_ptr(name).to_string_lossy().into_owned() }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    unsafe {
        let shared = (*vfs).pAppData.cast::<Shared>();
        let mut world = (*shared).world.lock().unwrap_or_else(PoisonError::into_inner);
        if !world.powered() {
            return ffi::SQLITE_IOERR_DELETE;
        }
        let base = (*shared).base;
        let deleted = ((*base).xDelete.expect("the default VFS deletes"))(base, name, 0);
        if deleted == ffi::SQLITE_OK {
            world.entries.remove(Path::new(&text(name)));
            if sync_directory != 0 {
                world.sync_directory();
            }
        }
        deleted
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { base!(file, xClose) }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, at: i64) -> c_int {
    unsafe { base!(file, xRead, to, length, at) }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, at: i64) -> c_int {
    unsafe {
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), length as usize);
        let (ours, mut world) = world(file);
        match world.write(ours.inode, at as usize, bytes) {
            ffi::SQLITE_OK => base!(file, xWrite, from, length, at),
            failed => failed,
        }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    unsafe {
        let (ours, mut world) = world(file);
        if !world.powered() {
            return ffi::SQLITE_IOERR_TRUNCATE;
        }
        let inode = &mut world.inodes[ours.inode];
        inode.length = length as usize;
        inode.since.push(Change::Truncate { length: length as usize });
        base!(file, xTruncate, length)
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    unsafe {
        let (ours, mut world) = world(file);
        if !world.powered() || world.syncs_fail {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        world.inodes[ours.inode].sync();
        if std::mem::take(&mut ours.syncs_directory) {
            world.sync_directory();
        }
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    unsafe { base!(file, xFileSize, size) }
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
    // A size hint makes the default VFS grow the file behind our back.
    if op == ffi::SQLITE_FCNTL_SIZE_HINT || op == ffi::SQLITE_FCNTL_CHUNK_SIZE {
        return ffi::SQLITE_OK;
    }
    unsafe { base!(file, xFileControl, op, argument) }
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    SECTOR_BYTES as c_int
}

unsafe extern "C" fn characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    unsafe { base!(file, xShmMap, page, size, extend, out) }
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    unsafe { base!(file, xShmLock, offset, count, flags) }
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    unsafe { base!(file, xShmBarrier) }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    unsafe { base!(file, xShmUnmap, delete) }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
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
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

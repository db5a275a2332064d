//! From the files of a walk to cases with unique ids.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use foldhash::fast::RandomState;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::descriptor::{
    self, Around, Broken, Defaults, DescriptorFile, Diagnostic, Explanation, Format, Loaded, SIZE_LIMIT,
    STACK, Source, below, quote, read,
};
use crate::discovery::outside::Surroundings;
use crate::discovery::suites::{Suites, whole_file};
use crate::discovery::walk::{Candidate, Found, threads};
use crate::discovery::{DiscoverOptions, Discovery, names};
use crate::disk::{self, ReadError};
use crate::model::{CaseId, CaseInfo, CaseResult, Outcome, Position};
use crate::process;

/// Below this many files, a pool costs more than it saves.
const FEW: usize = 8;

/// A file with its folder's defaults.
struct File<'a> {
    candidate: &'a Candidate,
    folder: Arc<Path>,
    inherited: &'a Defaults,
}

/// A file that was read, or not.
struct Read<'a> {
    path: Arc<str>,
    /// Where it lies.
    file: &'a Path,
    suite: Arc<str>,
    loaded: Result<Loaded, Diagnostic>,
}

/// Reads every file that was found.
pub(crate) fn collect(found: Found, options: &DiscoverOptions) -> Discovery {
    let mut suites = Suites::new(options);
    let folders = add_suites(&found, &mut suites);
    let files = inherit(&found.files, folders, &suites);
    let read = read_all(&files, options);
    let mut collector = Collector::of(files.len());
    for unreadable in found.unreadable {
        let path: Arc<str> = unreadable.path.into();
        let diagnostic = whole_file(&path, unreadable.message, unreadable.suggestion);
        collector.whole_file(&path, vec![diagnostic]);
    }
    for broken in &suites.broken {
        collector.whole_file(&broken.path, broken.diagnostics.clone());
    }
    read.into_iter().for_each(|file| collector.add(file));
    collector.discovery
}

/// Explains the case with this id, if one of the files has it.
pub(crate) fn explain(found: &Found, id: &str, options: &DiscoverOptions) -> Option<Explanation> {
    let mut suites = Suites::new(options);
    let folders = add_suites(found, &mut suites);
    let files = inherit(&found.files, folders, &suites);
    files.iter().find_map(|file| {
        let bytes = disk::read(&file.candidate.path, SIZE_LIMIT).ok()?;
        let (path, suite) = named(file);
        with_descriptor(file, (&path, &suite), &bytes, options, |descriptor, around| {
            descriptor::explain(descriptor, file.inherited, around, id)
        })
    })
}

/// Reads the suite files above what was found; returns the folder of each file.
fn add_suites(found: &Found, suites: &mut Suites) -> Vec<Arc<Path>> {
    let mut folders: Vec<Arc<Path>> = Vec::with_capacity(found.files.len());
    for candidate in &found.files {
        if let Some(last) = folders.last().filter(|last| is_directly_in(&candidate.path, last)) {
            folders.push(Arc::clone(last));
            continue;
        }
        let folder = candidate.path.parent().unwrap_or(&candidate.base);
        suites.add(folder, &candidate.base);
        folders.push(folder.into());
    }
    for (folder, base) in &found.suites {
        suites.add(folder, base);
    }
    folders
}

/// Whether a file lies in a folder, and in none below it.
fn is_directly_in(file: &Path, folder: &Path) -> bool {
    below(file, folder).is_some_and(|name| !name.as_os_str().as_bytes().contains(&b'/'))
}

/// The files with what their folders give them.
fn inherit<'a>(files: &'a [Candidate], folders: Vec<Arc<Path>>, suites: &'a Suites) -> Vec<File<'a>> {
    let mut inherited: Vec<File<'a>> = Vec::with_capacity(files.len());
    for (candidate, folder) in files.iter().zip(folders) {
        let same = inherited.last().filter(|last| Arc::ptr_eq(&last.folder, &folder));
        // What a broken suite file spoils is told once, by that file.
        let found = same.map(|last| last.inherited).or_else(|| Some(suites.get(&folder)?.as_ref()));
        inherited.extend(found.map(|inherited| File { candidate, folder, inherited }));
    }
    inherited
}

fn read_all<'a>(files: &'a [File<'_>], options: &DiscoverOptions) -> Vec<Read<'a>> {
    let workers = if files.len() > FEW { threads() } else { 1 };
    let turn = Mutex::new(());
    if workers > 1 {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(workers)
            .stack_size(STACK)
            .start_handler(|_| process::own_descriptors())
            .thread_name(|index| format!("partest-read-{index}"))
            .build();
        // Where no threads can be had, this one reads alone.
        if let Ok(pool) = pool {
            return pool.install(|| {
                let read = |opened: &mut Opened, file| read_one(file, opened, options, &turn);
                files.par_iter().map_init(Opened::default, read).collect()
            });
        }
    }
    let mut opened = Opened::default();
    files.iter().map(|file| read_one(file, &mut opened, options, &turn)).collect()
}

/// The folder of the file that was read last: the next one most often lies in it, too.
#[derive(Default)]
struct Opened(Option<(Arc<Path>, disk::Folder)>);

impl Opened {
    fn read(&mut self, file: &File<'_>) -> Result<Vec<u8>, ReadError> {
        let path = &file.candidate.path;
        if self.0.as_ref().is_none_or(|(last, _)| !Arc::ptr_eq(last, &file.folder)) {
            self.0 = disk::Folder::open(&file.folder).ok().map(|opened| (Arc::clone(&file.folder), opened));
        }
        match (&self.0, path.file_name()) {
            (Some((_, folder)), Some(name)) => folder.read(name, SIZE_LIMIT),
            _ => disk::read(path, SIZE_LIMIT),
        }
    }
}

fn read_one<'a>(
    file: &'a File<'_>,
    opened: &mut Opened,
    options: &DiscoverOptions,
    turn: &Mutex<()>,
) -> Read<'a> {
    let (path, suite) = named(file);
    let loaded = match opened.read(file) {
        Err(error) => Err(whole_file(&path, error.to_string(), None)),
        Ok(bytes) => Ok(with_descriptor(file, (&path, &suite), &bytes, options, |descriptor, around| {
            read(descriptor, file.inherited, &Around { turn: Some(turn), ..*around })
        })),
    };
    Read { file: &file.candidate.path, suite, path, loaded }
}

/// The path by which a file is shown, and the suite that it is.
fn named(file: &File<'_>) -> (Arc<str>, Arc<str>) {
    let shown = names::display_below(&file.candidate.path, &file.candidate.base);
    let suite = names::suite_of(&shown).into();
    (shown.into(), suite)
}

fn with_descriptor<T>(
    file: &File<'_>,
    (path, suite): (&Arc<str>, &Arc<str>),
    bytes: &[u8],
    options: &DiscoverOptions,
    make: impl FnOnce(&DescriptorFile<'_>, &Around<'_>) -> T,
) -> T {
    let Candidate { base, format, .. } = file.candidate;
    let format = format.unwrap_or_else(|| Format::of_text(bytes));
    let descriptor = DescriptorFile { path, suite, folder: &file.folder, root: base, format, bytes };
    let around = Around { outside: &Surroundings { base }, overrides: &options.variables, turn: None };
    make(&descriptor, &around)
}

struct Collector<'a> {
    discovery: Discovery,
    /// The ids used so far, and the files of the cases that have them.
    seen: HashMap<CaseId, (Arc<CaseInfo>, &'a Path), RandomState>,
}

impl<'a> Collector<'a> {
    /// One that most likely gets as many cases as there are files.
    fn of(count: usize) -> Self {
        let discovery = Discovery { cases: Vec::with_capacity(count), broken: Vec::new() };
        Self { discovery, seen: HashMap::with_capacity_and_hasher(count, RandomState::default()) }
    }

    fn add(&mut self, file: Read<'a>) {
        let loaded = match file.loaded {
            Ok(loaded) => loaded,
            Err(diagnostic) => return self.whole_file(&file.path, vec![diagnostic]),
        };
        // Read once more where an id of it is taken, and not for each.
        let text = LazyCell::new(|| {
            let bytes = disk::read(file.file, SIZE_LIMIT).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            Source::new(Arc::clone(&file.path), text.trim_start_matches('\u{FEFF}').to_owned())
        });
        let taken = |info: &CaseInfo, first: &Position| {
            let message =
                format!("the case id {} is taken; the first is at {first}", quote(info.id.as_str()));
            let help = "rename the case, or one of the files".to_owned();
            Diagnostic::within(&text, info.position.clone(), message, Some(help))
        };
        let mut loose = Vec::new();
        self.seen.reserve(loaded.cases.len());
        for case in loaded.cases {
            match self.claim(&case.info, file.file) {
                Ok(()) => self.discovery.cases.push(case),
                Err(first) => loose.push(taken(&case.info, &first)),
            }
        }
        let file_id = CaseId::of_file(&file.path);
        for Broken { info, mut diagnostics } in loaded.broken {
            if info.id == file_id {
                loose.append(&mut diagnostics);
            } else {
                match self.claim(&info, file.file) {
                    Ok(()) => self.push(info, diagnostics),
                    Err(first) => {
                        loose.push(taken(&info, &first));
                        loose.append(&mut diagnostics);
                    }
                }
            }
        }
        if let Some(first) = loose.first() {
            let info = file_info(&file.path, file.suite, first.position.clone());
            self.push(info, loose);
        }
    }

    /// Takes an id for a case of this file.
    ///
    /// # Errors
    /// The place of the case that has it already.
    fn claim(&mut self, info: &Arc<CaseInfo>, file: &'a Path) -> Result<(), Position> {
        match self.seen.entry(info.id.clone()) {
            Entry::Occupied(first) => {
                let (first, lies_at) = first.get();
                let mut position = first.position.clone();
                if position.file == info.position.file {
                    // Names are relative to the folders above what the user named, which are several here.
                    position.file = names::display(lies_at).into();
                }
                Err(position)
            }
            Entry::Vacant(free) => {
                free.insert((Arc::clone(info), file));
                Ok(())
            }
        }
    }

    /// Adds the one result that stands for a file or folder.
    fn whole_file(&mut self, path: &Arc<str>, diagnostics: Vec<Diagnostic>) {
        let position = Position { file: Arc::clone(path), line: 1, column: 1 };
        let position = diagnostics.first().map_or(position, |diagnostic| diagnostic.position.clone());
        let info = file_info(path, names::suite_of(path).into(), position);
        self.push(info, diagnostics);
    }

    fn push(&mut self, info: Arc<CaseInfo>, diagnostics: Vec<Diagnostic>) {
        let failures = diagnostics.into_iter().map(Into::into).collect();
        self.discovery.broken.push(CaseResult::without_attempt(info, Outcome::Errored, failures));
    }
}

fn file_info(path: &Arc<str>, suite: Arc<str>, position: Position) -> Arc<CaseInfo> {
    let id = CaseId::of_file(path);
    Arc::new(CaseInfo {
        id,
        name: path.to_string(),
        suite,
        position,
        number: 0,
        tags: Vec::new(),
        copy_of: None,
        definition: None,
    })
}

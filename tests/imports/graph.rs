//! Who imports whom: paths resolved to modules, and circles between the files of one folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path as File,
};

use crate::source::{self, Module, Path};

/// Re-exports that are followed for one name.
const FARTHEST: usize = 8;

/// A path in one file that leads to another module of the crate.
#[derive(Clone, Debug)]
pub struct Import {
    /// The file it stands in, from the sources' folder.
    pub file: String,
    pub line: usize,
    /// The module of that file.
    pub from: Vec<String>,
    /// As it is written, from the crate's root.
    pub written: Vec<String>,
    /// The files' modules it leads through: the first is the one that is named, the last the one that defines it. A
    /// folder's own `mod.rs` that only passes a name on is left out.
    pub reached: Vec<Vec<String>>,
}

/// A path whose first word is no module of the crate: another crate's.
#[derive(Clone, Debug)]
pub struct Foreign {
    pub file: String,
    pub line: usize,
    pub from: Vec<String>,
    pub name: String,
}

/// All modules of the crate.
#[derive(Debug, Default)]
pub struct Crate {
    modules: BTreeMap<Vec<String>, Module>,
    /// The file of each module that has one.
    files: BTreeMap<Vec<String>, String>,
}

impl Crate {
    /// Reads every `.rs` file below a folder.
    pub fn open(folder: &File) -> Self {
        let mut sources = Vec::new();
        collect(folder, folder, &mut sources);
        Self::new(sources.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }

    /// Takes files by name (`engine/run.rs`) and text.
    pub fn new<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut all = Self::default();
        let mut tests = Vec::new();
        for (file, text) in sources.filter(|(file, _)| *file != "main.rs") {
            let stem = file.trim_end_matches(".rs");
            let stem = stem.strip_suffix("/mod").or((stem == "lib").then_some("")).unwrap_or(stem);
            let path: Vec<String> = stem.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            all.files.insert(path.clone(), file.to_owned());
            for module in source::read(&path, text) {
                tests.extend(module.tests.iter().map(|test| [&module.path[..], std::slice::from_ref(test)].concat()));
                all.modules.insert(module.path.clone(), module);
            }
        }
        let test = |path: &Vec<String>| tests.iter().any(|test| path.starts_with(test));
        all.modules.retain(|path, _| !test(path));
        all.files.retain(|path, _| !test(path));
        all
    }

    /// Names of the folders and files directly below the root.
    pub fn rooms(&self) -> BTreeSet<&str> {
        self.files.keys().filter_map(|path| path.first()).map(String::as_str).collect()
    }

    /// Every path that leads to another file of the crate.
    pub fn imports(&self) -> Vec<Import> {
        self.each_path().filter_map(|(module, path)| self.import(module, path)).collect()
    }

    /// Every path that leads into another crate.
    pub fn foreign(&self) -> Vec<Foreign> {
        let foreign = self.each_path().filter(|(module, path)| self.absolute(module, &path.segments, 0).is_none());
        foreign
            .map(|(module, path)| {
                let from = self.owner(&module.path);
                let name = path.segments[0].clone();
                Foreign { file: self.files[&from].clone(), line: path.line, from, name }
            })
            .collect()
    }

    fn each_path(&self) -> impl Iterator<Item = (&Module, &Path)> {
        self.modules.values().flat_map(|module| module.imports.iter().chain(&module.named).map(move |p| (module, p)))
    }

    fn import(&self, module: &Module, path: &Path) -> Option<Import> {
        let written = self.absolute(module, &path.segments, 0)?;
        let from = self.owner(&module.path);
        let mut hops = Vec::new();
        self.follow(&written, path.name.as_deref() == Some("*"), &mut hops, 0);
        let passes_on = |hop: &Vec<String>, last: bool| !last && from.starts_with(hop);
        let count = hops.len();
        let reached: Vec<_> = hops
            .into_iter()
            .enumerate()
            .filter(|(i, hop)| !passes_on(hop, i + 1 == count) && *hop != from)
            .map(|(_, hop)| hop)
            .collect();
        // A folder's `mod.rs` that passes a name on and does not use it itself imports nothing.
        let used = path.name.as_ref().is_none_or(|name| module.words.contains(name));
        let own = |hop: &Vec<String>| hop.starts_with(&from) && path.public && !used;
        let reached: Vec<_> = reached.into_iter().filter(|hop| !own(hop)).collect();
        let file = self.files[&from].clone();
        (!reached.is_empty()).then_some(Import { file, line: path.line, from, written, reached })
    }

    /// The path from the crate's root, if it is one of the crate's.
    fn absolute(&self, module: &Module, segments: &[String], depth: usize) -> Option<Vec<String>> {
        let (first, rest) = segments.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.path.clone(),
            "super" => module.path[..module.path.len().checked_sub(1)?].to_vec(),
            name if self.has(&module.path, name) => [&module.path[..], &[name.to_owned()]].concat(),
            name => {
                let named = module.imports.iter().find(|import| import.name.as_deref() == Some(name));
                let import = named.filter(|import| depth < FARTHEST && import.segments[0] != *name)?;
                self.absolute(module, &import.segments, depth + 1)?
            }
        };
        for segment in rest {
            match segment.as_str() {
                "super" => base.truncate(base.len().checked_sub(1)?),
                "self" => {}
                name => base.push(name.to_owned()),
            }
        }
        Some(base)
    }

    fn has(&self, path: &[String], child: &str) -> bool {
        self.modules.contains_key(&[path, &[child.to_owned()]].concat())
    }

    /// The files' modules that a path leads through, re-exports followed.
    fn follow(&self, path: &[String], all: bool, hops: &mut Vec<Vec<String>>, depth: usize) {
        let mut length = 0;
        while length < path.len() && self.modules.contains_key(&path[..=length]) {
            length += 1;
        }
        let module = &path[..length];
        hops.push(self.owner(module));
        let (Some(name), false, Some(module)) =
            (path.get(length), all && length == path.len(), self.modules.get(module))
        else {
            return;
        };
        if depth > FARTHEST || module.items.contains(name) {
            return;
        }
        let rest = &path[length + 1..];
        let import = module.imports.iter().find(|import| import.name.as_ref() == Some(name));
        if let Some(target) = import.and_then(|import| self.absolute(module, &import.segments, 0)) {
            self.follow(&[&target[..], rest].concat(), false, hops, depth + 1);
            return;
        }
        for import in module.imports.iter().filter(|import| import.name.as_deref() == Some("*")) {
            let Some(target) = self.absolute(module, &import.segments, 0) else { continue };
            if self.modules.get(&target).is_some_and(|module| module.items.contains(name)) {
                self.follow(&[&target[..], &path[length..]].concat(), false, hops, depth + 1);
                return;
            }
        }
    }

    /// The module of the file that a module stands in.
    fn owner(&self, path: &[String]) -> Vec<String> {
        let lengths = (0..=path.len()).rev();
        lengths.map(|length| &path[..length]).find(|path| self.files.contains_key(*path)).unwrap_or_default().to_vec()
    }

    /// For each folder: which of its files and folders imports which.
    ///
    /// A folder's own file (`mod.rs`) is called `mod`. It stands above the others: it declares them and hands on what they
    /// make, they use what it defines, so it is no part of a circle between them ([`between_siblings`]).
    pub fn folders(&self) -> BTreeMap<String, Graph> {
        let mut folders: BTreeMap<String, Graph> = BTreeMap::new();
        for import in self.imports() {
            for target in &import.reached {
                let common = import.from.iter().zip(target).take_while(|(a, b)| a == b).count();
                let node = |path: &[String]| path.get(common).map_or(OWN, String::as_str).to_owned();
                let (from, to) = (node(&import.from), node(target));
                let folder = folders.entry(import.from[..common].join("/")).or_default();
                folder.entry(to.clone()).or_default();
                let place = || format!("src/{}:{}", import.file, import.line);
                folder.entry(from).or_default().entry(to).or_insert_with(place);
            }
        }
        folders
    }
}

/// How a folder's own file is called among those in it.
pub const OWN: &str = "mod";

/// Names, the names each imports, and where it first does.
pub type Graph = BTreeMap<String, BTreeMap<String, String>>;

/// The graph without the folder's own file.
pub fn between_siblings(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    graph.remove(OWN);
    graph.values_mut().for_each(|to| drop(to.remove(OWN)));
    graph
}

/// Sets of names that import each other in a circle.
pub fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|name| (name.as_str(), reachable(graph, name))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (name, reached) in &reach {
        if reached.contains(name) {
            let with = reached.iter().filter(|other| reach[**other].contains(name));
            found.insert(with.map(|other| (*other).to_owned()).collect());
        }
    }
    found.into_iter().collect()
}

/// What can be reached from a name in one step or more.
fn reachable<'a>(graph: &'a Graph, name: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = graph[name].keys().map(String::as_str).collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(graph[next].keys().map(String::as_str));
        }
    }
    reached
}

fn collect(root: &File, folder: &File, sources: &mut Vec<(String, String)>) {
    let entries = std::fs::read_dir(folder).expect("the sources");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let parts = path.strip_prefix(root).expect("a file below").components();
            let name: Vec<_> = parts.map(|part| part.as_os_str().to_str().expect("UTF-8")).collect();
            sources.push((name.join("/"), std::fs::read_to_string(&path).expect("a source")));
        }
    }
}

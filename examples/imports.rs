//! A picture of who imports whom: rooms of the crate, and the files of every folder.
//!
//! `cargo run --release --example imports` prints it as text, the lowest first, so that every line names only what stands above
//! it; `cargo run --release --example imports -- --dot | dot -Tsvg > imports.svg` draws it (Graphviz). What `tests/imports`
//! holds to is read from the same sources. `mod` is a folder's own file.

#[allow(dead_code)]
#[path = "../tests/imports/graph.rs"]
mod graph;
#[path = "../tests/imports/source.rs"]
mod source;

use std::{collections::BTreeMap, path::Path};

use graph::{Crate, Graph, OWN, between_siblings, circles};

fn main() {
    let folders = Crate::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).folders();
    if std::env::args().any(|argument| argument == "--dot") { draw(&folders) } else { print(&folders) }
}

fn title(folder: &str) -> String {
    if folder.is_empty() { "src".to_owned() } else { format!("src/{folder}") }
}

fn print(folders: &BTreeMap<String, Graph>) {
    let mut count = 0;
    for (folder, graph) in folders {
        println!("{}", title(folder));
        let files = between_siblings(graph);
        for name in lowest_first(&files) {
            let to: Vec<&str> = files[&name].keys().map(String::as_str).collect();
            println!("    {name}{}{}", if to.is_empty() { "" } else { " -> " }, to.join(", "));
        }
        for circle in circles(&files) {
            count += 1;
            println!("    A CIRCLE: {}", circle.join(", "));
        }
        if let Some(to) = graph.get(OWN).filter(|to| !to.is_empty()) {
            println!("    (its own file -> {})", to.keys().map(String::as_str).collect::<Vec<_>>().join(", "));
        }
        println!();
    }
    println!("{} folders, {count} circles between files of one folder", folders.len());
}

/// Names in an order in which each imports only earlier ones; those in circles and above them come last.
fn lowest_first(graph: &Graph) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    loop {
        let ready = |name: &&String| !order.contains(name) && graph[*name].keys().all(|to| order.contains(to));
        let next: Vec<String> = graph.keys().filter(ready).cloned().collect();
        if next.is_empty() {
            break;
        }
        order.extend(next);
    }
    let rest: Vec<String> = graph.keys().filter(|name| !order.contains(name)).cloned().collect();
    order.extend(rest);
    order
}

fn draw(folders: &BTreeMap<String, Graph>) {
    println!("digraph imports {{\n  rankdir=BT; node [shape=box, fontname=sans];");
    for (folder, graph) in folders {
        let title = title(folder);
        println!("  subgraph \"cluster {title}\" {{\n    label=\"{title}\";");
        let files = between_siblings(graph);
        let circles = circles(&files);
        let together = |a: &String, b: &String| circles.iter().any(|circle| circle.contains(a) && circle.contains(b));
        for (from, to) in &files {
            println!("    \"{title}/{from}\" [label=\"{from}\"];");
            for to in to.keys() {
                let colour = if together(from, to) { " [color=red]" } else { "" };
                println!("    \"{title}/{from}\" -> \"{title}/{to}\"{colour};");
            }
        }
        println!("  }}");
    }
    println!("}}");
}

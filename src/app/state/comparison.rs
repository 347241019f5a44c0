//! Nodes made from one parent, side by side: what was measured of each, and why nothing was of the others.

use crate::project::{Manifest, Node, NodeId, Status};

/// Nodes that must have been measured, so that there is something to compare.
const FEWEST: usize = 2;

/// The nodes made from the base.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What the parent is called.
    pub parent: String,
    /// In the history's order.
    pub nodes: Vec<ComparedNode>,
    /// Fréchet distances between two sets of the parent's own samples: one, unless labelers or what was to be forgotten
    /// differ.
    pub floors: Vec<f64>,
}

/// A node in a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedNode {
    /// Its number.
    pub id: NodeId,
    /// Its method, and what tells it from others of the same; unlike any other's.
    pub name: String,
    /// What was measured of it, or why nothing was, in a few words.
    pub measured: Result<Measured, &'static str>,
    /// Whether it has a model that can be looked at.
    pub has_model: bool,
}

/// What was measured of a node against its parent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Percentage of unlearning, at most 100.
    pub pul: f64,
    /// Fréchet distance to the parent's kept samples.
    pub frechet: f64,
    /// What it is for two sets of the parent's own samples.
    pub floor: Option<f64>,
}

impl Comparison {
    /// The nodes made from the manifest's base; `None` while fewer than two of them were measured.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let parent = manifest.node(manifest.base)?;
        let children: Vec<&Node> = manifest.nodes.iter().filter(|node| node.parent == Some(parent.id)).collect();
        let compared = |(name, node): (String, &&Node)| {
            let (measured, has_model) = (measured(node), node.file.is_some());
            ComparedNode { id: node.id, name, measured, has_model }
        };
        let nodes: Vec<ComparedNode> = names(&children).into_iter().zip(&children).map(compared).collect();
        if nodes.iter().filter(|node| node.measured.is_ok()).count() < FEWEST {
            return None;
        }
        let mut floors: Vec<f64> = Vec::new();
        let measured = children.iter().filter(|node| measured(node).is_ok());
        for floor in measured.filter_map(|node| node.numbers?.frechet_floor) {
            if floors.iter().all(|known| (known - floor).abs() > 1e-9 * floor.abs()) {
                floors.push(floor);
            }
        }
        Some(Self { parent: parent.name.clone(), nodes, floors })
    }

    /// The nodes that were measured, and what.
    pub fn measured(&self) -> impl Iterator<Item = (&ComparedNode, Measured)> + Clone {
        self.nodes.iter().filter_map(|node| Some((node, node.measured.ok()?)))
    }
}

fn measured(node: &Node) -> Result<Measured, &'static str> {
    let numbers = node.numbers.unwrap_or_default();
    match (numbers.pul, numbers.frechet) {
        (Some(pul), Some(frechet)) if pul.is_finite() && frechet.is_finite() => {
            return Ok(Measured { pul, frechet, floor: numbers.frechet_floor });
        }
        (None, Some(_)) => return Err("the labeler saw nothing that must go in the parent's samples"),
        (Some(_), _) => return Err("no Fréchet distance"),
        (None, None) => {}
    }
    Err(match node.status {
        Status::Unfinished => "its run has not ended",
        Status::Stopped => "its run was stopped",
        Status::Failed => "its run failed",
        Status::Snapshot => "a snapshot",
        Status::Original | Status::Done => match (&node.labeler, &node.method) {
            (Some(_), _) => "its measurement failed",
            (None, Some(_)) => "no labeler",
            // Nodes of earlier versions do not say whether there was one.
            (None, None) => "no labeler, or its measurement failed",
        },
    })
}

/// What the nodes are called: by their methods, as far as these tell them apart.
fn names(nodes: &[&Node]) -> Vec<String> {
    let method = |node: &Node| {
        // Nodes of earlier versions name their method at the end of what was asked.
        let asked =
            node.asked.as_deref().and_then(|asked| asked.rsplit_once("; ")).map(|(_, method)| method.to_owned());
        node.method.clone().or(asked)
    };
    let methods: Vec<String> = nodes.iter().map(|node| method(node).unwrap_or_else(|| node.name.clone())).collect();
    let with_names = methods.iter().zip(nodes).map(|(name, node)| match is_alone(name, &methods) {
        true => name.clone(),
        false => format!("{name}: {}", node.name),
    });
    let named: Vec<String> = with_names.collect();
    let with_numbers = named.iter().zip(nodes).map(|(name, node)| match is_alone(name, &named) {
        true => name.clone(),
        false => format!("{name} ({})", node.id),
    });
    with_numbers.collect()
}

fn is_alone(name: &String, names: &[String]) -> bool {
    names.iter().filter(|other| *other == name).count() < 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Numbers;

    fn node(id: NodeId, method: &str, numbers: Option<(f64, f64, f64)>) -> Node {
        Node {
            id,
            parent: Some(0),
            name: "without 4".to_owned(),
            file: Some("model.safetensors".into()),
            method: Some(method.to_owned()),
            status: Status::Done,
            numbers: numbers.map(|(pul, frechet, floor)| Numbers {
                pul: Some(pul),
                frechet: Some(frechet),
                frechet_floor: Some(floor),
                estimated: None,
            }),
            ..Node::default()
        }
    }

    fn manifest(children: Vec<Node>) -> Manifest {
        let first = Node { name: "digits".to_owned(), file: Some("digits.pt".into()), ..Node::default() };
        let nodes = std::iter::once(first).chain(children).collect();
        let program = String::new();
        Manifest {
            version: 1,
            program,
            nodes,
            base: 0,
            shown: None,
            pictures: None,
            next: 99,
            other: Default::default(),
        }
    }

    #[test]
    fn two_measured_nodes_of_the_base_are_a_comparison() {
        let mut other = node(3, "Feature unlearning", Some((50.0, 9.0, 2.5)));
        other.parent = Some(1);
        let one = vec![node(1, "Reject and retain", Some((94.0, 15.5, 2.5))), node(2, "Dampening", None), other];
        assert_eq!(Comparison::of(&manifest(one.clone())), None, "one of the base, one of another node");
        let mut two = one;
        two.push(node(4, "Dampening", Some((71.0, 8.0, 2.5))));
        let seen = Comparison::of(&manifest(two)).unwrap();
        assert_eq!((seen.parent.as_str(), seen.floors.as_slice()), ("digits", &[2.5][..]));
        let names: Vec<&str> = seen.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["Reject and retain", "Dampening: without 4 (2)", "Dampening: without 4 (4)"]);
        let measured: Vec<(NodeId, f64, f64)> = seen.measured().map(|(node, m)| (node.id, m.pul, m.frechet)).collect();
        assert_eq!(measured, [(1, 94.0, 15.5), (4, 71.0, 8.0)]);
    }

    #[test]
    fn what_was_not_measured_says_why() {
        let reason = |change: &dyn Fn(&mut Node)| {
            let mut odd = node(3, "Dampening", None);
            change(&mut odd);
            let mut all: Vec<Node> = (1..3).map(|id| node(id, "Reject and retain", Some((90.0, 9.0, 2.0)))).collect();
            all.push(odd);
            Comparison::of(&manifest(all)).unwrap().nodes[2].measured.unwrap_err()
        };
        assert_eq!(reason(&|_| {}), "no labeler");
        assert_eq!(reason(&|node| node.labeler = Some("digits.onnx".into())), "its measurement failed");
        assert_eq!(reason(&|node| node.method = None), "no labeler, or its measurement failed");
        assert_eq!(reason(&|node| node.status = Status::Stopped), "its run was stopped");
        assert_eq!(reason(&|node| node.status = Status::Unfinished), "its run has not ended");
        assert_eq!(reason(&|node| node.status = Status::Snapshot), "a snapshot");
        let nothing = Numbers { frechet: Some(3.0), frechet_floor: Some(3.0), ..Numbers::default() };
        let text = "the labeler saw nothing that must go in the parent's samples";
        assert_eq!(reason(&|node| node.numbers = Some(nothing)), text);
    }

    #[test]
    fn nodes_of_earlier_versions_are_named_by_what_was_asked() {
        let mut all: Vec<Node> = (1..3).map(|id| node(id, "", Some((90.0, 9.0, 2.0)))).collect();
        (all[0].method, all[1].method) = (None, None);
        all[0].asked = Some("forget 4, as a labeler sees it; Adapt then Unlearn".to_owned());
        let seen = Comparison::of(&manifest(all)).unwrap();
        let names: Vec<&str> = seen.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["Adapt then Unlearn", "without 4"]);
    }
}

//! Persistent objects as plain modules: a class name, attributes, children, parameters and buffers.

use super::super::pickle::{Node, NodeId, Pickle};
use super::{NetworkError, short};

/// What restores an object of a class whose source text is in the file.
const PERSISTENT: &str = "torch_utils.persistence._reconstruct_persistent_obj";

/// A `torch.nn.Module` in a pickle, never constructed.
#[derive(Clone)]
pub(super) struct Module<'a> {
    pub(super) pickle: &'a Pickle,
    class: &'a str,
    state: NodeId,
    /// Where it stands, for messages: `G.synthesis.b4`.
    path: String,
}

impl<'a> Module<'a> {
    /// The module at a node; `None` if that is anything else.
    pub(super) fn of(pickle: &'a Pickle, id: NodeId, path: &str) -> Option<Self> {
        let Node::Object { class, args, state } = pickle.node(id) else { return None };
        let (class, state) = if &**class == PERSISTENT {
            let meta = *pickle.items(*args).first()?;
            (pickle.text(pickle.get(meta, "class_name")?)?, pickle.get(meta, "state")?)
        } else {
            // A module whose class was importable: its state was given by `BUILD`.
            (class.rsplit('.').next()?, (*state)?)
        };
        pickle.get(state, "_modules")?;
        Some(Self { pickle, class, state, path: path.to_owned() })
    }

    /// The name of its class, without the module's.
    pub(super) fn class(&self) -> &'a str {
        self.class
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn child(&self, name: &str) -> Option<Self> {
        let modules = self.pickle.get(self.state, "_modules")?;
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self::of(self.pickle, self.pickle.get(modules, name)?, &path)
    }

    pub(super) fn required_child(&self, name: &str) -> Result<Self, NetworkError> {
        self.child(name).ok_or_else(|| NetworkError::Bad(format!("`{}` has no `{name}`", self.path)))
    }

    /// The parameter or buffer of this name, as the pickle restores it. Layers that were frozen keep weights as buffers.
    pub(super) fn tensor_node(&self, name: &str) -> Option<NodeId> {
        let entry = |kind: &str| {
            let id = self.pickle.get(self.pickle.get(self.state, kind)?, name)?;
            (!matches!(self.pickle.node(id), Node::None)).then_some(id)
        };
        entry("_parameters").or_else(|| entry("_buffers"))
    }

    pub(super) fn attribute(&self, name: &str) -> Option<NodeId> {
        self.pickle.get(self.state, name)
    }

    pub(super) fn size(&self, name: &str) -> Option<usize> {
        self.pickle.size(self.attribute(name)?)
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.pickle.number(self.attribute(name)?)
    }

    /// An attribute that is a number or `None`; an absent one is `None` too.
    pub(super) fn optional_number(&self, name: &str) -> Result<Option<f64>, NetworkError> {
        let Some(id) = self.attribute(name) else { return Ok(None) };
        match (self.pickle.node(id), self.pickle.number(id)) {
            (Node::None, _) => Ok(None),
            (_, Some(number)) => Ok(Some(number)),
            _ => Err(NetworkError::Bad(format!("`{}.{name}` is no number", self.path))),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.pickle.text(self.attribute(name)?)
    }

    /// An attribute that is true or false.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.pickle.node(self.attribute(name)?) {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An attribute that is a list of texts.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.pickle.items(self.attribute(name)?);
        items.iter().map(|item| self.pickle.text(*item).map(str::to_owned)).collect()
    }

    /// An attribute that is a list of whole numbers.
    pub(super) fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let integer = |item: &NodeId| match self.pickle.node(*item) {
            Node::Int(number) => Some(*number),
            _ => None,
        };
        self.pickle.items(self.attribute(name)?).iter().map(integer).collect()
    }

    /// An argument that the object was made with.
    pub(super) fn argument(&self, name: &str) -> Option<NodeId> {
        self.pickle.get(self.attribute("_init_kwargs")?, name)
    }

    /// Fails if the object was made with another number than the one its tensors speak of.
    pub(super) fn check_argument(&self, name: &str, found: usize) -> Result<(), NetworkError> {
        match self.argument(name).and_then(|id| self.pickle.size(id)) {
            Some(given) if given != found => Err(NetworkError::Bad(format!(
                "`{}` was made with {name} {given}, but its tensors are of one with {found}",
                self.path
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn must_be_leaky(&self) -> Result<(), NetworkError> {
        self.must_activate("lrelu")
    }

    pub(super) fn must_be_linear(&self) -> Result<(), NetworkError> {
        self.must_activate("linear")
    }

    fn must_activate(&self, wanted: &str) -> Result<(), NetworkError> {
        match self.text("activation") {
            Some(found) if found != wanted => {
                let found = short(found);
                Err(NetworkError::Declined(format!("a network with the activation `{found}` at `{}`", self.path)))
            }
            _ => Ok(()),
        }
    }

    /// Fails unless `architecture` is the one that is read.
    pub(super) fn must_have_architecture(&self, wanted: &str, network: &str) -> Result<(), NetworkError> {
        match self.text("architecture") {
            Some(found) if found != wanted => Err(NetworkError::Declined(format!(
                "a `{}` {network} (StyleGAN2 has one called `{wanted}`)",
                short(found)
            ))),
            _ => Ok(()),
        }
    }
}

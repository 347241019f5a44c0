//! The labeler and what of it must go.

use crate::engine::LabelerCard;

/// Who says what must go.
#[derive(Clone, Debug)]
pub struct LabelerChoice {
    /// The classifier.
    pub card: LabelerCard,
    /// Which of its heads is asked.
    pub head: usize,
    /// The classes that must go.
    pub forget: Vec<usize>,
    /// Whether it gives the feedback; otherwise it only measures what the marks lead to.
    pub gives_feedback: bool,
}

impl LabelerChoice {
    /// What must go, in the words that a labeler takes.
    pub fn target(&self) -> String {
        let Some(head) = self.card.heads.get(self.head) else { return String::new() };
        let names = self.forget.iter().filter_map(|&class| head.classes.get(class));
        names.map(|class| format!("{}={class}", head.name)).collect::<Vec<_>>().join("|")
    }

    /// What must go, for display: the classes, and their attribute where there are several.
    pub fn removed_classes(&self) -> String {
        let Some(head) = self.card.heads.get(self.head) else { return String::new() };
        let names = self.forget.iter().filter_map(|&class| head.classes.get(class));
        let names = names.cloned().collect::<Vec<_>>().join(", ");
        if self.card.heads.len() > 1 { format!("{} = {names}", head.name) } else { names }
    }
}

//! The labeler and what of it must go.

use crate::{
    engine::{AskedLabeler, LabelerCard},
    metrics::Target,
};

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
    /// A labeler of which nothing is chosen, so that no mark is overridden.
    pub fn new(card: LabelerCard) -> Self {
        Self { card, head: 0, forget: Vec::new(), gives_feedback: false }
    }

    /// A labeler that was asked before. What its file does not know any more is not chosen.
    pub fn asked(card: LabelerCard, asked: &AskedLabeler) -> Self {
        let Ok(target) = Target::parse(&asked.forget, &card.heads) else { return Self::new(card) };
        let (head, forget) = (target.head_number(), target.classes().to_vec());
        Self { card, head, forget, gives_feedback: asked.gives_feedback }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{feedback::LabelerSpec, metrics::Head};

    #[test]
    fn a_labeler_is_asked_again_what_it_was_asked() {
        let spec = LabelerSpec { path: "faces.onnx".into(), mean: None, std: None };
        let hat = Head { name: "hat".to_owned(), classes: ["none", "cap", "beanie"].map(str::to_owned).into() };
        let heads = vec![Head::numbered("age", 4), hat];
        let card = LabelerCard { spec: spec.clone(), heads, features: false, input: [3, 8, 8] };
        let mut choice = LabelerChoice::new(card.clone());
        (choice.head, choice.forget, choice.gives_feedback) = (1, vec![1, 2], true);
        for forget in [choice.target(), "hat!=none".to_owned(), "cap,beanie".to_owned()] {
            let asked = AskedLabeler { spec: spec.clone(), forget, gives_feedback: true };
            let again = LabelerChoice::asked(card.clone(), &asked);
            assert_eq!((again.head, &again.forget[..], again.gives_feedback), (1, &[1, 2][..], true), "{asked:?}");
        }
        let asked = AskedLabeler { spec, forget: "beard".to_owned(), gives_feedback: true };
        let again = LabelerChoice::asked(card, &asked);
        assert_eq!((again.head, again.forget.len(), again.gives_feedback), (0, 0, false));
    }
}

//! What an audit does not prove, in words.

use super::{findings::Findings, subject::Role};

/// What no audit of this kind proves; `excluded` is what the retrained model's file says was left out of its training data.
pub fn limits(findings: &Findings, excluded: Option<&str>) -> Vec<String> {
    let mut out = vec![
        "That it can never come back: the attacks had a budget, and others may succeed where these did not.".to_owned(),
        "That the labeler is right: what it does not recognise counts as gone, and what it takes for it counts as there.".to_owned(),
        "That nothing else was forgotten: only what the labeler can name, and what its features see, was measured.".to_owned(),
        "That the training data was not memorised: the weights were tested, not what they were trained on.".to_owned(),
        "That any duty in law is fulfilled: numbers were measured here; what follows from them others have to judge.".to_owned(),
        "Who made this report: hashes show that something was changed, not by whom. A signature has to be added by whoever answers for it."
            .to_owned(),
    ];
    out.push(match findings.relearning.is_empty() {
        true => "That training does not bring it back: that was left out of this audit.".to_owned(),
        false => "That a number of training steps is exact: each training was done once, on the first pictures that were found, with one seed; \
                  other pictures may take fewer."
            .to_owned(),
    });
    if findings.measurements.completed.is_some() {
        out.push(
            "That no other pictures or masks show it: as many were tried as are counted here. Latents were not searched, as such a model takes none."
                .to_owned(),
        );
    }
    out.push(match (findings.model(Role::Retrained).is_some(), excluded) {
        (false, _) => {
            "That it is as good as retraining: no model that never learned it was given to compare with, so what an attack finds cannot be told from \
             what it would find there."
                .to_owned()
        }
        (true, Some(excluded)) => format!(
            "That the retrained model never saw it: its file says that {excluded} was left out of its training data, and this report takes that as \
             it is."
        ),
        (true, None) => {
            "That the retrained model never saw it: whoever made this report says so; its file does not.".to_owned()
        }
    });
    out
}

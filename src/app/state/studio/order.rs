//! In which order the grid shows samples, by what the labeler says of them.

use super::data::Studio;
use crate::{
    app::state::{sample_order::OrderRequest, tiles::sample_at},
    engine::{Command, LabelQuestion},
    feedback::Sample,
};

impl Studio {
    /// The sample in this place of the grid.
    pub fn sample(&self, place: usize) -> Option<Sample> {
        match self.arranged() {
            Some(numbers) => self.sample_of_number(*numbers.get(place)?),
            None => self.sample_of_number(place as u64),
        }
    }

    /// Number of samples that the grid shows.
    pub fn shown_count(&self) -> usize {
        self.arranged().map_or_else(|| self.sample_count(), <[u64]>::len)
    }

    /// The place of a sample in the grid, if it is shown there.
    fn place(&self, sample: Sample) -> Option<usize> {
        let number = sample.address().index;
        if self.sample_of_number(number) != Some(sample) {
            return None;
        }
        match self.arranged() {
            Some(numbers) => numbers.iter().position(|&other| other == number),
            None => usize::try_from(number).ok().filter(|&place| place < self.sample_count()),
        }
    }

    /// The numbers of the samples that the grid shows, if it does not show all as they are drawn.
    fn arranged(&self) -> Option<&[u64]> {
        self.order.indices(self.sample_of_number(0)?)
    }

    /// What keeps samples from being ordered by what a labeler says of them, in one sentence.
    pub fn order_obstacle(&self) -> Option<&'static str> {
        match &self.labeler {
            None => Some("Choose a labeler first."),
            Some(labeler) if labeler.forget.is_empty() => Some("Choose under Labeler what must go first."),
            Some(_) if self.sample_count() == 0 => Some("Open a folder of pictures first."),
            Some(_) => None,
        }
    }

    /// Asks the labeler what is to be known of the samples, and orders the grid by what it said. Called in every frame.
    pub fn update_order(&mut self) {
        // Until another model is there, this one is shown as it is.
        if self.opening.is_some() {
            return;
        }
        let revision = self.order.revision();
        self.order.set_waiting(self.is_labeler_kept_waiting());
        match self.order.update(self.label_question(), self.sample_count()) {
            Some(OrderRequest::LookThrough(request)) => self.send(Command::Label(Some(Box::new(request)))),
            Some(OrderRequest::Stop) => self.send(Command::Label(None)),
            None => {}
        }
        if self.order.revision() != revision {
            self.view.cursor = 0;
        }
    }

    /// What the labeler waits for before it looks through samples that are to be ordered, if it does.
    pub fn order_waits_for(&self) -> Option<&'static str> {
        let is_done = self.order.looked_through().is_none_or(|looked| looked.done >= looked.of);
        match self.run.in_progress() {
            _ if is_done || !self.is_labeler_kept_waiting() => None,
            Some(_) => Some("run"),
            None => Some("audit"),
        }
    }

    /// Whether something is computed that may take minutes, and meanwhile no labeler is asked.
    fn is_labeler_kept_waiting(&self) -> bool {
        self.run.in_progress().is_some() || self.running_audit().is_some()
    }

    /// What the labeler can be asked of the samples.
    fn label_question(&self) -> Option<LabelQuestion> {
        let labeler = self.labeler.as_ref().filter(|_| self.model.is_some() && self.order_obstacle().is_none())?;
        Some(LabelQuestion {
            labeler: labeler.card.spec.clone(),
            target: labeler.target(),
            seed: self.view.seed,
            psi: self.view.psi,
            class: self.view.class,
        })
    }

    /// Looks closely at the sample so many places further on in the grid. One that is not in the grid, such as a marked one of
    /// another seed, has its neighbours by their numbers.
    pub fn open_next_detail(&mut self, places: isize) {
        let Some(sample) = self.detail.as_ref().map(|detail| detail.sample) else { return };
        let next = match self.place(sample) {
            Some(place) => {
                let next = place.saturating_add_signed(places).min(self.shown_count().saturating_sub(1));
                self.view.cursor = next;
                self.sample(next)
            }
            None => {
                let address = sample.address();
                let next = address.index.saturating_add_signed(places as i64);
                sample_at(address.seed, next, sample.psi()).map(|next| next.with_class(sample.class()))
            }
        };
        if let Some(next) = next.filter(|&next| next != sample) {
            self.open_detail(next);
        }
    }
}

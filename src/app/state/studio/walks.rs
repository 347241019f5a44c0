//! Walking from one sample to another.

use std::path::PathBuf;

use super::data::{SHOW_SHARE, Studio};
use crate::{
    app::state::{
        notices::Level,
        tiles::Source,
        view::DetailTile,
        walk::{OpenWalk, WalkPlaceKey, WalkState},
    },
    engine::{Command, FileJob, Walk, WalkRequest, WalkTiles},
    feedback::Sample,
};

impl Studio {
    /// What keeps one from walking between samples, in one sentence.
    pub fn walk_obstacle(&self) -> Option<&'static str> {
        self.completes_pictures().then_some("This model completes pictures: there are no latents to walk between.")
    }

    /// A walk is to begin at this sample; the next one that is chosen is where it leads to.
    pub fn walk_from(&mut self, from: Sample) {
        if self.walk_obstacle().is_none() {
            (self.detail, self.walk) = (None, WalkState::Choosing(from));
        }
    }

    /// Walks to this sample, if a walk is to begin somewhere.
    pub fn walk_to(&mut self, to: Sample) {
        if let Some(from) = self.walk.start() {
            self.walk = WalkState::Open(Box::new(OpenWalk::new(from, to.address())));
        }
    }

    /// Goes to the place `t` of the walk that is open, from 0 to 1.
    pub fn walk_at(&mut self, t: f32) {
        if let WalkState::Open(walk) = &mut self.walk {
            walk.t = t.clamp(0.0, 1.0);
        }
    }

    /// The weights that draw a walk: before and after, or one set where there is no after.
    fn walk_sources(&self) -> Vec<Source> {
        let [before, after] = self.compared_sources();
        if before == after { vec![before] } else { vec![before, after] }
    }

    fn way(&self, walk: &OpenWalk) -> Walk {
        let weights = self.walk_sources().into_iter().map(Source::weights).collect();
        Walk { weights, from: walk.from, to: walk.to }
    }

    /// Asks for the place of the walk that is looked at, unless that was done. Called in every frame.
    pub fn request_walk(&mut self) {
        let (now, sources) = (self.now, self.walk_sources());
        // Only what a run works on changes under its name.
        let epoch = if sources.contains(&Source::Current) { self.epoch } else { 0 };
        let WalkState::Open(walk) = &mut self.walk else { return };
        let t = walk.t;
        if walk.ask(WalkPlaceKey { t, sources, epoch }, now)
            && let Some(walk) = self.walk.open()
        {
            self.send(Command::Walk(WalkRequest { walk: self.way(walk), t }));
        }
    }

    /// Takes in a place of a walk.
    pub(super) fn handle_walk(&mut self, tiles: WalkTiles) {
        let (now, training) = (self.now, self.is_training());
        let WalkRequest { walk: way, t } = tiles.request;
        let WalkState::Open(walk) = &mut self.walk else { return };
        if (walk.from, walk.to) != (way.from, way.to) {
            return;
        }
        let pictures = tiles.rgb.chunks_exact((tiles.side * tiles.side * 3).max(1));
        let pictures = pictures.map(|rgb| DetailTile { side: tiles.side, rgb: rgb.into() });
        walk.put(t, pictures.collect(), tiles.mapped);
        if training {
            walk.next_refresh = now + tiles.seconds * (1.0 / SHOW_SHARE - 1.0);
        }
    }

    /// Writes an animation of the walk that is open, before and after side by side.
    pub fn save_walk(&mut self, path: PathBuf) {
        // The system's dialog lets the window be used meanwhile.
        let Some(walk) = self.walk.open() else {
            self.notify(Level::Warning, "The walk was closed before a file was chosen: nothing was saved.");
            return;
        };
        let way = self.way(walk);
        self.write(path.clone(), Command::File(Box::new(FileJob::Walk(path, way))));
    }
}

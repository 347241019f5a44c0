//! The grid's drawing on the window's GPU: one texture of tiles, one draw call for all of them.
//!
//! In goes what one frame shows ([`paint::GridFrame`]), out comes a shape for egui to paint. [`atlas`] gives tiles their
//! places in the texture, [`instance`] is what the shader (`shaders/grid.wgsl`) is given, [`pipeline`] how it draws,
//! [`paint`] does both, [`background`] draws the colour behind, [`heat`] has the colours of the heat view. Imports of the
//! window only the keys of [`state::tiles`](super::state::tiles); knows no view.

pub(crate) mod atlas;
pub(crate) mod background;
pub(crate) mod heat;
pub(crate) mod instance;
pub(crate) mod paint;
mod pipeline;

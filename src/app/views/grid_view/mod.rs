//! The grid: what is seen, what a click and a key do. The pictures themselves are drawn by `grid`.
//!
//! [`GridView`] is declared in `view`, which imports of this folder only the magnifier; `content` puts the rest together: the
//! toolbar above, pointer and keys, what is painted, what is waited for, and the questions for the rest of a page and for
//! where a walk leads to. In goes the studio, out go marks and requests for tiles.

mod content;
mod first_steps;
mod fit;
mod heat_scale;
mod keys;
mod magnifier;
mod order_menu;
mod order_wait;
mod page;
mod paint;
mod pointer;
mod rest;
mod status;
mod toolbar;
mod view;
mod walk;

pub(crate) use view::GridView;

//! Where in a picture the marked thing is: a box or a rough stroke, as a person draws it.
//!
//! Coordinates are parts of the picture's width and height, from 0 (left, top) to 1 (right, bottom), kept in thousandths: a
//! region has one form, whatever it went through. In a feedback file it is `{"box": [left, top, right, bottom]}` or
//! `{"stroke": [[x, y], ...], "radius": r}`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Steps of a coordinate from one side of the picture to the other.
const STEPS: f64 = 1000.0;
/// Points of a stroke at most.
pub const MOST_POINTS: usize = 256;
/// Radius of a brush at most: it then covers the picture.
const WIDEST: f64 = 0.5;
/// Points along each side of a cell that are asked whether they are covered.
const SUBDIVISION: usize = 4;

/// What is wrong with a region, as the end of a sentence that names it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RegionError {
    /// Neither a box nor a stroke, or both.
    #[error("is neither a box nor a stroke with a radius")]
    Kind,
    /// NaN or infinity.
    #[error("has a coordinate that is not a finite number")]
    NotFinite,
    /// A coordinate below 0 or above 1.
    #[error("reaches out of the picture (coordinates go from 0 to 1)")]
    Outside,
    /// A box without an area, or a stroke without points.
    #[error("is empty")]
    Empty,
    /// A stroke too long to be one.
    #[error("has more than {MOST_POINTS} points")]
    Points,
    /// A brush that is too narrow or too wide.
    #[error("has a brush whose radius is not between 0.001 and {WIDEST} of the picture")]
    Radius,
}

/// A place in a picture, in thousandths of its width and height.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Shape {
    Box { left: u16, top: u16, right: u16, bottom: u16 },
    Stroke { points: Box<[[u16; 2]]>, radius: u16 },
}

/// Where in a picture a thing is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RegionFile", into = "RegionFile")]
pub struct Region(Shape);

/// A region's outline in parts of the picture, for drawing it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outline {
    /// The left upper and the right lower corner.
    Box([f32; 2], [f32; 2]),
    /// Where a round brush of this radius went.
    Stroke(Vec<[f32; 2]>, f32),
}

impl Region {
    /// The box between two opposite corners.
    pub fn between(a: [f64; 2], b: [f64; 2]) -> Result<Self, RegionError> {
        let ([ax, ay], [bx, by]) = (point(a)?, point(b)?);
        let (left, right, top, bottom) = (ax.min(bx), ax.max(bx), ay.min(by), ay.max(by));
        if left == right || top == bottom {
            return Err(RegionError::Empty);
        }
        Ok(Self(Shape::Box { left, top, right, bottom }))
    }

    /// Where a round brush of this radius went, from point to point. A brush at the picture's edge covers what of it is within.
    pub fn stroke(points: impl IntoIterator<Item = [f64; 2]>, radius: f64) -> Result<Self, RegionError> {
        let mut kept: Vec<[u16; 2]> = Vec::new();
        for at in points {
            let at = point(at)?;
            if kept.last() != Some(&at) {
                kept.push(at);
            }
            if kept.len() > MOST_POINTS {
                return Err(RegionError::Points);
            }
        }
        if kept.is_empty() {
            return Err(RegionError::Empty);
        }
        if !radius.is_finite() || radius * STEPS < 1.0 || radius > WIDEST {
            return Err(if radius.is_finite() { RegionError::Radius } else { RegionError::NotFinite });
        }
        Ok(Self(Shape::Stroke { points: kept.into(), radius: (radius * STEPS).round() as u16 }))
    }

    /// Its outline.
    pub fn outline(&self) -> Outline {
        let part = |at: u16| f32::from(at) / STEPS as f32;
        match &self.0 {
            &Shape::Box { left, top, right, bottom } => {
                Outline::Box([part(left), part(top)], [part(right), part(bottom)])
            }
            Shape::Stroke { points, radius } => {
                Outline::Stroke(points.iter().map(|at| at.map(part)).collect(), part(*radius))
            }
        }
    }

    /// How much of each cell of a `side` by `side` grid over the picture it covers, from 0 to 1, row by row.
    pub fn coverage(&self, side: usize) -> Vec<f64> {
        let fine = side * SUBDIVISION;
        let at = |i: usize| (i as f64 + 0.5) / fine as f64 * STEPS;
        let mut out = vec![0.0; side * side];
        for y in 0..fine {
            for x in (0..fine).filter(|&x| self.0.covers([at(x), at(y)])) {
                out[y / SUBDIVISION * side + x / SUBDIVISION] += 1.0 / (SUBDIVISION * SUBDIVISION) as f64;
            }
        }
        out
    }
}

impl Shape {
    /// Whether it covers a point, in thousandths.
    fn covers(&self, [x, y]: [f64; 2]) -> bool {
        match self {
            &Self::Box { left, top, right, bottom } => {
                (f64::from(left)..f64::from(right)).contains(&x) && (f64::from(top)..f64::from(bottom)).contains(&y)
            }
            Self::Stroke { points, radius } => {
                let radius = f64::from(*radius);
                let near = |from: [u16; 2], to: [u16; 2]| squared_distance([x, y], from, to) <= radius * radius;
                match **points {
                    [only] => near(only, only),
                    _ => points.windows(2).any(|pair| near(pair[0], pair[1])),
                }
            }
        }
    }
}

/// Squared distance of a point from the line between two others.
fn squared_distance([x, y]: [f64; 2], from: [u16; 2], to: [u16; 2]) -> f64 {
    let ([ax, ay], [bx, by]) = (from.map(f64::from), to.map(f64::from));
    let (dx, dy) = (bx - ax, by - ay);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { (((x - ax) * dx + (y - ay) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (x - ax - along * dx).powi(2) + (y - ay - along * dy).powi(2)
}

/// A point in thousandths.
fn point(at: [f64; 2]) -> Result<[u16; 2], RegionError> {
    if at.iter().any(|value| !value.is_finite()) {
        return Err(RegionError::NotFinite);
    }
    if at.iter().any(|value| !(0.0..=1.0).contains(value)) {
        return Err(RegionError::Outside);
    }
    Ok(at.map(|value| (value * STEPS).round() as u16))
}

/// How a region stands in a file; fields this program does not know change nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RegionFile {
    #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
    corners: Option<[f64; 4]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stroke: Option<Vec<[f64; 2]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    radius: Option<f64>,
}

impl TryFrom<RegionFile> for Region {
    type Error = RegionError;

    fn try_from(file: RegionFile) -> Result<Self, RegionError> {
        match file {
            RegionFile { corners: Some([left, top, right, bottom]), stroke: None, .. } => {
                Self::between([left, top], [right, bottom])
            }
            RegionFile { corners: None, stroke: Some(points), radius: Some(radius) } => Self::stroke(points, radius),
            _ => Err(RegionError::Kind),
        }
    }
}

impl From<Region> for RegionFile {
    fn from(region: Region) -> Self {
        // A thousandth as an `f64` prints as its three digits.
        let part = |at: u16| f64::from(at) / STEPS;
        match region.0 {
            Shape::Box { left, top, right, bottom } => {
                Self { corners: Some([left, top, right, bottom].map(part)), ..Self::default() }
            }
            Shape::Stroke { points, radius } => Self {
                stroke: Some(points.iter().map(|at| at.map(part)).collect()),
                radius: Some(part(radius)),
                ..Self::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_one_form() {
        let region = Region::between([0.7, 0.41], [0.2804, 0.6]).unwrap();
        assert_eq!(region, Region::between([0.28, 0.6], [0.7, 0.41]).unwrap());
        let json = serde_json::to_string(&region).unwrap();
        assert_eq!(json, r#"{"box":[0.28,0.41,0.7,0.6]}"#);
        assert_eq!(serde_json::from_str::<Region>(&json).unwrap(), region);
        let stroke = Region::stroke([[0.1, 0.1], [0.1002, 0.1], [0.9, 1.0]], 0.05).unwrap();
        let json = serde_json::to_string(&stroke).unwrap();
        assert_eq!(json, r#"{"stroke":[[0.1,0.1],[0.9,1.0]],"radius":0.05}"#);
        assert_eq!(serde_json::from_str::<Region>(&json).unwrap(), stroke);
        for step in 0..=1000u16 {
            let part = f64::from(step) / STEPS;
            assert_eq!(point([part, 1.0 - part]), Ok([step, 1000 - step]));
        }
    }

    #[test]
    fn what_is_no_region_is_told() {
        let stroke = |points: &[[f64; 2]], radius| Region::stroke(points.iter().copied(), radius).unwrap_err();
        let many: Vec<[f64; 2]> = (0..300).map(|i| [f64::from(i) / 300.0, 0.5]).collect();
        let table = [
            (Region::between([0.1, 0.1], [1.2, 0.5]).unwrap_err(), RegionError::Outside),
            (Region::between([-0.1, 0.1], [0.2, 0.5]).unwrap_err(), RegionError::Outside),
            (Region::between([f64::NAN, 0.1], [0.2, 0.5]).unwrap_err(), RegionError::NotFinite),
            (Region::between([0.2, 0.1], [0.2, 0.5]).unwrap_err(), RegionError::Empty),
            (stroke(&[], 0.1), RegionError::Empty),
            (stroke(&[[0.5, 0.5]], 0.0), RegionError::Radius),
            (stroke(&[[0.5, 0.5]], 0.7), RegionError::Radius),
            (stroke(&[[0.5, 0.5]], f64::INFINITY), RegionError::NotFinite),
            (stroke(&[[0.5, 1.5]], 0.1), RegionError::Outside),
            (stroke(&many, 0.1), RegionError::Points),
        ];
        for (found, expected) in table {
            assert_eq!(found, expected);
        }
        for json in [r#"{}"#, r#"{"stroke":[[0,0]]}"#, r#"{"box":[0,0,1,1],"stroke":[[0,0]],"radius":0.1}"#] {
            let error = serde_json::from_str::<Region>(json).unwrap_err().to_string();
            assert!(error.starts_with("is neither a box nor a stroke"), "{json}: {error}");
        }
    }

    #[test]
    fn coverage_is_the_part_of_each_cell_within() {
        let half = Region::between([0.25, 0.5], [0.75, 1.0]).unwrap().coverage(4);
        let expected = [0., 0., 0., 0., 0., 0., 0., 0., 0., 1., 1., 0., 0., 1., 1., 0.];
        assert!(half.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{half:?}");
        // A quarter of a cell.
        let corner = Region::between([0.0, 0.0], [0.125, 0.125]).unwrap().coverage(4);
        assert!((corner[0] - 0.25).abs() < 1e-12 && corner[1..].iter().all(|&part| part == 0.0));
        // A dot of radius 1/4 in the middle: a sixteenth of pi of the picture.
        let dot = Region::stroke([[0.5, 0.5]], 0.25).unwrap().coverage(32);
        let area = dot.iter().sum::<f64>() / 1024.0;
        assert!((area - std::f64::consts::PI / 16.0).abs() < 2e-3, "{area}");
        // A line across covers both ends and the middle.
        let line = Region::stroke([[0.1, 0.5], [0.9, 0.5]], 0.1).unwrap().coverage(16);
        assert!([8 * 16 + 1, 8 * 16 + 8, 7 * 16 + 14].iter().all(|&cell| line[cell] > 0.9), "{line:?}");
        assert!(line[16 * 4 + 8] == 0.0);
    }
}

//! How an image's plane is moved before it is drawn.

/// A rotation around the centre, then a translation. Networks that are built to follow them (StyleGAN3) draw the moved image;
/// others are not moved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Motion {
    /// To the right, in widths of the image.
    pub x: f32,
    /// Down, in heights of the image.
    pub y: f32,
    /// Counter-clockwise, in degrees.
    pub degrees: f32,
}

impl Motion {
    /// From where a point has come, as a matrix for homogeneous coordinates `(x, y, 1)`, row-major.
    pub fn inverse(&self) -> [[f32; 3]; 3] {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let Self { x, y, .. } = *self;
        [[cos, -sin, sin * y - cos * x], [sin, cos, -sin * x - cos * y], [0.0, 0.0, 1.0]]
    }
}
